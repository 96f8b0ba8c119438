"""A reader learns of commits without reading, and misses none for long."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from touchline.storage import Database
from touchline.storage.change_watch import ChangeWatch
from touchline.storage.tables import clocks, key_changes


def test_rows_that_anybody_adds_are_noticed_and_those_of_other_tables_are_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/touchline.db"
    ours, other = Database.open(url), Database.open(url)
    ours.migrate()
    watch = ours.watch(key_changes, clocks)
    assert watch.may_have_changed()
    assert not watch.may_have_changed()
    for database in (ours, other):
        with database.begin() as connection:
            connection.execute(key_changes.insert().values(_change(database.name + str(database is ours))))
        assert watch.may_have_changed()
        assert not watch.may_have_changed()
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS note (text)")
            connection.exec_driver_sql("INSERT INTO note VALUES ('x')")
        assert not watch.may_have_changed()


def _change(change_id: str) -> dict[str, object]:
    at = datetime(2024, 6, 1, tzinfo=UTC)
    return {"id": change_id, "key_id": "k", "act": "made", "at": at, "actor": "ann", "reason": ""}


@pytest.mark.parametrize(("newest", "trusted"), [(7, 5.0), (None, 1.0)])
def test_rows_are_read_again_after_some_seconds_whatever_the_newest_is(newest: int | None, trusted: float) -> None:
    now = [100.0]
    watch = ChangeWatch(lambda: newest, clock=lambda: now[0])
    assert watch.may_have_changed()
    now[0] += trusted - 0.1
    assert not watch.may_have_changed()
    now[0] += 0.2
    assert watch.may_have_changed()


def test_a_read_that_failed_is_tried_again_at_once() -> None:
    watch = ChangeWatch(lambda: 7)
    assert watch.may_have_changed()
    watch.reset()
    assert watch.may_have_changed()


def test_a_counter_that_fails_counts_as_a_change() -> None:
    def fail() -> int:
        raise OSError("disk")

    watch = ChangeWatch(fail)
    assert [watch.may_have_changed() for _ in range(2)] == [True, True]


def test_rows_that_cannot_be_read_are_not_known() -> None:
    def refuse() -> int:
        raise OSError

    assert ChangeWatch(lambda: 7).newest() == 7
    assert ChangeWatch(refuse).newest() is None
