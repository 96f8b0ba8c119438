"""The figures of live rows: metrics with intervals beside the test window, calibration, loss by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.live_rows import LiveRows, RowShape
from touchline.registry import MetricValue
from touchline.statistics import cluster_codes, interval
from touchline.training import MANY_CLUSTERS, EvaluatedRows, loss_rows, metrics_with_intervals

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class TestWindow:
    """The evaluation of a release on its test rows: figures by metric, and the losses of the rows by day.

    `fields` has a text for each test row (None where it is not known), by which rows are grouped as live rows are.
    `is_timed`: the table has a time; without one the days of its rows say nothing.
    """

    __test__ = False  # no class of tests

    metrics: Mapping[str, MetricValue]
    baseline: Mapping[str, MetricValue]
    losses: Array
    days: Index
    score: str
    threshold: float = 0.5
    has_ordered_classes: bool = False
    is_timed: bool = True
    fields: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class LiveMetric:
    """A metric of live rows with its 95 % interval, and the figures of the test window; None where there is none."""

    name: str
    value: float
    low: float | None
    high: float | None
    test: float | None = None
    test_low: float | None = None
    test_high: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class OutputCalibration:
    """The mean probability of a class (or mean value) beside the observed share (or mean), with its interval."""

    output: str
    predicted: float
    observed: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class DayLoss:
    """The mean loss of the mature rows of one day."""

    day: str
    rows: int
    loss: float


def live_metrics(
    rows: LiveRows, shape: RowShape, test: TestWindow, *, normal_from: int = MANY_CLUSTERS
) -> tuple[LiveMetric, ...]:
    """Every metric of labelled rows with its interval, beside that of the test window.

    From `normal_from` clusters on, intervals are those of the normal limit.
    """
    found = metrics_with_intervals(_evaluated(rows, shape, test), rows.predictions, normal_from=normal_from)
    metrics = []
    for name, metric in found.items():
        tested, baseline = test.metrics.get(name, MetricValue(None)), test.baseline.get(name, MetricValue(None))
        figures = (tested.value, tested.low, tested.high, baseline.value)
        metrics.append(LiveMetric(name, metric.value, metric.low, metric.high, *figures))
    return tuple(metrics)


def live_calibration(rows: LiveRows, shape: RowShape) -> tuple[OutputCalibration, ...]:
    """The mean prediction of each output beside the mean that labelled rows had."""
    if len(shape.classes) == 2:  # the first class is what the second is not
        second = _calibration(rows, 1, shape.classes[1], rows.labels == 1)
        low, high = (None if end is None else 1 - end for end in (second.high, second.low))
        predicted = float(rows.predictions[:, 0].mean())
        return OutputCalibration(shape.classes[0], predicted, 1 - second.observed, low, high), second
    if not shape.classes:
        return (_calibration(rows, 0, "value", rows.labels),)
    return tuple(_calibration(rows, place, name, rows.labels == place) for place, name in enumerate(shape.classes))


def _calibration(rows: LiveRows, place: int, name: str, values: NDArray[np.generic]) -> OutputCalibration:
    observed = values.astype(np.float64)
    spread = interval(observed, np.array(rows.clusters))
    low, high = (float(end) if np.isfinite(end) else None for end in (spread.low, spread.high))
    return OutputCalibration(name, float(rows.predictions[:, place].mean()), float(observed.mean()), low, high)


def loss_trend(rows: LiveRows, test: TestWindow) -> tuple[DayLoss, ...]:
    """The mean loss of labelled rows by day."""
    days, losses, counts = losses_by_day(rows, test)
    by_day = zip(days, losses, counts, strict=True)
    return tuple(DayLoss(date_of(int(day)), int(count), float(loss)) for day, loss, count in by_day)


def losses_by_day(rows: LiveRows, test: TestWindow) -> tuple[Index, Array, Index]:
    """The days that have labelled rows, with the mean loss and the number of rows of each."""
    days, codes = np.unique(rows.days, return_inverse=True)
    counts = np.bincount(codes)
    return days, np.bincount(codes, weights=live_losses(rows, test)) / counts, counts.astype(np.int64)


def live_losses(rows: LiveRows, test: TestWindow) -> Array:
    """The loss of each labelled row."""
    return loss_rows(test.score, rows.labels, rows.predictions)


def date_of(day: int) -> str:
    """The date of a day since 1970."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def _evaluated(rows: LiveRows, shape: RowShape, test: TestWindow) -> EvaluatedRows:
    labels = rows.labels.astype(np.int64) if shape.classes else rows.labels
    codes = cluster_codes(np.array(rows.clusters), len(rows))
    return EvaluatedRows(shape.kind, labels, codes, test.has_ordered_classes, test.threshold)
