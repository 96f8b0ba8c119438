"""Metrics of a model on unseen rows, with intervals, beside a constant and the named baselines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.statistics import Dependence, cluster_codes, interval
from touchline.training.data.rows import LabelledRows, class_shares
from touchline.training.estimators.base import Kind
from touchline.training.evaluation.resampling import block_length, resampled_weights
from touchline.training.fitting.conformal import PredictionInterval
from touchline.training.metrics.losses import Labels, loss_rows
from touchline.training.metrics.point_metrics import classification_metrics, regression_metrics

if TYPE_CHECKING:
    from touchline.training.spec import Task

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_RESAMPLES: Final = 400
_FEW_RESAMPLES: Final = 50
MANY_CLUSTERS: Final = 5000
_MOST_CLASSES: Final = 50
_NORMAL_QUANTILE: Final = 1.959964
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
    """The nominal coverage of a prediction interval, and the share of these rows within it."""

    promised: PredictionInterval
    covered: Metric


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one set of rows. `baseline` is the constant; `baselines` are those the project names.

    A named baseline is evaluated on the rows that it has a value for; `named` has its predictions, row for row of
    `predictions`, null as NaN. `absent` are the classes that no row of the sample has.
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
    absent: tuple[str, ...] = ()

    @property
    def baseline_rows(self) -> dict[str, int]:
        """The number of rows for which each named baseline has a value."""
        return {
            name: int(np.isfinite(named_predictions).all(axis=1).sum())
            for name, named_predictions in self.named.items()
        }


@dataclass(frozen=True)
class EvaluatedRows:
    """The rows that predictions are evaluated on: labels, clusters in time order, and how classes are decided.

    `dependence` is "none" where the rows have no time.
    """

    kind: Kind
    labels: Labels
    clusters: Index
    ordered: bool = False
    threshold: float = 0.5
    seed: int = 0
    dependence: Dependence = "serial"

    @classmethod
    def of(cls, rows: LabelledRows, *, threshold: float, seed: int) -> EvaluatedRows:
        clusters = cluster_codes(rows.clusters, len(rows), at=rows.cutoffs)
        has_time = len(rows) > 0 and rows.cutoffs.min() < rows.cutoffs.max()
        dependence: Dependence = "serial" if has_time else "none"
        return cls(rows.kind, rows.labels, clusters, rows.has_ordered_classes, threshold, seed, dependence)

    def at(self, indices: Index) -> EvaluatedRows:
        """The same for the chosen rows."""
        clusters = cluster_codes(self.clusters[indices], len(indices))
        return replace(self, labels=self.labels[indices], clusters=clusters)

    def metrics(self, predictions: Array, weights: Array) -> dict[str, Array]:
        """Every metric under each row of weights."""
        if self.kind == "regression":
            return regression_metrics(self.labels, predictions, weights)
        return classification_metrics(self.labels, predictions, weights, ordered=self.ordered, threshold=self.threshold)


def evaluation_metrics(task: Task) -> list[str]:
    """The names of the metrics that an evaluation of the task has; two classes where none are declared."""
    classes = max(len(task.classes), 2)
    labels = np.arange(classes)
    predictions = np.zeros((classes, 1)) if task.kind == "regression" else np.full((classes, classes), 1 / classes)
    evaluated = EvaluatedRows(task.kind, labels, labels, task.ordered)
    return sorted(point_metrics(evaluated, predictions))


def point_metrics(evaluated: EvaluatedRows, predictions: Array) -> dict[str, float]:
    """Every metric of the rows as they are."""
    values = evaluated.metrics(predictions, np.ones((1, len(evaluated.labels))))
    return {name: float(value[0]) for name, value in values.items()}


def metrics_with_intervals(
    evaluated: EvaluatedRows, predictions: Array, *, resamples: int = _RESAMPLES, normal_from: int = MANY_CLUSTERS
) -> dict[str, Metric]:
    """Every metric with a 95 % interval from resampled clusters.

    With many clusters (`normal_from`) a metric is close to normal, so a few resamples give its standard error and the
    interval (Efron and Tibshirani 1993, chapter 6: 50 are enough for a standard error). Beyond 50 classes there are
    none.
    """
    points = point_metrics(evaluated, predictions)
    clusters = int(evaluated.clusters.max()) + 1
    if clusters < _LEAST_CLUSTERS or predictions.shape[1] > _MOST_CLASSES:
        return {name: Metric(value) for name, value in points.items()}
    is_normal = clusters >= normal_from
    resampled: dict[str, list[Array]] = {name: [] for name in points}
    draws = resampled_weights(
        evaluated.clusters,
        block=_block_length(evaluated, predictions),
        resamples=_FEW_RESAMPLES if is_normal else resamples,
        seed=evaluated.seed,
    )
    for weights in draws:
        for name, values in evaluated.metrics(predictions, weights).items():
            resampled[name].append(values)
    bounds = _normal_interval if is_normal else _with_interval
    return {name: bounds(name, value, np.concatenate(resampled[name])) for name, value in points.items()}


def _block_length(evaluated: EvaluatedRows, predictions: Array) -> float:
    """The number of consecutive clusters that depend on each other; rows without time are independent."""
    if evaluated.dependence == "none":
        return 1.0
    score = "mse" if evaluated.kind == "regression" else "log_loss"
    return block_length(loss_rows(score, evaluated.labels, predictions), evaluated.clusters)


def _normal_interval(name: str, value: float, resampled: Array) -> Metric:
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < len(resampled) / 2:
        return Metric(value)
    half = _NORMAL_QUANTILE * float(finite.std(ddof=1))
    return _clipped(name, value, value - half, value + half)


def _with_interval(name: str, value: float, resampled: Array) -> Metric:
    """The middle of the resampled values, moved by their bias: a calibration error only grows in a resample."""
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < len(resampled) / 2:
        return Metric(value)
    low, high = np.quantile(finite, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) - finite.mean() + value
    return _clipped(name, value, float(low), float(high))


def _clipped(name: str, value: float, low: float, high: float) -> Metric:
    least, most = None if name in _SIGNED else 0.0, 1.0 if name in _SHARES else None
    low, high = (float(np.clip(end, least, most)) for end in (low, high))
    return Metric(value, min(low, value), max(high, value))


def constant_predictions(train: LabelledRows, rows: int) -> Array:
    """The constant baseline: the class shares, or the mean, of the training rows."""
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
    evaluated: EvaluatedRows,
) -> Evaluation:
    """The evaluation of predictions for the test rows; `frame` is the training set's frame they come from."""
    metrics = metrics_with_intervals(evaluated, predictions)
    return Evaluation(
        metrics=metrics,
        baseline=metrics_with_intervals(evaluated, constant_predictions(train, len(test))),
        rows=len(test),
        clusters=int(evaluated.clusters.max()) + 1,
        predictions=predictions_frame(test, predictions, frame),
        baselines={
            name: _where_known(evaluated, named_predictions, metrics)
            for name, named_predictions in (named or {}).items()
        },
        threshold=evaluated.threshold,
        named=dict(named or {}),
        absent=tuple(name for code, name in enumerate(test.classes) if not (test.labels == code).any()),
    )


