"""How good predictions are, once for the rows as they are or many times under resampled weights.

Each function takes `weights` of shape [repeats, rows] and gives one number per repeat: the same code computes
a metric and its bootstrap replicates.
"""

from __future__ import annotations

import numpy as np

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
from touchline.training.metrics.ranking import average_precision, precision_at_share, roc_auc

_CALIBRATION_BINS = 10
# Metrics where a smaller value is better; of every other one more is better.
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rps", "ece", "mse", "rmse", "mae"})


def weighted_mean(values: Array, weights: Array) -> Array:
    return np.asarray((weights @ values) / weights.sum(axis=1))


def decide(probabilities: Array, threshold: float) -> Labels:
    """The class each row is said to be: the second of two from `threshold` on, else the likeliest."""
    if probabilities.shape[1] == 2:
        return (probabilities[:, 1] >= threshold).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def confusion(labels: Labels, decided: Labels, classes: int, weights: Array) -> Array:
    """Weights by (what happened, what was said): [repeats, classes, classes]."""
    cells = one_hot(np.asarray(labels, dtype=np.int64) * classes + decided, classes * classes)
    return np.asarray((weights @ cells).reshape(-1, classes, classes))


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)


def _told(values: Array) -> Array:
    """Of two classes the second, of more the mean."""
    return values[:, 1] if values.shape[1] == 2 else np.asarray(values.mean(axis=1))


def decision_metrics(cells: Array) -> dict[str, Array]:
    """Accuracy, precision, recall and F1 of confusion matrices; the mean over classes when there are more than two."""
    hits = np.diagonal(cells, axis1=1, axis2=2)
    precision = _ratio(hits, cells.sum(axis=1))
    recall = _ratio(hits, cells.sum(axis=2))
    f1 = _ratio(2 * hits, cells.sum(axis=1) + cells.sum(axis=2))
    return {
        "accuracy": hits.sum(axis=1) / cells.sum(axis=(1, 2)),
        "balanced_accuracy": recall.mean(axis=1),
        "precision": _told(precision),
        "recall": _told(recall),
        "f1": _told(f1),
    }


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
    """Every classification metric under each row of `weights`. RPS only where the classes have an order."""
    classes = probabilities.shape[1]
    found = {
        "log_loss": weighted_mean(log_loss_rows(labels, probabilities), weights),
        "brier": weighted_mean(brier_rows(labels, probabilities), weights),
    }
    if ordered and classes > 2:
        found["rps"] = weighted_mean(rps_rows(labels, probabilities), weights)
    found |= decision_metrics(confusion(labels, decide(probabilities, threshold), classes, weights))
    found["ece"] = calibration_error(labels, probabilities, weights)
    happened = one_hot(labels, classes)
    chosen = [1] if classes == 2 else range(classes)
    found["roc_auc"] = np.mean([roc_auc(happened[:, c], probabilities[:, c], weights) for c in chosen], axis=0)
    found["pr_auc"] = np.mean([average_precision(happened[:, c], probabilities[:, c], weights) for c in chosen], axis=0)
    if classes == 2:
        found["precision_at_10pct"] = precision_at_share(happened[:, 1], probabilities[:, 1], weights, share=0.1)
    return found


def regression_metrics(labels: Labels, values: Array, weights: Array) -> dict[str, Array]:
    """MSE, RMSE, MAE, R² and bias (mean prediction minus mean label) under each row of `weights`."""
    truth = np.asarray(labels, dtype=np.float64)
    mse = weighted_mean(squared_error_rows(truth, values), weights)
    spread = weighted_mean(truth**2, weights) - weighted_mean(truth, weights) ** 2
    return {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": weighted_mean(absolute_error_rows(truth, values), weights),
        "r2": 1.0 - np.divide(mse, spread, out=np.ones_like(mse), where=spread > 0),
        "bias": weighted_mean(values[:, 0] - truth, weights),
    }
