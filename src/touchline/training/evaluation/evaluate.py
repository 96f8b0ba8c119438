"""How good a model is on rows it has not seen: metrics with intervals, beside a constant and the named baselines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.statistics import cluster_codes, interval
from touchline.training.data.rows import LabelledRows, class_shares
from touchline.training.estimators.base import Kind
from touchline.training.evaluation.resampling import block_length, resampled_weights
from touchline.training.fitting.conformal import PredictionInterval
from touchline.training.metrics.losses import Labels, loss_rows
from touchline.training.metrics.point_metrics import classification_metrics, regression_metrics

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_REPEATS = 400
_LEVEL = 0.95
_SIGNED = ("r2", "bias")
_SHARES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "ece", "roc_auc", "pr_auc", "r2")
# With fewer clusters a bootstrap interval promises more than it holds.
_LEAST_CLUSTERS = 10


@dataclass(frozen=True)
class Metric:
    """A value with the ends of its 95 % interval; None where there are too few clusters for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class EvaluatedInterval:
    """What a prediction interval promises, and the share of these rows that lie within it."""

    promised: PredictionInterval
    covered: Metric


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one set of rows. `baseline` is the constant; `baselines` are those the project names.

    A named baseline is judged on the rows that it has a value for; `named` is what it says, row for row of
    `predictions`, null as NaN.
    """

    metrics: dict[str, Metric]
    baseline: dict[str, Metric]
    rows: int
    clusters: int
    predictions: pl.DataFrame
    baselines: dict[str, dict[str, Metric]] = field(default_factory=dict)
    threshold: float = 0.5
    named: dict[str, Array] = field(default_factory=dict)
    interval: EvaluatedInterval | None = None

    @property
    def baseline_rows(self) -> dict[str, int]:
        """How many of the rows each named baseline has a value for."""
        return {name: int(np.isfinite(said).all(axis=1).sum()) for name, said in self.named.items()}


@dataclass(frozen=True)
class Judged:
    """The rows predictions are judged on, and how."""

    kind: Kind
    labels: Labels
    clusters: Index
    ordered: bool = True
    threshold: float = 0.5
    seed: int = 0

    @classmethod
    def of(cls, rows: LabelledRows, *, threshold: float, seed: int) -> Judged:
        clusters = cluster_codes(rows.clusters, len(rows), at=rows.cutoffs)
        return cls(rows.kind, rows.labels, clusters, True, threshold, seed)

    def at(self, chosen: Index) -> Judged:
        """The same for the chosen rows."""
        clusters = cluster_codes(self.clusters[chosen], len(chosen))
        return replace(self, labels=self.labels[chosen], clusters=clusters)

    def values(self, predictions: Array, weights: Array) -> dict[str, Array]:
        """Every metric under each row of weights."""
        if self.kind == "regression":
            return regression_metrics(self.labels, predictions, weights)
        return classification_metrics(self.labels, predictions, weights, ordered=self.ordered, threshold=self.threshold)


def point_metrics(judged: Judged, predictions: Array) -> dict[str, float]:
    """Every metric of the rows as they are."""
    values = judged.values(predictions, np.ones((1, len(judged.labels))))
    return {name: float(value[0]) for name, value in values.items()}


def metrics_with_intervals(judged: Judged, predictions: Array, *, repeats: int = _REPEATS) -> dict[str, Metric]:
    """Every metric with a 95 % interval from redrawn clusters."""
    points = point_metrics(judged, predictions)
    if int(judged.clusters.max()) + 1 < _LEAST_CLUSTERS:
        return {name: Metric(value) for name, value in points.items()}
    drawn: dict[str, list[Array]] = {name: [] for name in points}
    losses = loss_rows("mse" if judged.kind == "regression" else "log_loss", judged.labels, predictions)
    block = block_length(losses, judged.clusters)
    for weights in resampled_weights(judged.clusters, block=block, repeats=repeats, seed=judged.seed):
        for name, values in judged.values(predictions, weights).items():
            drawn[name].append(values)
    return {name: _with_interval(name, value, np.concatenate(drawn[name])) for name, value in points.items()}


def _with_interval(name: str, value: float, drawn: Array) -> Metric:
    """The middle of the redrawn values, moved by their bias: a calibration error only grows when rows are redrawn."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < len(drawn) / 2:
        return Metric(value)
    ends = np.quantile(finite, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) - finite.mean() + value
    low, high = np.clip(ends, None if name in _SIGNED else 0.0, 1.0 if name in _SHARES else None)
    return Metric(value, min(float(low), value), max(float(high), value))


def constant_predictions(train: LabelledRows, rows: int) -> Array:
    """What one would say without looking: the class shares, or the mean, of the training rows."""
    if train.kind == "regression":
        return np.full((rows, 1), float(train.labels.mean()))
    return np.tile(class_shares(np.asarray(train.labels, dtype=np.int64), len(train.classes)), (rows, 1))


def evaluate(
    train: LabelledRows,
    test: LabelledRows,
    predictions: Array,
    *,
    frame: pl.DataFrame,
    named: Mapping[str, Array] | None = None,
    judged: Judged,
) -> Evaluation:
    """The evaluation of predictions for the test rows; `frame` is the training set's frame they come from."""
    metrics = metrics_with_intervals(judged, predictions)
    return Evaluation(
        metrics=metrics,
        baseline=metrics_with_intervals(judged, constant_predictions(train, len(test))),
        rows=len(test),
        clusters=int(judged.clusters.max()) + 1,
        predictions=predictions_frame(test, predictions, frame),
        baselines={name: _where_known(judged, said, metrics) for name, said in (named or {}).items()},
        threshold=judged.threshold,
        named=dict(named or {}),
    )


def evaluate_interval(promised: PredictionInterval | None, judged: Judged, values: Array) -> EvaluatedInterval | None:
    """How many of the rows the interval around their predicted values covers."""
    if promised is None:
        return None
    within = (np.abs(values[:, 0] - judged.labels) <= promised.half_width).astype(np.float64)
    if int(judged.clusters.max()) + 1 < _LEAST_CLUSTERS:
        return EvaluatedInterval(promised, Metric(float(within.mean())))
    found = interval(within, judged.clusters, seed=judged.seed)
    low, high = (float(np.clip(end, 0.0, 1.0)) for end in (found.low, found.high))
    return EvaluatedInterval(promised, Metric(float(within.mean()), low, high))


def _where_known(judged: Judged, said: Array, names: Collection[str]) -> dict[str, Metric]:
    """The metrics over the rows that there is a value for; no numbers where there is none."""
    known = np.flatnonzero(np.isfinite(said).all(axis=1))
    if not len(known):
        return {name: Metric(float("nan")) for name in names}
    return metrics_with_intervals(judged.at(known), said[known])


def predictions_frame(test: LabelledRows, predictions: Array, frame: pl.DataFrame) -> pl.DataFrame:
    """example_id, cutoff, cluster, label and p_<class> per class, or value."""
    picked = frame[test.places]
    cluster = picked["cluster"].cast(pl.String) if "cluster" in frame.columns else picked["example_id"].cast(pl.String)
    return pl.DataFrame(
        [picked["example_id"].cast(pl.String), picked["cutoff"], cluster.alias("cluster"), picked["label"]]
    ).with_columns(pl.Series(name, predictions[:, place]) for place, name in enumerate(output_names(test.classes)))


def output_names(classes: Sequence[str]) -> list[str]:
    """What the columns of predictions are called in frames and profiles.

    >>> output_names(["no", "yes"]), output_names([])
    (['p_no', 'p_yes'], ['value'])
    """
    return [f"p_{name}" for name in classes] or ["value"]
