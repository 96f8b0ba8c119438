"""A reader learns of commits without reading, and misses none for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchline.storage import Database
from touchline.storage.change_watch import ChangeWatch
from touchline.storage.tables import leases


def test_a_commit_of_anybody_is_noticed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/touchline.db"
    ours, other = Database.open(url), Database.open(url)
    ours.migrate()
    watch = ours.watch()
    assert watch.may_have_changed()
    assert not watch.may_have_changed()
    for database in (ours, other):
        with database.begin() as connection:
            connection.execute(leases.delete())
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS note (text)")
            connection.exec_driver_sql("INSERT INTO note VALUES ('x')")
        assert watch.may_have_changed()
        assert not watch.may_have_changed()


@pytest.mark.parametrize(("commits", "trusted"), [(7, 5.0), (None, 1.0)])
def test_rows_are_read_again_after_some_seconds_whatever_the_counter_says(commits: int | None, trusted: float) -> None:
    now = [100.0]
    watch = ChangeWatch(lambda: commits, clock=lambda: now[0])
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
