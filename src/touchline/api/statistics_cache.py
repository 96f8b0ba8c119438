"""What the histories of views say of their newest values: read once, kept until another row counts."""

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
class _Kept:
    """Statistics, and the instants from and before which the same rows are known."""

    statistics: ViewStatistics
    since: datetime
    until: datetime | None

    def holds_at(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


class KeptStatistics:
    """Statistics by the object key of their history, whose bytes never change. The one longest unasked for goes."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def of(self, history: FeatureHistory, now: datetime, compute: Callable[[], ViewStatistics]) -> ViewStatistics:
        """The statistics of the rows known at `now`; `compute` reads the history, when what is kept does not hold."""
        with self._lock:
            kept = self._kept.get(history.object_key)
            if kept and kept.holds_at(now):
                self._kept.move_to_end(history.object_key)
                return kept.statistics
        found = _Kept(compute(), now, _next_known(history, now))
        with self._lock:
            self._kept[history.object_key] = found
            self._kept.move_to_end(history.object_key)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return found.statistics


def _next_known(history: FeatureHistory, now: datetime) -> datetime | None:
    """When the next row of the history becomes known; None where all are."""
    import polars as pl

    known = pl.max_horizontal("event_timestamp", "created_timestamp")
    found: datetime | None = history.scan().select(known.filter(known > now).min()).collect().item()
    return found
