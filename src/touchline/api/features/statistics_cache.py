"""Statistics of feature views, cached until another row of the history becomes known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.features import FeatureHistory, ViewStatistics


@dataclass(frozen=True)
class _Entry:
    """Statistics that hold from `since` until `until`; None: for ever."""

    statistics: ViewStatistics
    since: datetime
    until: datetime | None

    def holds_at(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


class StatisticsCache:
    """Statistics by their history, which never changes; the least recently used one goes."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._entries: OrderedDict[tuple[str, ...], _Entry] = OrderedDict()
        self._lock = Lock()

    def get(self, history: FeatureHistory, now: datetime, compute: Callable[[], ViewStatistics]) -> ViewStatistics:
        """The statistics of the rows known at `now`; `compute` reads the history where the cached ones do not hold."""
        key = (history.project, history.view, history.feature_version, history.hash)
        with self._lock:
            entry = self._entries.get(key)
            if entry and entry.holds_at(now):
                self._entries.move_to_end(key)
                return entry.statistics
        entry = _Entry(compute(), now, _next_known(history, now))
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        return entry.statistics


def _next_known(history: FeatureHistory, now: datetime) -> datetime | None:
    """The instant at which the next row of the history becomes known; None if all rows are known."""
    import polars as pl

    known_at = pl.max_horizontal("event_timestamp", "created_timestamp")
    earliest: datetime | None = history.scan().select(known_at.filter(known_at > now).min()).collect().item()
    return earliest
