"""Figures as Prometheus reads them. Names begin with `touchline_`; a series names its project where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from touchline.features import view_label
from touchline.serving.telemetry.metrics import Gauge, Histogram, Meter

Counts = dict[tuple[Any, ...], int]
CountsOf = Callable[[Meter], Counts]
HistogramsOf = Callable[[Meter], Mapping[Any, Histogram]]


def exposition(meters: Iterable[Meter], gauges: Iterable[Gauge]) -> bytes:
    """The figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Figures(list(meters), list(gauges)))
    return generate_latest(registry)


def _texts(counts: Mapping[Any, int]) -> Counts:
    """Counts by label values, whatever they were kept by."""
    return {key if isinstance(key, tuple) else (key,): count for key, count in list(counts.items())}


def _durations(meter: Meter) -> Mapping[Any, Histogram]:
    return meter.durations


def _feature_reads(meter: Meter) -> Counts:
    reads = list(meter.feature_reads.items())
    return {(view_label(view, prefix), status): count for (view, prefix, status), count in reads}


class _Figures(Collector):
    def __init__(self, meters: list[Meter], gauges: list[Gauge]) -> None:
        self._meters, self._gauges = meters, gauges

    def collect(self) -> Iterable[Metric]:
        yield self._counter("requests", "Requests answered", ("route", "status"), lambda m: _texts(m.requests))
        yield self._histogram("request_seconds", "Time from the request to its answer", ("route",), _durations)
        yield self._histogram("request_rows", "Rows of a request for predictions", ("version",), lambda m: m.rows)
        yield self._histogram(
            "predicted_probability", "Probabilities that were answered", ("version", "class"), lambda m: m.probabilities
        )
        yield self._counter("predictions", "Rows scored", ("version", "variant"), lambda m: _texts(m.predictions))
        yield self._counter("feature_reads", "Views read", ("view", "status"), _feature_reads)
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

    def _histogram(self, name: str, text: str, labels: Sequence[str], histograms: HistogramsOf) -> Metric:
        family = HistogramMetricFamily(f"touchline_{name}", text, labels=["project", *labels])
        for meter in self._meters:
            for values, histogram in list(histograms(meter).items()):
                family.add_metric([meter.project, *map(str, values)], histogram.cumulative(), histogram.total)
        return family

    def _gauge_families(self) -> Iterable[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges:
            labels = [name for name, _ in gauge.labels]
            name = f"touchline_{gauge.name}"
            family = families.setdefault(name, GaugeMetricFamily(name, gauge.text, labels=labels))
            family.add_metric([value for _, value in gauge.labels], gauge.value)
        return families.values()