def evaluate_interval(
    promised: PredictionInterval | None, evaluated: EvaluatedRows, values: Array
) -> EvaluatedInterval | None:
    """The share of the rows whose label lies in the interval around its prediction."""
    if promised is None:
        return None
    predicted = values[:, 0]
    within = (np.abs(predicted - evaluated.labels) <= promised.half_widths_of(predicted)).astype(np.float64)
    if int(evaluated.clusters.max()) + 1 < _LEAST_CLUSTERS:
        return EvaluatedInterval(promised, Metric(float(within.mean())))
    found = interval(within, evaluated.clusters, seed=evaluated.seed, dependence=evaluated.dependence)
    low, high = (float(np.clip(end, 0.0, 1.0)) for end in (found.low, found.high))
    return EvaluatedInterval(promised, Metric(float(within.mean()), low, high))


def _where_known(evaluated: EvaluatedRows, named_predictions: Array, names: Collection[str]) -> dict[str, Metric]:
    """The metrics over the rows that there is a value for; no numbers where there is none."""
    known = np.flatnonzero(np.isfinite(named_predictions).all(axis=1))
    if not len(known):
        return {name: Metric(float("nan")) for name in names}
    return metrics_with_intervals(evaluated.at(known), named_predictions[known])


def predictions_frame(test: LabelledRows, predictions: Array, frame: pl.DataFrame) -> pl.DataFrame:
    """example_id, cutoff, cluster, label and p_<class> per class, or value."""
    picked = frame[test.places]
    cluster = picked["cluster"].cast(pl.String) if "cluster" in frame.columns else picked["example_id"].cast(pl.String)
    return pl.DataFrame(
        [picked["example_id"].cast(pl.String), picked["cutoff"], cluster.alias("cluster"), picked["label"]]
    ).with_columns(pl.Series(name, predictions[:, place]) for place, name in enumerate(output_names(test.classes)))


def output_names(classes: Sequence[str]) -> list[str]:
    """The names of the prediction columns in frames and profiles.

    >>> output_names(["no", "yes"]), output_names([])
    (['p_no', 'p_yes'], ['value'])
    """
    return [f"p_{name}" for name in classes] or ["value"]
