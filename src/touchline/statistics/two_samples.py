"""Whether two samples come from one distribution, where every row is on its own.

Ties are allowed: Mann-Whitney corrects its variance for them, and with ties Kolmogorov-Smirnov errs on the
side of no difference.
"""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, counts, finite_sample

# Below this expected count a level is pooled with the others that are as rare (Cochran's rule).
_MIN_EXPECTED = 5.0


def mann_whitney(reference: FloatArray, current: FloatArray) -> float:
    """Two-sided p-value that one sample tends to lie higher (normal limit, corrected for ties and continuity).

    >>> round(mann_whitney(np.arange(20.0), np.arange(20.0) + 15), 4)
    0.0
    """
    reference, current = (finite_sample("A Mann-Whitney test", sample) for sample in (reference, current))
    many, few = len(reference), len(current)
    pooled = np.concatenate([reference, current])
    ranks, ties = midranks(pooled)
    total = many + few
    variance = many * few / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    excess = abs(float(ranks[many:].sum()) - few * (total + 1) / 2) - 0.5
    return min(1.0, erfc(max(excess, 0.0) / sqrt(2 * variance)))


def kolmogorov_smirnov(reference: FloatArray, current: FloatArray) -> float:
    """Two-sided p-value that the distribution functions differ anywhere (Kolmogorov's limit)."""
    from scipy.special import kolmogorov

    reference, current = (finite_sample("A Kolmogorov-Smirnov test", sample) for sample in (reference, current))
    edges = np.unique(np.concatenate([reference, current]))
    below = [np.searchsorted(np.sort(sample), edges, side="right") / len(sample) for sample in (reference, current)]
    distance = float(np.abs(below[0] - below[1]).max())
    return float(kolmogorov(distance * sqrt(len(reference) * len(current) / (len(reference) + len(current)))))


def chi_squared(reference: FloatArray, current: FloatArray) -> float:
    """P-value that the shares of the levels differ, from counts per level; rare levels are pooled into one.

    >>> chi_squared(np.array([50.0, 50.0]), np.array([5.0, 5.0]))
    1.0
    """
    from scipy.special import chdtrc

    reference, current = (counts("A chi-squared test", levels) for levels in (reference, current))
    if len(reference) != len(current):
        compared = f"{len(reference)} and {len(current)} counts"
        raise InvalidSample("A chi-squared test", compared, "a count per level in both samples")
    table = pooled_levels(np.vstack([reference, current]))
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))


def midranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rank of each value (ties share the middle one) and the size of each group of ties."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[inverse.reshape(-1)], sizes.astype(np.float64)


def pooled_levels(table: FloatArray) -> FloatArray:
    """Counts (samples × levels) with the levels pooled whose expected count is too small for a chi-squared test."""
    used = table[:, table.sum(axis=0) > 0]
    if used.size == 0 or np.any(used.sum(axis=1) == 0):
        return used[:, :0]
    rare = used.sum(axis=0) * used.sum(axis=1).min() / used.sum() < _MIN_EXPECTED
    if not rare.any():
        return used
    rest = used[:, rare].sum(axis=1, keepdims=True)
    return np.hstack([used[:, ~rare], rest])
