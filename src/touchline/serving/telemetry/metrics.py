"""The metrics of serving.

The figures of every request are kept in plain dictionaries, which cost a tenth of the client library's locked children;
`exposition` makes Prometheus families of them on request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from touchline.serving.predicting.scored_row import Answered

_COUNTS = ("requests", "predictions", "feature_reads", "outcomes")
_TOTALS = ("swaps", "refused", "clients_gone")
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass
class Durations:
    """A histogram of durations: a count per bucket, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def merge(self, counts: Sequence[int], seconds: float) -> None:
        """Add what was counted elsewhere."""
        self.counts = [mine + other for mine, other in zip(self.counts, counts, strict=True)]
        self.seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        total, found = 0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Meter:
    """The figures of one project (or, with an empty name, of the routes that belong to none)."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.durations: defaultdict[str, Durations] = defaultdict(Durations)
        self.predictions: defaultdict[int, int] = defaultdict(int)
        self.feature_reads: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.swaps = self.refused = self.clients_gone = 0

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.durations[route].add(seconds)

    def scored(self, version: int, answered: Sequence[Answered]) -> None:
        self.predictions[version] += len(answered)
        for one in answered:
            for found in one.statuses:
                self.feature_reads[found.view, found.prefix, found.status] += 1

    def document(self) -> dict[str, Any]:
        """The figures as JSON takes them."""
        counts = {name: list(getattr(self, name).items()) for name in _COUNTS}
        durations = {route: [found.counts, found.seconds] for route, found in list(self.durations.items())}
        return {**counts, "durations": durations, **{name: getattr(self, name) for name in _TOTALS}}

    def add(self, document: Mapping[str, Any]) -> None:
        """Add the figures of another process."""
        for name in _COUNTS:
            for key, count in document[name]:
                getattr(self, name)[tuple(key) if isinstance(key, list) else key] += count
        for route, (counts, seconds) in document["durations"].items():
            self.durations[route].merge(counts, seconds)
        for name in _TOTALS:
            setattr(self, name, getattr(self, name) + document[name])


@dataclass(frozen=True)
class Gauge:
    """A figure as of now."""

    name: str
    text: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
