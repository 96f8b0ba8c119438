"""What serving counts, for Prometheus. Names begin with `touchline_`; a series names its project where it has one.

The figures of every request are kept in plain dictionaries, which cost a tenth of the client library's locked children,
and become Prometheus families when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from touchline.serving.scored import Answered
from touchline.serving.served import view_label

Counts = dict[tuple[Any, ...], int]
CountsOf = Callable[["Meter"], Counts]

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass
class Durations:
    """How long something took: a count per bucket, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
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
        self.feature_reads: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.swaps = self.refused = self.clients_gone = 0

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.durations[route].add(seconds)

    def scored(self, version: int, answered: Sequence[Answered]) -> None:
        self.predictions[version] += len(answered)
        for one in answered:
            for found in one.statuses:
                self.feature_reads[view_label(found.view, found.prefix), found.status] += 1


@dataclass(frozen=True)
class Gauge:
    """A figure as of now."""

    name: str
    text: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def exposition(meters: Iterable[Meter], gauges: Iterable[Gauge]) -> bytes:
    """The figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Figures(list(meters), list(gauges)))
    return generate_latest(registry)


def _texts(counts: Mapping[Any, int]) -> Counts:
    """Counts by label values, whatever they were kept by."""
    return {key if isinstance(key, tuple) else (key,): count for key, count in list(counts.items())}


def _predictions(meter: Meter) -> Counts:
    return {(version, "production"): count for version, count in list(meter.predictions.items())}


class _Figures(Collector):
    def __init__(self, meters: list[Meter], gauges: list[Gauge]) -> None:
        self._meters, self._gauges = meters, gauges

    def collect(self) -> Iterable[Metric]:
        yield self._counter("requests", "Requests answered", ("route", "status"), lambda m: _texts(m.requests))
        yield self._histogram()
        yield self._counter("predictions", "Rows scored", ("version", "variant"), _predictions)
        yield self._counter("feature_reads", "Views read", ("view", "status"), lambda m: _texts(m.feature_reads))
        yield self._counter("outcomes", "Outcomes received", ("status",), lambda m: _texts(m.outcomes))
        yield self._counter("release_swaps", "Releases that took over", (), lambda m: {(): m.swaps})
        yield self._counter("release_refused", "Releases that did not load", (), lambda m: {(): m.refused})
        yield self._counter("clients_gone", "Clients that hung up", (), lambda m: {(): m.clients_gone})
        yield from self._gauge_families()

    def _counter(self, name: str, text: str, labels: Sequence[str], counts: CountsOf) -> Metric:
        family = CounterMetricFamily(f"touchline_{name}", text, labels=["project", *labels])
        for meter in self._meters:
            for values, count in counts(meter).items():
                family.add_metric([meter.project, *map(str, values)], count)
        return family

    def _histogram(self) -> Metric:
        family = HistogramMetricFamily(
            "touchline_request_seconds", "Time from the request to its answer", labels=["project", "route"]
        )
        for meter in self._meters:
            for route, durations in list(meter.durations.items()):
                family.add_metric([meter.project, route], durations.cumulative(), durations.seconds)
        return family

    def _gauge_families(self) -> Iterable[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges:
            labels = [name for name, _ in gauge.labels]
            name = f"touchline_{gauge.name}"
            family = families.setdefault(name, GaugeMetricFamily(name, gauge.text, labels=labels))
            family.add_metric([value for _, value in gauge.labels], gauge.value)
        return families.values()
