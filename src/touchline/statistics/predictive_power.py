"""The out-of-sample predictive power of one column alone, compared with its power on shuffled outcomes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import finite_sample, number_array

_BINS: Final = 50
_SHUFFLES: Final = 39
_LEAST_ROWS: Final = 20

Numbers = NDArray[np.float64]
Levels = NDArray[np.int64]


def number_levels(values: Numbers) -> Levels:
    """Numbers as levels: their distinct values, or quantile bins where there are many. A null is a level of its own.

    >>> number_levels(np.array([5.0, 7.0, np.nan, 5.0])).tolist()
    [0, 1, 2, 0]
    """
    values = number_array("Levels of numbers", values)
    is_given = np.isfinite(values)
    present = np.sort(values[is_given])
    edges = present[np.diff(present, prepend=-np.inf) > 0]
    if len(edges) > _BINS:
        shares = np.linspace(0, 1, min(_BINS, len(present) // 5) + 1)[1:-1]
        edges = np.unique(np.quantile(present, shares))
        return np.where(is_given, np.searchsorted(edges, values, side="right"), len(edges) + 1)
    return np.where(is_given, np.searchsorted(edges, values), len(edges))


def cross_fitted_means(levels: Levels, outcome: Numbers) -> Numbers:
    """For each row the mean outcome of its level in the other half of the rows, drawn to the mean of all where rare.

    `outcome` is [rows, outputs].
    """
    _validate(levels, outcome)
    half = _drawn_half(len(levels))
    size = int(levels.max()) + 1
    means = np.empty_like(outcome)
    for read in (half, ~half):
        counts = np.bincount(levels[read], minlength=size)
        for place in range(outcome.shape[1]):
            sums = np.bincount(levels[read], weights=outcome[read, place], minlength=size)
            means[~read, place] = ((sums + outcome[read, place].mean()) / (counts + 1))[levels[~read]]
    return means


@lru_cache(maxsize=4)
def _drawn_half(count: int) -> NDArray[np.bool_]:
    """Which rows are in the first half. A file may alternate with its target: the halves are drawn."""
    half: NDArray[np.bool_] = np.random.default_rng(1).permutation(count) % 2 == 0
    half.flags.writeable = False
    return half


def separation(levels: Levels, outcome: Numbers) -> float:
    """The mean area under the ROC curve over 0/1 columns, one a class: one class that is easy to tell is no leak.

    The scores are `cross_fitted_means`. Rows of one level in one half share a score, so they are counted, not sorted.
    """
    _validate(levels, outcome)
    half, size = _drawn_half(len(levels)), int(levels.max()) + 1
    group = levels + size * half
    rows = np.bincount(group, minlength=2 * size).astype(np.float64)
    in_half = np.array([len(half) - half.sum(), half.sum()])[:, None]
    areas = []
    for place in range(outcome.shape[1]):
        positives: Numbers = np.bincount(group, weights=outcome[:, place], minlength=2 * size).astype(np.float64)
        of_level, of_half = positives.reshape(2, size), positives.reshape(2, size).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # a half without rows scores none
            means = (of_level + of_half / in_half) / (rows.reshape(2, size) + 1)
        areas.append(_grouped_auc(rows, positives, means[::-1].reshape(-1)))
    return float(np.mean(areas))


def explained_share(levels: Levels, outcome: Numbers) -> float:
    """The share of the variance of an outcome [rows, 1] that the levels explain; below 0 where they mislead."""
    rest = outcome - cross_fitted_means(levels, outcome)
    return float(1 - (rest**2).mean() / outcome.var()) if outcome.var() else 0.0


def is_beyond_chance(
    measure: Callable[[Levels, Numbers], float], levels: Levels, outcome: Numbers, score: float
) -> bool:
    """Whether the score beats the scores of so many shuffled outcomes."""
    random = np.random.default_rng(1)
    return all(measure(levels, random.permutation(outcome)) < score for _ in range(_SHUFFLES))


def mid_ranks(values: Numbers) -> Numbers:
    """Ranks from 1, ties in the middle: a copy in other units or on another scale has the same.

    >>> mid_ranks(np.array([0.5, 9.0, 0.5])).tolist()
    [1.5, 3.0, 1.5]
    """
    values = finite_sample("Ranks", values)
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Numbers = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return ranks


def agreement(values: Numbers, labels: Numbers) -> float:
    """The larger squared correlation, of the numbers or of their ranks, over rows with both; 0 where they are few."""
    values, labels = number_array("An agreement", values), number_array("An agreement", labels)
    if len(values) != len(labels):
        raise InvalidSample("An agreement", f"{len(values)} and {len(labels)} values", "as many values in both")
    both = np.isfinite(values) & np.isfinite(labels)
    values, labels = values[both], labels[both]
    if len(values) < _LEAST_ROWS or np.ptp(values) == 0 or np.ptp(labels) == 0:
        return 0.0
    pairs = ((values, labels), (mid_ranks(values), mid_ranks(labels)))
    return float(max(np.corrcoef(one, other)[0, 1] ** 2 for one, other in pairs))


def _validate(levels: Levels, outcome: Numbers) -> None:
    what, shapes = "Predictions from levels", f"levels of shape {levels.shape} and outcomes of shape {outcome.shape}"
    if levels.ndim != 1 or outcome.ndim != 2 or len(levels) != len(outcome) or not outcome.size:
        raise InvalidSample(what, shapes, "levels [rows] and outcomes [rows, outputs], at least one row")
    if levels.min() < 0 or not np.isfinite(outcome).all():
        raise InvalidSample(
            what, "negative levels, or outcomes that are NaN or infinite", "levels from 0, finite outcomes"
        )


def _grouped_auc(rows: Numbers, positives: Numbers, scores: Numbers) -> float:
    """The area under the ROC curve of groups of rows that share a score, from their counts."""
    ones, count = positives.sum(), rows.sum()
    if not ones or ones == count:
        return 0.5
    _, where = np.unique(scores[rows > 0], return_inverse=True)
    tied, ones_tied = np.bincount(where, rows[rows > 0]), np.bincount(where, positives[rows > 0])
    ranks = np.cumsum(tied) - (tied - 1) / 2
    return float(((ranks * ones_tied).sum() - ones * (ones + 1) / 2) / (ones * (count - ones)))
