"""Metrics of predictions, once for the rows as they are or many times under resampled weights.

Each function takes `weights` of shape [repeats, rows] and gives one number per repeat: the same code computes
a metric and its bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from touchline.training.metrics.losses import (
    Array,
    Labels,
    absolute_error_rows,
    brier_rows,
    log_loss_rows,
    one_hot,
    rps_rows,
    squared_error_rows,
)
from touchline.training.metrics.ranking import average_precision, precision_at_share, roc_auc, score_steps

_CALIBRATION_BINS = 10
# Metrics where a smaller value is better; of every other one more is better.
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rps", "ece", "mse", "rmse", "mae"})


def weighted_mean(values: Array, weights: Array) -> Array:
    return np.asarray((weights @ values) / weights.sum(axis=1))


def decide(probabilities: Array, threshold: float) -> Labels:
    """The predicted class of each row: the second of two from `threshold` on, else the most probable."""
    if probabilities.shape[1] == 2:
        return (probabilities[:, 1] >= threshold).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def confusion(labels: Labels, decided: Labels, classes: int) -> NDArray[np.int64]:
    """Rows by (observed class, predicted class): [classes, classes]."""
    cells = np.asarray(labels, dtype=np.int64) * classes + decided
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)


def _over_classes(values: Array, counted: NDArray[np.bool_]) -> Array:
    """Binary: the value of the positive (second) class. Multiclass: the mean over the counted classes, unweighted."""
    return values[:, 1] if values.shape[1] == 2 else _mean_where(values, counted)


def _mean_where(values: Array, counted: NDArray[np.bool_]) -> Array:
    return _ratio(np.where(counted, values, 0.0).sum(axis=1), counted.sum(axis=1).astype(np.float64))


def decision_metrics(labels: Labels, decided: Labels, classes: int, weights: Array) -> dict[str, Array]:
    """Accuracy, balanced accuracy, precision, recall and F1 under each row of `weights`.

    A class that is neither observed nor predicted does not count, and balanced accuracy leaves out what is not
    observed, as in scikit-learn.
    """
    labels = np.asarray(labels, dtype=np.int64)
    observed, predicted = _by_class(labels, classes, weights), _by_class(decided, classes, weights)
    hits = _by_class(labels, classes, weights * (labels == decided))
    recall = _ratio(hits, observed)
    present = (observed > 0) | (predicted > 0)
    return {
        "accuracy": hits.sum(axis=1) / weights.sum(axis=1),
        "balanced_accuracy": _mean_where(recall, observed > 0),
        "precision": _over_classes(_ratio(hits, predicted), present),
        "recall": _over_classes(recall, present),
        "f1": _over_classes(_ratio(2 * hits, observed + predicted), present),
    }


def _by_class(codes: Labels, classes: int, weights: Array) -> Array:
    """The weight of each class: [repeats, classes]."""
    return np.stack([np.bincount(codes, weights=row, minlength=classes) for row in weights])


def calibration_error(labels: Labels, probabilities: Array, weights: Array) -> Array:
    """Expected calibration error over ten bins of equal size.

    Of the second of two classes; of more the mean over classes.
    """
    happened = one_hot(labels, probabilities.shape[1])
    chosen = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    errors = [_calibration_error(happened[:, c], probabilities[:, c], weights) for c in chosen]
    return np.asarray(np.mean(errors, axis=0))


def calibration_bins(scores: Array) -> Labels:
    """The bin of each score; bins hold about equally many rows, and equal scores share one."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, scores, side="right"), dtype=np.int64)


def _calibration_error(happened: Array, scores: Array, weights: Array) -> Array:
    bins = calibration_bins(scores)
    gaps = (happened - scores)[:, None] * one_hot(bins, int(bins.max()) + 1)
    return np.asarray(np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1))


def classification_metrics(
    labels: Labels, probabilities: Array, weights: Array, *, ordered: bool = False, threshold: float = 0.5
) -> dict[str, Array]:
    """Every classification metric under each row of `weights`. RPS only where the classes have an order.

    The areas under the curves of more than two classes are means over the classes that have an observed row and
    a row of another class.
    """
    classes = probabilities.shape[1]
    found = {
        "log_loss": weighted_mean(log_loss_rows(labels, probabilities), weights),
        "brier": weighted_mean(brier_rows(labels, probabilities), weights),
    }
    if ordered and classes > 2:
        found["rps"] = weighted_mean(rps_rows(labels, probabilities), weights)
    found |= decision_metrics(labels, decide(probabilities, threshold), classes, weights)
    found["ece"] = calibration_error(labels, probabilities, weights)
    observed = one_hot(labels, classes)
    chosen = [1] if classes == 2 else range(classes)
    steps = [score_steps(observed[:, c], probabilities[:, c], weights) for c in chosen]
    found["roc_auc"] = _mean_of_defined([roc_auc(of_class) for of_class in steps])
    found["pr_auc"] = _mean_of_defined([average_precision(of_class) for of_class in steps])
    if classes == 2:
        found["precision_at_10pct"] = precision_at_share(steps[0], share=0.1)
    return found


def _mean_of_defined(values: Sequence[Array]) -> Array:
    """The mean over classes of the values that are defined; NaN where none is."""
    stacked = np.stack(values)
    is_defined = np.isfinite(stacked)
    total = np.where(is_defined, stacked, 0.0).sum(axis=0)
    count = is_defined.sum(axis=0).astype(np.float64)
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))


def regression_metrics(labels: Labels, values: Array, weights: Array) -> dict[str, Array]:
    """MSE, RMSE, MAE, R² and bias (mean prediction minus mean label) under each row of `weights`."""
    truth = np.asarray(labels, dtype=np.float64)
    mse = weighted_mean(squared_error_rows(truth, values), weights)
    centred = truth - truth.mean()  # the squares of large labels have no room for their differences
    spread = weighted_mean(centred**2, weights) - weighted_mean(centred, weights) ** 2
    return {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": weighted_mean(absolute_error_rows(truth, values), weights),
        "r2": 1.0 - np.divide(mse, spread, out=np.ones_like(mse), where=spread > 0),
        "bias": weighted_mean(values[:, 0] - truth, weights),
    }
