"""Intervals for means, ratios and any other metric, by clusters in time order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf, isfinite

import numpy as np
from numpy.typing import ArrayLike

from touchline.statistics.bootstrap import RESAMPLES, Studentized, studentize
from touchline.statistics.clusters import CodeArray, FloatArray, cluster_codes, cluster_sums

# A metric that is no ratio is evaluated once for each group of neighbouring clusters that is left out.
MAX_GROUPS = 200

Metric = Callable[[FloatArray], float]


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval; infinite where a single cluster says nothing about spread."""

    value: float
    low: float
    high: float
    confidence: float
    clusters: int
    block_length: float


def interval(values: ArrayLike, clusters: ArrayLike | None, *, confidence: float = 0.95, seed: int = 7) -> Interval:
    """The mean of per-row values (losses, hits) with its interval; rows in time order.

    >>> found = interval([1.0, 2.0, 3.0, 2.0, 1.0, 3.0], None)
    >>> found.value, found.low < 2.0 < found.high
    (2.0, True)
    """
    numbers = np.asarray(values, dtype=np.float64)
    return ratio_interval(numbers, np.ones_like(numbers), clusters, confidence=confidence, seed=seed)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: ArrayLike | None,
    *,
    confidence: float = 0.95,
    seed: int = 7,
) -> Interval:
    """The ratio of two sums over rows with its interval: precision, recall, F1, a weighted mean.

    F1 is such a ratio: 2·hit / (2·hit + false alarm + miss).
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    codes = cluster_codes(clusters, len(top))
    tops, bottoms = cluster_sums(top, codes), cluster_sums(bottom, codes)
    if bottoms.sum() == 0 or len(tops) < 2:
        value = float(top.sum() / bottom.sum()) if bottom.sum() else float("nan")
        return Interval(value, -inf, inf, confidence, len(tops), 1.0)
    return _interval_of(studentize(tops, bottoms, resamples=RESAMPLES, seed=seed), confidence)


def metric_interval(
    metric: Metric,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 7,
    bounds: tuple[float, float] = (-inf, inf),
) -> Interval:
    """Any metric of weighted rows (ROC AUC, PR AUC, …) with its interval; rows in time order.

    `metric` gets a weight per row (0 for rows left out). It is evaluated at most 201 times: with all rows, and
    without each group of neighbouring clusters; the bootstrap then runs over the groups' pseudo-values. A value
    that is not finite (one class is left) counts as no change. The interval is cut at `bounds`.
    """
    labels = np.asarray(clusters)
    codes = cluster_codes(labels, len(labels))
    count = int(codes.max()) + 1
    groups = _groups(codes, count)
    value = float(metric(np.ones(len(codes))))
    if count < 2 or not isfinite(value):
        return Interval(value, *bounds, confidence, count, 1.0)
    pseudo = value + _leave_out(metric, value, groups)
    found = _interval_of(studentize(pseudo, np.ones_like(pseudo), resamples=RESAMPLES, seed=seed), confidence)
    shift = value - found.value
    low, high = (float(np.clip(edge + shift, *bounds)) for edge in (found.low, found.high))
    return Interval(value, low, high, confidence, count, found.block_length * count / len(pseudo))


def bound(spread: Studentized, tail: float) -> tuple[float, float]:
    """The lower and upper bound that are each wrong with probability `tail`."""
    if spread.is_exact:
        return spread.value, spread.value
    rank = max(floor(tail * (len(spread.errors) + 1)), 1)
    return (
        float(spread.value - spread.errors[-rank] * spread.standard_error),
        float(spread.value - spread.errors[rank - 1] * spread.standard_error),
    )


def _interval_of(spread: Studentized, confidence: float) -> Interval:
    low, high = bound(spread, (1 - confidence) / 2)
    return Interval(spread.value, low, high, confidence, spread.clusters, spread.block_length)


def _groups(codes: CodeArray, count: int) -> CodeArray:
    return codes if count <= MAX_GROUPS else codes * MAX_GROUPS // count


def _leave_out(metric: Metric, value: float, groups: CodeArray) -> FloatArray:
    count = int(groups.max()) + 1
    changes = np.zeros(count)
    for group in range(count):
        without = float(metric((groups != group).astype(np.float64)))
        changes[group] = (count - 1) * (value - without) if isfinite(without) else 0.0
    return changes
