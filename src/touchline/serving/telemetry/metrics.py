"""The metrics of serving.

The figures of every request are kept in plain dictionaries, which cost a tenth of the client library's locked children;
`exposition` makes Prometheus families of them on request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from threading import Lock
from typing import Any, Final

import numpy as np

from touchline.serving.predicting.answered import MOST_CLASSES, PRODUCTION, Answered, PlainAnswer, Series
from touchline.serving.predicting.scored_row import Statuses

_COUNTS = ("requests", "predictions", "feature_reads", "outcomes")
_HISTOGRAMS = ("durations", "rows", "probabilities")
_TOTALS = ("swaps", "refused", "clients_gone")
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
ROWS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
PROBABILITIES = tuple(round(step / 20, 2) for step in range(1, 21))
# Entries of plain rows are counted twice a second; nobody may wait for their memory where that is late.
_MOST_WAITING: Final = 20_000
PlainEntry = tuple[Series, float, Sequence[float], Statuses]


@dataclass(slots=True)
class Histogram:
    """Values by bucket, and their sum; a bucket's bound belongs to it."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float, *, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def add_all(self, values: Sequence[float]) -> None:
        """Add many values."""
        places = np.searchsorted(self.bounds, values)
        self.merge(np.bincount(places, minlength=len(self.counts)).tolist(), sum(values))

    def merge(self, counts: Sequence[int], total: float) -> None:
        """Add what was counted elsewhere."""
        self.counts = [mine + other for mine, other in zip(self.counts, counts, strict=True)]
        self.total += total

    def quantile(self, share: float) -> float | None:
        """The value below which this share lies, on a straight line within its bucket; None of no values.

        Values above the last bound count as the last bound.

        >>> seconds = Histogram((1.0, 2.0), [1, 1, 0])
        >>> seconds.quantile(0.5), seconds.quantile(0.75), Histogram().quantile(0.5)
        (1.0, 1.5, None)
        """
        wanted, below, lower = share * sum(self.counts), 0, 0.0
        if not any(self.counts):
            return None
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and below + count >= wanted:
                return lower + (bound - lower) * (wanted - below) / count
            below, lower = below + count, bound
        return self.bounds[-1]

    def cumulative(self) -> list[tuple[str, float]]:
        total, found = 0, []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Figures:
    """The figures of one project (or, with an empty name, of the routes that belong to none)."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.durations: defaultdict[tuple[str], Histogram] = defaultdict(Histogram)
        self.predictions: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.rows: defaultdict[tuple[int], Histogram] = defaultdict(lambda: Histogram(ROWS))
        self.probabilities: defaultdict[tuple[int, str], Histogram] = defaultdict(lambda: Histogram(PROBABILITIES))
        self.feature_reads: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.swaps = self.refused = self.clients_gone = 0

    def document(self) -> dict[str, Any]:
        """The figures as JSON takes them."""
        counts = {name: list(getattr(self, name).items()) for name in _COUNTS}
        histograms = {
            name: [[key, found.counts, found.total] for key, found in list(getattr(self, name).items())]
            for name in _HISTOGRAMS
        }
        return {**counts, **histograms, **{name: getattr(self, name) for name in _TOTALS}}

    def add(self, document: Mapping[str, Any]) -> None:
        """Add figures that were counted elsewhere."""
        for name in _COUNTS:
            for key, count in document[name]:
                getattr(self, name)[tuple(key) if isinstance(key, list) else key] += count
        for name in _HISTOGRAMS:
            for key, counts, total in document[name]:
                getattr(self, name)[tuple(key)].merge(counts, total)
        for name in _TOTALS:
            setattr(self, name, getattr(self, name) + document[name])


class Meter(Figures):
    """Counts what a process does for one project.

    Requests of one plain row, as most are, leave an entry each. `collect` counts many together, at a tenth of the cost.
    """

    def __init__(self, project: str) -> None:
        super().__init__(project)
        self._waiting: deque[PlainEntry] = deque()
        self._collecting = Lock()  # any thread may collect; all other figures are counted by requests
        self._collected = Figures(project)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.durations[route,].add(seconds)

    def scored(self, version: int, answered: Sequence[Answered]) -> None:
        """Count the rows of a request."""
        self.rows[version,].add(len(answered))
        for one in answered:
            self.predictions[version, one.variant] += 1
            probabilities: Mapping[str, float] = one.output.get("probabilities", {})
            for name, probability in probabilities.items() if len(probabilities) <= MOST_CLASSES else ():
                self.probabilities[version, name].add(probability)
            for read in one.scored.statuses:
                self.feature_reads[read.view, read.prefix, read.status] += 1

    def answered_plain(self, answered: PlainAnswer, seconds: float) -> None:
        """Count an answered request of one plain row, as `answered` and `scored` do."""
        self._waiting.append((answered.series, seconds, answered.scores, answered.statuses))
        if len(self._waiting) >= _MOST_WAITING:
            self.collect()

    def collect(self) -> None:
        """Count the entries of plain rows."""
        with self._collecting:
            entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for series, some in groupby(entries, itemgetter(0)):
                _, seconds, scores, statuses = zip(*some, strict=True)
                _count_plain(self._collected, series, seconds, scores)
                for read in chain.from_iterable(statuses):
                    self._collected.feature_reads[read.view, read.prefix, read.status] += 1

    def document(self) -> dict[str, Any]:
        """The figures as JSON takes them, with those of all plain rows."""
        self.collect()
        together = Figures(self.project)
        together.add(super().document())
        with self._collecting:
            together.add(self._collected.document())
        return together.document()


def _count_plain(figures: Figures, series: Series, seconds: Sequence[float], scores: Sequence[Sequence[float]]) -> None:
    count, version = len(seconds), series.version
    figures.requests["/predict", 200] += count
    figures.durations["/predict",].add_all(seconds)
    figures.rows[version,].add(1, times=count)
    figures.predictions[version, PRODUCTION] += count
    for name, probabilities in zip(series.classes, zip(*scores, strict=True), strict=False):
        figures.probabilities[version, name].add_all(probabilities)


@dataclass(frozen=True)
class Gauge:
    """A figure as of now."""

    name: str
    text: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
