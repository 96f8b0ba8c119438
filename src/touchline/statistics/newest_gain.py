"""Whether a new model is better on the newest clusters, where fewer than a bootstrap needs have seen a change."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.effective_size import EffectiveSize
from touchline.statistics.gains import Gains
from touchline.statistics.samples import FloatArray, open_probability
from touchline.statistics.two_witnesses import MIN_EFFECTIVE_SIZE

# The shortest stretch, in clusters; each further one is longer by a half.
_LEAST: Final = 6
_LONGER: Final = 1.5
# Longer stretches are divided into at most so many groups of clusters that follow one another.
_MOST_GROUPS: Final = 12


@dataclass(frozen=True)
class NewestGain:
    """The newest clusters on which the gain is shown, with the p-value and its limit."""

    clusters: int
    rows: int
    gain: float
    p_value: float
    alpha: float


def gain_on_newest(gains: Gains, clusters: ArrayLike | None, *, alpha: float = 0.05) -> NewestGain | None:
    """The shortest stretch of newest clusters on which the new model is better; None where it is shown on none.

    `gains` are of rows in time order. A change of the world is younger than the comparison of two models, so stretches
    of the newest 6, 9, 14 … clusters are tried. Each divides into at most 12 groups of clusters that follow one
    another, and the means of these are compared with 0 by Student's t, which holds its level for few groups whose
    variances differ (Ibragimov & Müller 2010). `alpha` is the chance of a wrong yes over all looks: a look at n
    clusters spends a share in proportion to 1 / (n log² n), whose sum over n is finite, and its stretches divide that.
    A stretch whose mean a few rare losses could decide shows nothing (an effective size below 26).

    >>> from touchline.statistics import paired_gains
    >>> gains = paired_gains([0.9, 0.1] * 50, [0.4, 0.6] * 50, [1, 0] * 50)
    >>> found = gain_on_newest(gains, [day for day in range(10) for _ in range(10)])
    >>> found.clusters, round(found.gain, 2)
    (6, 0.81)
    """
    open_probability("A gain on the newest clusters", "alpha", alpha)
    codes = cluster_codes(clusters, len(gains))
    count = len(np.unique(codes))
    if count < _LEAST:
        return None
    stretches = _stretches(count)
    # The sum of 1 / (n log² n) from 6 on is below its integral from 5 on, 1 / log 5.
    limit = alpha * log(_LEAST - 1) / (count * log(count) ** 2) / len(stretches)
    for length in stretches:
        newest = codes >= count - length
        p_value = _p_value(gains.values[newest], codes[newest] - (count - length), length)
        if p_value <= limit and _effective_size(gains, newest) >= MIN_EFFECTIVE_SIZE:
            return NewestGain(length, int(newest.sum()), float(gains.values[newest].mean()), p_value, limit)
    return None


def _stretches(count: int) -> list[int]:
    """The lengths tried, in clusters, the shortest first.

    >>> _stretches(20)
    [6, 9, 14, 20]
    """
    lengths = [_LEAST]
    while (longer := ceil(lengths[-1] * _LONGER)) < count:
        lengths.append(longer)
    return lengths if count == _LEAST else [*lengths, count]


def _p_value(values: FloatArray, codes: np.ndarray[tuple[int], np.dtype[np.int64]], clusters: int) -> float:
    """One-sided, that the mean of the groups is above 0."""
    from scipy.stats import t

    groups = codes // ceil(clusters / _MOST_GROUPS)
    means = cluster_sums(values, groups) / np.bincount(groups)
    spread = float(means.std(ddof=1))
    if not spread > 0:
        return 1.0 if means[0] <= 0 else 0.0
    return float(t.sf(float(means.mean()) / spread * sqrt(len(means)), len(means) - 1))


def _effective_size(gains: Gains, rows: np.ndarray[tuple[int], np.dtype[np.bool]]) -> float:
    size, _ = EffectiveSize().update(gains.values[rows], gains.square[rows], gains.fourth[rows])
    return size.smaller
