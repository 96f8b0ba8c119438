"""The records of pipeline runs: what an interrupted run leaves, and who may go on writing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchline.automation import PipelineRuns
from touchline.clock import FrozenClock
from touchline.errors import LeaseLost
from touchline.storage import Database, hold_lease
from touchline.storage.tables import leases

CLOCK = FrozenClock(datetime(2024, 1, 1, tzinfo=UTC))
TTL = timedelta(minutes=1)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database.open(f"sqlite:///{tmp_path / 'touchline.db'}")
    database.migrate()
    return database


def test_a_version_is_found_by_its_training_key_even_if_the_run_failed(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = runs.start("train", lease=lease, clock=CLOCK)
        record.note({"training_key": "k", "version": 3})
        record.finish("failed", {"error": "killed"})
    assert runs.version_of("k") == 3
    assert runs.version_of("other") is None
    assert PipelineRuns(database, "other").version_of("k") is None


def test_only_a_finished_run_decides_what_was_declared_last(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        for status, declared in (("done", "first"), ("refused", "second"), ("failed", "third")):
            record = runs.start("train", lease=lease, clock=CLOCK)
            record.note({"declaration": {"task": {"kind": declared}}})
            record.finish(status, {})
        runs.start("train", lease=lease, clock=CLOCK).note({"declaration": {"task": {"kind": "fourth"}}})
    assert runs.last_declaration() == {"task": {"kind": "second"}}


def test_a_run_that_lost_its_lease_starts_no_further_step(database: Database) -> None:
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = PipelineRuns(database, "shop").start("train", lease=lease, clock=CLOCK)
        with record.step("ingest"), database.begin() as connection:
            connection.execute(sa.update(leases).values(token=lease.token + 1, holder="b"))
        with pytest.raises(LeaseLost, match="shop:pipeline"), record.step("train"):
            pytest.fail("a step started though another process holds the lease")
