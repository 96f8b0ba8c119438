"""Diagnostics beside the headline metrics: performance by subgroup, calibration and the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.training.data.rows import LabelledRows
from touchline.training.evaluation.evaluate import EvaluatedRows, Metric, metrics_with_intervals
from touchline.training.metrics.losses import one_hot
from touchline.training.metrics.point_metrics import calibration_bins, confusion, decide

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_LEAST_SLICE: Final = 30
_MOST_SLICES: Final = 20
_RESAMPLES: Final = 200
_CURVE_POINTS: Final = 100


@dataclass(frozen=True)
class ClassReport:
    """One class: precision, recall and F1 of calling it, and how often it happened."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows with about the same probability: what was said on average, and what share happened, with its interval."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Curve:
    """Points of a curve; for ROC x is the false alarm rate and y recall, for PR x is recall and y precision.

    For a cumulative gain x is the share of the examples that is taken, the likeliest first, and y recall.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class SliceReport:
    """The metrics on the rows where a column has one value, or of one season."""

    name: str
    value: str
    rows: int
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class LearningPoint:
    """The test score of the recipe fitted on a part of the training rows."""

    rows: int
    score: float


@dataclass(frozen=True)
class Attribution:
    """The contributions of one column to one output, example by example.

    `ranks` places each example's value of the column between the lowest (0) and the highest (1); a category or a
    missing value has None.
    """

    column: str
    output: str
    ranks: tuple[float | None, ...]
    contributions: tuple[float, ...]


@dataclass(frozen=True)
class Diagnostics:
    """Tables and curves of the evaluation. Classification fills the first four, regression `residuals`."""

    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[ClassReport, ...] = ()
    reliability: Mapping[str, tuple[ReliabilityBin, ...]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    residuals: tuple[ReliabilityBin, ...] = ()
    slices: tuple[SliceReport, ...] = ()
    seasons: tuple[SliceReport, ...] = ()
    learning_curve: tuple[LearningPoint, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    attributions: tuple[Attribution, ...] = ()
    explained_by: str = ""


def classification_tables(rows: LabelledRows, predicted: Array, *, threshold: float) -> Diagnostics:
    """Confusion matrix, report per class, reliability and curves."""
    labels = np.asarray(rows.labels, dtype=np.int64)
    cells = confusion(labels, decide(predicted, threshold), len(rows.classes))
    observed = one_hot(labels, len(rows.classes))
    curves: dict[str, Curve] = {}
    for place, name in enumerate(rows.classes):
        if 0 < observed[:, place].sum() < len(labels):
            curves |= {f"roc {name}": _roc(observed[:, place], predicted[:, place])}
            curves |= {f"pr {name}": _pr(observed[:, place], predicted[:, place])}
            curves |= {f"gain {name}": _gain(observed[:, place], predicted[:, place])}
    return Diagnostics(
        confusion=tuple(tuple(int(cell) for cell in row) for row in cells),
        classes=tuple(_class_report(name, place, cells) for place, name in enumerate(rows.classes)),
        reliability={name: _reliability(observed[:, c], predicted[:, c]) for c, name in enumerate(rows.classes)},
        curves=curves,
    )


def _class_report(name: str, place: int, cells: Index) -> ClassReport:
    hits, called, observed_count = cells[place, place], cells[:, place].sum(), cells[place].sum()
    return ClassReport(
        name,
        float(hits / called) if called else 0.0,
        float(hits / observed_count) if observed_count else 0.0,
        float(2 * hits / (called + observed_count)) if called + observed_count else 0.0,
        int(observed_count),
    )


def _reliability(observed: Array, predicted: Array) -> tuple[ReliabilityBin, ...]:
    bins = calibration_bins(predicted)
    found = []
    for place in np.unique(bins):
        inside = bins == place
        count, hits = int(inside.sum()), float(observed[inside].sum())
        low, high = _wilson(hits, count)
        found.append(ReliabilityBin(float(predicted[inside].mean()), hits / count, low, high, count))
    return tuple(found)


def _wilson(hits: float, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which stays inside 0 and 1."""
    z = 1.959964
    centre = (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * np.sqrt(hits * (count - hits) / count + z * z / 4)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _steps(observed: Array, predicted: Array) -> tuple[Array, Array]:
    order = np.argsort(-predicted, kind="stable")
    last = np.r_[np.diff(predicted[order]) != 0, True]
    hits = np.cumsum(observed[order])[last]
    called = np.flatnonzero(last) + 1.0
    selected_rows = np.unique(np.linspace(0, len(hits) - 1, min(_CURVE_POINTS, len(hits))).astype(int))
    return hits[selected_rows], called[selected_rows]


def _roc(observed: Array, predicted: Array) -> Curve:
    hits, called = _steps(observed, predicted)
    alarms = (called - hits) / (len(observed) - observed.sum())
    return Curve((0.0, *alarms.tolist()), (0.0, *(hits / observed.sum()).tolist()))


def _pr(observed: Array, predicted: Array) -> Curve:
    hits, called = _steps(observed, predicted)
    return Curve(tuple((hits / observed.sum()).tolist()), tuple((hits / called).tolist()))


def _gain(observed: Array, predicted: Array) -> Curve:
    hits, called = _steps(observed, predicted)
    return Curve((0.0, *(called / len(observed)).tolist()), (0.0, *(hits / observed.sum()).tolist()))


def residual_bins(rows: LabelledRows, predicted: Array) -> tuple[ReliabilityBin, ...]:
    """Rows with about the same prediction: its mean, the mean of what happened, and the middle 80 % of that."""
    labels, values = np.asarray(rows.labels, dtype=np.float64), predicted[:, 0]
    bins = calibration_bins(values)
    found = []
    for place in np.unique(bins):
        observed_count = labels[bins == place]
        low, high = np.quantile(observed_count, [0.1, 0.9])
        found.append(
            ReliabilityBin(
                float(values[bins == place].mean()),
                float(observed_count.mean()),
                float(low),
                float(high),
                len(observed_count),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class PredictedRows:
    """Rows, what a model said about them, and how they are evaluated."""

    rows: LabelledRows
    predicted: Array
    threshold: float
    seed: int

    def report(self, name: str, value: str, selected_rows: Index) -> SliceReport:
        evaluated = EvaluatedRows.of(self.rows.at(selected_rows), threshold=self.threshold, seed=self.seed)
        metrics = metrics_with_intervals(evaluated, self.predicted[selected_rows], resamples=_RESAMPLES)
        return SliceReport(name, value, len(selected_rows), metrics)


def slice_reports(answered: PredictedRows, frame: pl.DataFrame, columns: Sequence[str]) -> tuple[SliceReport, ...]:
    """The metrics per value of each column, for the commonest values with enough rows."""
    picked = frame[answered.rows.places]
    found = []
    for name in columns:
        values = picked[name].cast(pl.String).fill_null("null")
        common = values.value_counts(sort=True).filter(pl.col("count") >= _LEAST_SLICE)[:_MOST_SLICES]
        for value in sorted(common[name]):
            selected_rows = np.flatnonzero((values == value).to_numpy())
            found.append(answered.report(name, value, selected_rows))
    return tuple(found)


def season_reports(answered: PredictedRows) -> tuple[SliceReport, ...]:
    """The metrics per year, or per quarter where the test window is shorter than two years."""
    instants = [
        datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(cutoff)) for cutoff in answered.rows.cutoffs
    ]
    if not instants or max(instants) == min(instants):
        return ()
    is_long = max(instants) - min(instants) > timedelta(days=730)
    names = np.array([f"{i.year}" if is_long else f"{i.year} Q{(i.month + 2) // 3}" for i in instants])
    found = []
    for name in np.unique(names):
        selected_rows = np.flatnonzero(names == name)
        if len(selected_rows) >= _LEAST_SLICE:
            found.append(answered.report("season", str(name), selected_rows))
    return tuple(found)
