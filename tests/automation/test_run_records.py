"""The records of pipeline runs: what an interrupted run leaves, and who may go on writing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchline.automation import EndedInOrder, PipelineRuns, RunRecord, RunRequest
from touchline.automation.runs.pipeline import version_of_training
from touchline.automation.runs.records import cancel_runs
from touchline.clock import FrozenClock
from touchline.errors import KeyReused, LeaseLost, RunStopped, RunWaits
from touchline.rehearsal.scratch_home import RehearsalClock
from touchline.storage import Database, Lease, hold_lease
from touchline.storage.tables import leases

CLOCK = FrozenClock(datetime(2024, 1, 1, tzinfo=UTC))
TTL = timedelta(minutes=1)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database.open(f"sqlite:///{tmp_path / 'touchline.db'}")
    database.migrate()
    return database


def _begun(runs: PipelineRuns, lease: Lease) -> RunRecord:
    run, _ = runs.request(RunRequest(), clock=CLOCK)
    return runs.begin(run, code_hash="c", lease=lease, clock=CLOCK)


def _take_over(database: Database, lease: Lease) -> None:
    with database.begin() as connection:
        connection.execute(sa.update(leases).values(token=lease.token + 1, holder="b"))


def test_a_version_is_found_by_its_training_key_even_if_the_run_failed(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(runs, lease)
        record.note({"training_key": "k", "version": 3})
        record.finish("failed", {"error": "killed"})
    assert version_of_training(runs, "k") == 3
    assert version_of_training(runs, "other") is None
    assert version_of_training(PipelineRuns(database, "other"), "k") is None


def test_only_a_finished_run_decides_what_was_declared_last(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        for status, declared in (("done", "first"), ("refused", "second"), ("failed", "third")):
            record = _begun(runs, lease)
            record.note({"declaration": {"task": {"kind": declared}}})
            record.finish(status, {})
        _begun(runs, lease).note({"declaration": {"task": {"kind": "fourth"}}})
    assert runs.last_declaration() == {"task": {"kind": "second"}}


def test_a_run_that_lost_its_lease_starts_no_further_step(database: Database) -> None:
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(PipelineRuns(database, "shop"), lease)
        with record.step("ingest"):
            pass
        _take_over(database, lease)
        with pytest.raises(LeaseLost, match="shop:pipeline"), record.step("train"):
            pytest.fail("a step started though another process holds the lease")


def test_a_run_that_lost_its_lease_ends_neither_its_step_nor_itself(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(runs, lease)
        with pytest.raises(LeaseLost), record.step("train"):
            _take_over(database, lease)
        with pytest.raises(LeaseLost):
            record.finish("done", {})
    assert runs.find(record.id).status == "running"
    assert [(step.status, step.output) for step in runs.steps(record.id)] == [("running", {})]


def test_two_requests_with_one_key_are_one_run(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    first, is_new = runs.request(RunRequest(key="k"), clock=CLOCK)
    again, is_new_again = runs.request(RunRequest(key="k"), clock=CLOCK)
    assert (is_new, is_new_again, again) == (True, False, first)
    other, is_new_there = PipelineRuns(database, "bakery").request(RunRequest(key="k"), clock=CLOCK)
    assert is_new_there
    assert [run.id for run in runs.waiting()] == [first.id]
    assert other.id != first.id


def test_a_request_that_is_sent_again_finds_its_run_whatever_waits_by_now(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    first, _ = runs.request(RunRequest(key="k", reason="new prices"), clock=CLOCK, is_only=True)
    runs.end(first.id, "done", "", clock=CLOCK)
    second, _ = runs.request(RunRequest(), clock=CLOCK, is_only=True)
    again, is_new = runs.request(RunRequest(key="k", reason="new prices"), clock=CLOCK, is_only=True)
    assert (again.id, is_new) == (first.id, False)
    with pytest.raises(RunWaits, match=second.id):
        runs.request(RunRequest(key="l"), clock=CLOCK, is_only=True)


@pytest.mark.parametrize("other", [RunRequest(key="k", reason="else"), RunRequest(key="k", is_forced=True)])
def test_a_key_does_not_ask_for_two_different_trainings(database: Database, other: RunRequest) -> None:
    runs = PipelineRuns(database, "shop")
    first, _ = runs.request(RunRequest(key="k"), clock=CLOCK)
    with pytest.raises(KeyReused, match=first.id):
        runs.request(other, clock=CLOCK, is_only=True)
    assert [run.id for run in runs.waiting()] == [first.id]


@pytest.mark.parametrize(("end", "status"), [(EndedInOrder(143), "running"), (SystemExit(1), "failed")])
def test_a_step_fails_by_its_own_exit_and_not_by_an_orderly_end(
    database: Database, end: SystemExit, status: str
) -> None:
    runs = PipelineRuns(database, "shop")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(runs, lease)
        with pytest.raises(SystemExit), record.step("ingest"):
            raise end
    assert [step.status for step in runs.steps(record.id)] == [status]


def test_a_failure_over_a_file_whose_name_is_no_unicode_is_recorded(database: Database) -> None:
    runs, name = PipelineRuns(database, "shop"), b"prices-\xff.csv".decode(errors="surrogateescape")
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(runs, lease)
        with pytest.raises(FileNotFoundError), record.step("ingest"):
            raise FileNotFoundError(name)
        record.finish("failed", {"error": name})
    assert runs.find(record.id).failure == r"prices-\udcff.csv"
    assert [step.status for step in runs.steps(record.id)] == ["failed"]


def test_a_run_that_has_begun_waits_before_one_that_was_asked_for_earlier(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    earlier, _ = runs.request(RunRequest(), clock=CLOCK)
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        record = _begun(runs, lease)
    assert [run.id for run in runs.waiting()] == [record.id, earlier.id]
    assert runs.end(earlier.id, "stopped", "no longer needed", clock=CLOCK)
    assert not runs.end(earlier.id, "failed", "again", clock=CLOCK)
    assert runs.find(earlier.id).failure == "no longer needed"


def test_a_run_that_was_cancelled_before_its_worker_began_is_not_begun(database: Database) -> None:
    runs = PipelineRuns(database, "shop")
    run, _ = runs.request(RunRequest(), clock=CLOCK)
    with hold_lease(database, "shop:pipeline", holder="a", ttl=TTL, clock=CLOCK) as lease:
        assert cancel_runs(database, [run], "cancelled by ann: too many", clock=CLOCK) == [run]
        assert cancel_runs(database, [run], "again", clock=CLOCK) == []
        with pytest.raises(RunStopped, match="cancelled by ann: too many"):
            runs.begin(run, code_hash="c", lease=lease, clock=CLOCK)
    assert (runs.find(run.id).status, runs.find(run.id).attempts) == ("stopped", 0)


def test_runs_of_one_instant_have_an_order_the_days_work_first(database: Database) -> None:
    runs, clock = PipelineRuns(database, "shop"), RehearsalClock(CLOCK.now())
    for job in ("retrain", "daily") * 4:
        runs.request(RunRequest(job), clock=clock)
    assert [run.job for run in runs.waiting()] == ["daily"] * 4 + ["retrain"] * 4
