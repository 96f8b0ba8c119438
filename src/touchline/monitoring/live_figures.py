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
from touchline.training import EvaluatedRows, loss_rows, metrics_with_intervals

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class TestWindow:
    """The evaluation of a release on its test rows: figures by metric, and the losses of the rows by day.

    `fields` has a text for each test row (None where it is not known), by which rows are grouped as live rows are.
    """

    __test__ = False  # no class of tests

    metrics: Mapping[str, MetricValue]
    baseline: Mapping[str, MetricValue]
    losses: Array
    days: Index
    score: str
    threshold: float = 0.5
    has_ordered_classes: bool = False
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


def live_metrics(rows: LiveRows, shape: RowShape, test: TestWindow) -> tuple[LiveMetric, ...]:
    """Every metric of labelled rows with its interval, beside that of the test window."""
    found = metrics_with_intervals(_evaluated(rows, shape, test), rows.predictions)
    metrics = []
    for name, metric in found.items():
        tested, baseline = test.metrics.get(name, MetricValue(None)), test.baseline.get(name, MetricValue(None))
        figures = (tested.value, tested.low, tested.high, baseline.value)
        metrics.append(LiveMetric(name, metric.value, metric.low, metric.high, *figures))
    return tuple(metrics)


def live_calibration(rows: LiveRows, shape: RowShape) -> tuple[OutputCalibration, ...]:
    """The mean prediction of each output beside the mean that labelled rows had."""
    outputs = shape.classes or ("value",)
    calibrations = []
    for place, name in enumerate(outputs):
        observed = (rows.labels == place).astype(np.float64) if shape.classes else rows.labels
        spread = interval(observed, np.array(rows.clusters))
        low, high = (float(end) if np.isfinite(end) else None for end in (spread.low, spread.high))
        predicted = float(rows.predictions[:, place].mean())
        calibrations.append(OutputCalibration(name, predicted, float(observed.mean()), low, high))
    return tuple(calibrations)


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
