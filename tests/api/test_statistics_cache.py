"""A history is read again only when another of its rows is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tests.features.builders import a_view, stored_history
from touchline.api.features.statistics_cache import StatisticsCache
from touchline.features import FeatureHistory, ViewStatistics


def day(number: int) -> datetime:
    return datetime(2024, 5, number, tzinfo=UTC)


@dataclass
class Reader:
    """Asks for the statistics of one history or another, and counts how often that reads it."""

    folder: Path
    cache: StatisticsCache
    reads: int = 0

    def rows_at(self, now: datetime, name: str = "first") -> int:
        instants = pl.Series([day(1), day(3), day(5)], dtype=pl.Datetime("us", "UTC"))
        rows = pl.DataFrame({"event_timestamp": instants, "created_timestamp": instants})
        history = stored_history(a_view(), rows, self.folder, hash=name)
        return self.cache.get(history, now, lambda: self._compute(history, now)).history_rows

    def _compute(self, history: FeatureHistory, now: datetime) -> ViewStatistics:
        self.reads += 1
        known = history.scan().filter(pl.col("event_timestamp") <= now).collect().height
        return ViewStatistics("v", "team", "1", 0, 0, None, None, known, 0, (), (), {})


def test_a_history_is_read_once(tmp_path: Path) -> None:
    reader = Reader(tmp_path, StatisticsCache())
    assert [reader.rows_at(day(9)) for _ in range(5)] == [3] * 5
    assert [reader.rows_at(day(20)) for _ in range(5)] == [3] * 5
    assert reader.reads == 1


def test_a_history_is_read_again_once_another_row_is_known(tmp_path: Path) -> None:
    reader = Reader(tmp_path, StatisticsCache())
    assert [reader.rows_at(day(number)) for number in (1, 2, 3, 4, 5, 6)] == [1, 1, 2, 2, 3, 3]
    assert reader.reads == 3
    assert reader.rows_at(day(2)) == 1, "an earlier clock knows less"


def test_another_history_is_another_and_the_least_recently_used_one_goes(tmp_path: Path) -> None:
    reader = Reader(tmp_path, StatisticsCache(limit=2))
    for name in ("a", "b", "a", "c", "a"):
        reader.rows_at(day(9), name)
    assert reader.reads == 3
    reader.rows_at(day(9), "b")
    assert reader.reads == 4
