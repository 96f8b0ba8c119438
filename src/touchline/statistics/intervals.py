"""Intervals for means, ratios and any other metric, by clusters in time order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf, isfinite

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.bootstrap import RESAMPLES, Dependence, Studentized, studentize
from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.samples import FloatArray, finite_sample, open_probability, paired_samples

# A metric that is no ratio is evaluated once for each group of neighbouring clusters that is left out.
MAX_GROUPS = 200

Metric = Callable[[FloatArray], float]


@dataclass(frozen=True)
class ConfidenceInterval:
    """A value with its confidence interval; infinite where a single cluster says nothing about spread."""

    value: float
    low: float
    high: float
    confidence: float
    clusters: int
    block_length: float


def interval(
    values: ArrayLike,
    clusters: ArrayLike | None,
    *,
    confidence: float = 0.95,
    seed: int = 7,
    dependence: Dependence = "serial",
) -> ConfidenceInterval:
    """The mean of per-row values (losses, hits) with its interval; rows in time order.

    `dependence="none"` is for rows without a time: clusters are independent, and the order of rows has no effect.
    Raises `InvalidSample` for values that are missing or not finite.

    >>> found = interval([1.0, 2.0, 3.0, 2.0, 1.0, 3.0], None)
    >>> found.value, found.low < 2.0 < found.high
    (2.0, True)
    """
    numbers = finite_sample("An interval of a mean", values)
    return ratio_interval(
        numbers, np.ones_like(numbers), clusters, confidence=confidence, seed=seed, dependence=dependence
    )


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: ArrayLike | None,
    *,
    confidence: float = 0.95,
    seed: int = 7,
    dependence: Dependence = "serial",
) -> ConfidenceInterval:
    """The ratio of two sums over rows with its interval: precision, recall, F1, a weighted mean.

    F1 is such a ratio: 2·TP / (2·TP + FP + FN). NaN where the denominators sum to 0; `dependence` as in `interval`.
    """
    top, bottom = paired_samples("An interval of a ratio", numerators, denominators)
    if (bottom < 0).any():
        raise InvalidSample("An interval of a ratio", f"the denominator {bottom.min():g}", "denominators of 0 or more")
    open_probability("An interval", "confidence", confidence)
    codes = cluster_codes(clusters, len(top))
    tops, bottoms = cluster_sums(top, codes), cluster_sums(bottom, codes)
    if bottoms.sum() == 0 or len(tops) < 2:
        value = float(top.sum() / bottom.sum()) if bottom.sum() else float("nan")
        return ConfidenceInterval(value, -inf, inf, confidence, len(tops), 1.0)
    spread = studentize(tops, bottoms, resamples=RESAMPLES, seed=seed, dependence=dependence)
    return _interval_of(spread, confidence)


def metric_interval(
    metric: Metric,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 7,
    bounds: tuple[float, float] = (-inf, inf),
) -> ConfidenceInterval:
    """Any metric of weighted rows (ROC AUC, PR AUC, …) with its interval; rows in time order.

    `metric` gets a weight per row (0 for rows left out) and is called at most 201 times: with all rows, and without
    each group of neighbouring clusters. The interval is cut at `bounds`.
    """
    labels = np.asarray(clusters)
    if labels.ndim != 1 or not len(labels):
        raise InvalidSample("An interval of a metric", f"cluster labels of shape {labels.shape}", "one label a row")
    value = float(metric(np.ones(len(labels))))
    without = [metric(weights) for weights in leave_out_weights(labels)]
    count = len(np.unique(labels))
    return jackknife_interval(value, without, clusters=count, confidence=confidence, seed=seed, bounds=bounds)


def leave_out_weights(clusters: ArrayLike) -> FloatArray:
    """A row of weights for each group of neighbouring clusters that is left out: 0 for its rows, 1 for all others.

    Each cluster is a group, up to 200 of them; rows in time order.

    >>> leave_out_weights(["sat", "sat", "sun"]).tolist()
    [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    labels = np.asarray(clusters)
    if labels.ndim != 1 or not len(labels):
        raise InvalidSample("Weights that leave clusters out", f"labels of shape {labels.shape}", "one label a row")
    codes = cluster_codes(labels, len(labels))
    count = int(codes.max(initial=-1)) + 1
    groups = codes if count <= MAX_GROUPS else codes * MAX_GROUPS // count
    return np.asarray(np.arange(min(count, MAX_GROUPS))[:, None] != groups, dtype=np.float64)


def jackknife_interval(
    value: float,
    without: ArrayLike,
    *,
    clusters: int,
    confidence: float = 0.95,
    seed: int = 7,
    bounds: tuple[float, float] = (-inf, inf),
) -> ConfidenceInterval:
    """The interval of a metric from its values without each group in turn, as `leave_out_weights` leaves them out.

    The stationary bootstrap runs over the groups' pseudo-values. A value that is not finite (one class was left)
    counts as no change. Infinite (or `bounds`) where there are fewer than two groups or the metric is not finite.
    """
    open_probability("An interval", "confidence", confidence)
    left = np.asarray(without, dtype=np.float64)
    if left.ndim != 1:
        raise InvalidSample("A jackknife interval", f"values of shape {left.shape}", "one dimension")
    count = len(left)
    if count < 2 or not isfinite(value):
        return ConfidenceInterval(value, *bounds, confidence, clusters, 1.0)
    changes = np.where(np.isfinite(left), (count - 1) * (value - left), 0.0)
    # Centred: the mean of the pseudo-values corrects bias, but what is reported is the metric itself.
    pseudo = value + changes - changes.mean()
    found = _interval_of(studentize(pseudo, np.ones(count), resamples=RESAMPLES, seed=seed), confidence)
    low, high = (float(np.clip(edge, *bounds)) for edge in (found.low, found.high))
    return ConfidenceInterval(value, low, high, confidence, clusters, found.block_length * clusters / count)


def bound(spread: Studentized, tail: float) -> tuple[float, float]:
    """The lower and upper bound that are each wrong with probability `tail`."""
    if spread.is_exact:
        return spread.value, spread.value
    rank = max(floor(tail * (len(spread.errors) + 1)), 1)
    return (
        float(spread.value - spread.errors[-rank] * spread.standard_error),
        float(spread.value - spread.errors[rank - 1] * spread.standard_error),
    )


def _interval_of(spread: Studentized, confidence: float) -> ConfidenceInterval:
    low, high = bound(spread, (1 - confidence) / 2)
    return ConfidenceInterval(spread.value, low, high, confidence, spread.clusters, spread.block_length)
