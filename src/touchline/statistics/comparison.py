"""Whether one model's losses are lower than another's on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import TooFewClusters
from touchline.statistics.bootstrap import RESAMPLES, Dependence, Studentized, studentize
from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.intervals import bound
from touchline.statistics.samples import open_probability, paired_samples

MIN_CLUSTERS = 30
# A resampled p-value of size alpha rests on at least this many resamples beyond it.
_TAIL_RESAMPLES = 20
_POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """The mean of loss_a - loss_b (negative: a is better) and the evidence that it is below zero.

    `low` and `high` are each wrong with probability `alpha`, so `high < 0` says the same as `is_better`.
    `needed` is the number of clusters at which a difference of this size would be found four times in five;
    None when the difference does not favour a. `detectable` is the advantage of a that these rows would have shown
    four times in five.
    """

    difference: float
    low: float
    high: float
    p_value: float
    alpha: float
    rows: int
    clusters: int
    block_length: float
    resamples: int
    needed: int | None
    detectable: float

    @property
    def is_better(self) -> bool:
        return self.p_value <= self.alpha

    @property
    def missing(self) -> int | None:
        """The expected number of further clusters needed; 0 once decided or when there are enough."""
        if self.is_better:
            return 0
        return None if self.needed is None else max(self.needed - self.clusters, 0)


def paired_comparison(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    clusters: ArrayLike | None,
    *,
    alpha: float = 0.05,
    seed: int = 7,
    dependence: Dependence = "serial",
) -> Comparison:
    """Compare two models by their losses on the same rows, given in time order, one-sided (is a better?).

    `dependence="none"` is for rows without a time: clusters are independent, and the order of rows has no effect.
    Raises `TooFewClusters` below 30 clusters, `InvalidSample` for losses that are missing or not finite.

    >>> a, b = np.linspace(0.1, 0.2, 60), np.linspace(0.3, 0.5, 60)
    >>> paired_comparison(a, b, None).is_better
    True
    """
    open_probability("A paired comparison", "alpha", alpha)
    losses = paired_samples("A paired comparison", loss_a, loss_b)
    differences = losses[0] - losses[1]
    codes = cluster_codes(clusters, len(differences))
    found = len(np.unique(codes))
    if found < MIN_CLUSTERS:
        raise TooFewClusters(found, MIN_CLUSTERS)
    resamples = max(RESAMPLES, ceil(_TAIL_RESAMPLES / alpha))
    spread = studentize(
        cluster_sums(differences, codes),
        np.bincount(codes).astype(np.float64),
        resamples=resamples,
        seed=seed,
        dependence=dependence,
    )
    low, high = bound(spread, alpha)
    return Comparison(
        difference=spread.value,
        low=low,
        high=high,
        p_value=_p_value(spread),
        alpha=alpha,
        rows=len(differences),
        clusters=found,
        block_length=spread.block_length,
        resamples=resamples,
        needed=_needed(spread, alpha),
        detectable=_detectable(spread, alpha),
    )


def _p_value(spread: Studentized) -> float:
    if spread.is_exact:
        return 1.0 if spread.value >= 0 else 1 / (len(spread.errors) + 1)
    as_low = int(np.searchsorted(spread.errors, spread.value / spread.standard_error, side="right"))
    return (1 + as_low) / (len(spread.errors) + 1)


def _needed(spread: Studentized, alpha: float) -> int | None:
    if spread.value >= 0:
        return None
    normal = NormalDist()
    reach = normal.inv_cdf(1 - alpha) + normal.inv_cdf(_POWER)
    return max(MIN_CLUSTERS, ceil(spread.clusters * (reach * spread.standard_error / spread.value) ** 2))


def _detectable(spread: Studentized, alpha: float) -> float:
    """The advantage that is found with the power of `_POWER`: its quantile beyond the critical value."""
    rank = max(floor(alpha * (len(spread.errors) + 1)), 1)
    return float(spread.standard_error * (NormalDist().inv_cdf(_POWER) - spread.errors[rank - 1]))
