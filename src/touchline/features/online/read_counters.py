"""Counters of reads per view, in the process that reads. Standard library only."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Bounds of the latency histogram in seconds, each about 1.6 times the one before.
LATENCY_BOUNDS = tuple(1e-5 * 1.6**step for step in range(30))


@dataclass(frozen=True)
class ViewReads:
    """Counts of present, missing, expired and replaced values of a view, and the read times in seconds."""

    present: int = 0
    missing: int = 0
    expired: int = 0
    fallback: int = 0
    p50_seconds: float | None = None
    p99_seconds: float | None = None


@dataclass
class ReadCounters:
    """Counts statuses by view and times reads. One object serves all threads."""

    _statuses: dict[str, dict[str, int]] = field(default_factory=dict)
    _latencies: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    _whole_rows: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, counts_by_view: Iterable[tuple[str, Mapping[str, int]]], seconds: float) -> None:
        """Add how often each view had each status in one read, and how long it took."""
        with self._lock:
            self._latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1
            for view, statuses in counts_by_view:
                counts = self._statuses.setdefault(view, {})
                for status, times in statuses.items():
                    counts[status] = counts.get(status, 0) + times

    def count_present(self, views: tuple[str, ...], seconds: float) -> None:
        """Add one read of one row that found a value in each view, as most do."""
        with self._lock:
            self._latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1
            self._whole_rows[views] += 1

    def count_failure(self) -> None:
        """Add one read that the store did not answer."""
        with self._lock:
            self._failures += 1

    @property
    def failures(self) -> int:
        """Reads that the store did not answer."""
        return self._failures

    def reads(self) -> Mapping[str, ViewReads]:
        """The counts of each view so far."""
        with self._lock:
            statuses = {view: dict(counts) for view, counts in self._statuses.items()}
            for views, rows in self._whole_rows.items():
                for view in views:
                    counts = statuses.setdefault(view, {})
                    counts["present"] = counts.get("present", 0) + rows
            latencies = list(self._latencies)
        p50, p99 = (quantile(latencies, share) for share in (0.5, 0.99))
        return {view: ViewReads(**counts, p50_seconds=p50, p99_seconds=p99) for view, counts in statuses.items()}


def quantile(counts: list[int], share: float) -> float | None:
    """The upper bound of the histogram's class that holds this share, or None where nothing was counted."""
    total = sum(counts)
    if not total:
        return None
    seen = 0
    for place, count in enumerate(counts):
        seen += count
        if seen >= share * total:
            return LATENCY_BOUNDS[min(place, len(LATENCY_BOUNDS) - 1)]
    return LATENCY_BOUNDS[-1]
