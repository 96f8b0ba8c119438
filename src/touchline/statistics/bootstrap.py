"""The stationary bootstrap of clusters in time order, and the distribution of its studentized errors.

Politis & Romano (1994): a resample is a chain of blocks with geometric lengths, taken from the circle of
the series, so that neighbours stay neighbours. The mean block length is that of Politis & White (2004) as
corrected by Patton, Politis & White (2009).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf, log10, sqrt
from typing import Literal

import numpy as np

from touchline.errors import InvalidSample
from touchline.statistics.clusters import CodeArray
from touchline.statistics.samples import FloatArray

RESAMPLES = 2000
# From this many clusters on the normal limit replaces resampling, which would take seconds to change nothing.
NORMAL_LIMIT_CLUSTERS = 5000
Dependence = Literal["serial", "none"]
"""Whether clusters that are neighbours in time may depend on each other, or every cluster is independent."""
# Resamples are drawn in parts of about this many numbers, so that memory stays in the tens of megabytes.
_PART_SIZE = 2_000_000
# About so many of them are worked on together: they stay in the processor's cache, which halves the time.
_CACHED_SIZE = 16_000


@dataclass(frozen=True)
class Studentized:
    """An estimate, its standard error, and how studentized errors of resamples are spread (sorted)."""

    value: float
    standard_error: float
    errors: FloatArray
    clusters: int
    block_length: float

    @property
    def is_exact(self) -> bool:
        """No cluster differs from another: there is nothing to be uncertain about."""
        return self.standard_error == 0.0


def optimal_block_length(series: FloatArray) -> float:
    """The mean block length for the stationary bootstrap of this series, at least 1.

    >>> optimal_block_length(np.array([1.0, 1.0, 1.0, 1.0]))
    1.0
    """
    count = len(series)
    if not count or not np.all(np.isfinite(series)):
        raise InvalidSample("A block length", "a series with values that are not finite" if count else "no values")
    errors = series - series.mean()
    if count < 4 or not np.any(errors):
        return 1.0
    run = max(5, int(log10(count)))
    most = min(ceil(sqrt(count)) + run, count - 1)
    covariance = np.array([errors[lag:] @ errors[: count - lag] for lag in range(most + 1)]) / count
    cut = _flat_top_lag(np.abs(covariance / covariance[0]), 2 * sqrt(log10(count) / count), run, most)
    lags = np.arange(1, cut + 1)
    weights = np.minimum(1.0, 2 * (1 - lags / cut)) * covariance[1 : cut + 1]
    slope, spectrum = 2 * float(lags @ weights), covariance[0] + 2 * float(weights.sum())
    if spectrum == 0.0:
        return 1.0
    length = ((slope / spectrum) ** 2 * count) ** (1 / 3)
    return float(min(max(length, 1.0), ceil(min(3 * sqrt(count), count / 3))))


def stationary_indices(rng: np.random.Generator, *, resamples: int, count: int, block_length: float) -> CodeArray:
    """The clusters of each resample, in order: an array of resamples × count."""
    parts = list(_stationary_parts(rng, resamples, count, block_length))
    return np.concatenate(parts) if parts else np.zeros((0, count), dtype=np.int64)


def _stationary_parts(rng: np.random.Generator, resamples: int, count: int, block_length: float) -> Iterator[CodeArray]:
    """`stationary_indices` in parts of some resamples each."""
    if resamples < 0 or count < 1 or not 0 < block_length < inf:
        drawn = f"{resamples} resamples of {count} clusters in blocks of {block_length:g}"
        raise InvalidSample(
            "A bootstrap", drawn, "0 resamples or more, 1 cluster or more, a finite block length above 0"
        )
    few = max(1, _CACHED_SIZE // count)
    if block_length <= 1.0:
        clusters = rng.integers(0, count, (resamples, count))
        yield from (clusters[at : at + few] for at in range(0, resamples, few))
        return
    blocks = count / block_length
    lengths = rng.geometric(1 / block_length, (resamples, ceil(blocks + 8 * sqrt(blocks) + 12)))
    lengths[:, -1] = count  # whatever chance gave, the chain is long enough; the rest is cut off
    starts = rng.integers(0, count, lengths.shape)
    for at in range(0, resamples, few):
        yield _chained(lengths[at : at + few], starts[at : at + few], count)


def _chained(lengths: CodeArray, starts: CodeArray, count: int) -> CodeArray:
    """The clusters of blocks of these lengths from these starts on, around the circle: the first `count` of a row."""
    ends = np.cumsum(lengths, axis=1)
    used = int((ends < count).sum(axis=1).max()) + 1
    begins = np.zeros((len(ends), used), dtype=np.int64)
    begins[:, 1:] = ends[:, : used - 1]
    is_block = begins < count
    # Inside a block the cluster less its place is constant: the sum of the changes from block to block.
    constants = (starts[:, :used] - begins)[is_block]
    changes = np.zeros(len(ends) * count, dtype=np.int64)
    changes[(begins + np.arange(len(ends))[:, None] * count)[is_block]] = np.diff(constants, prepend=0)
    clusters = np.cumsum(changes).reshape(-1, count) + np.arange(count)
    np.subtract(clusters, count, out=clusters, where=clusters >= count)
    return np.asarray(clusters)


def studentize(
    numerators: FloatArray,
    denominators: FloatArray,
    *,
    resamples: int,
    seed: int,
    dependence: Dependence = "serial",
) -> Studentized:
    """Bootstrap-t of sum(numerators) / sum(denominators), one of each a cluster, clusters in time order.

    Estimate and resamples are studentized by the same autocorrelation-robust standard error (the "naive"
    block bootstrap of Gonçalves & Vogelsang 2011); the spread that resamples in short blocks lack is added.
    Where `dependence` is "none", clusters are resampled one by one and their order has no effect.
    """
    value = float(numerators.sum() / denominators.sum())
    shares = denominators / denominators.mean()
    errors = (numerators - value * denominators) / denominators.mean()
    if dependence == "none":
        order = np.lexsort((shares, errors))
        errors, shares = errors[order], shares[order]
    block, width = _block_and_width(errors, dependence)
    # Errors that are nothing but rounding would be studentized into noise.
    if not np.any(np.abs(errors) > 1e-12 * max(abs(value), float(np.abs(numerators).max(initial=0.0)))):
        return Studentized(value, 0.0, np.zeros(resamples), len(errors), block)
    missed = _missed_spread(errors, block) if dependence == "serial" else sqrt(len(errors) / (len(errors) - 1))
    standard_error = float(_robust_error(errors, width)) * missed
    if len(errors) >= NORMAL_LIMIT_CLUSTERS:
        spread = _normal_errors(resamples)
    else:
        spread = _bootstrap_errors(errors, shares, block, width, resamples=resamples, seed=seed)
    return Studentized(value, standard_error, spread, len(errors), block)


def _block_and_width(errors: FloatArray, dependence: Dependence) -> tuple[float, int]:
    """The mean length of blocks, and over how many neighbours the standard error sums."""
    if dependence == "none":
        return 1.0, 1
    count = len(errors)
    block = max(optimal_block_length(errors), min(count ** (1 / 3), count / 3), 1.0)
    return block, int(min(max(ceil(3 * block), 1), max(count // 3, 1)))


def _normal_errors(count: int) -> FloatArray:
    """Quantiles of the standard normal distribution at (i - 1/2) / count, sorted."""
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


def _bootstrap_errors(
    errors: FloatArray, shares: FloatArray, block: float, width: int, *, resamples: int, seed: int
) -> FloatArray:
    """The studentized errors of so many resamples, sorted."""
    rng = np.random.default_rng(seed)
    part = max(1, _PART_SIZE // len(errors))
    sizes = [min(part, resamples - done) for done in range(0, resamples, part)]
    drawn = [_resampled_errors(rng, errors, shares, block, width, size) for size in sizes]
    return np.sort(np.concatenate(drawn))


def _resampled_errors(
    rng: np.random.Generator, errors: FloatArray, shares: FloatArray, block: float, width: int, resamples: int
) -> FloatArray:
    parts = _stationary_parts(rng, resamples, len(errors), block)
    return np.concatenate([_studentized(errors, shares, clusters, width) for clusters in parts])


def _studentized(errors: FloatArray, shares: FloatArray, clusters: CodeArray, width: int) -> FloatArray:
    drawn, weights = errors[clusters], shares[clusters]
    means = drawn.sum(axis=1) / weights.sum(axis=1)
    spread = _robust_error(drawn - means[:, None] * weights, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentized = means / spread
    return np.where(means == 0.0, 0.0, studentized)


def _robust_error(errors: FloatArray, width: int) -> FloatArray:
    """The standard error of the mean of errors (mean 0) along the last axis, with Bartlett weights of this width.

    A Bartlett sum of autocovariances is the mean square of sums over `width` neighbours, zeros beyond the ends.
    """
    count = errors.shape[-1]
    edge = np.zeros((*errors.shape[:-1], 1))
    running = np.concatenate([edge, np.cumsum(errors, axis=-1)], axis=-1)
    inside = running[..., width:] - running[..., :-width]
    left, right = running[..., 1:width], running[..., -1:] - running[..., -width:-1]
    squares = sum(np.einsum("...i,...i->...", sums, sums) for sums in (inside, left, right))
    return np.asarray(np.sqrt(squares / width) / count)


def _missed_spread(errors: FloatArray, block: float) -> float:
    """The factor by which resamples in blocks of this length underestimate the spread, at least 1.

    Twice over: centring takes 1/n from each of the about 2·block - 1 autocovariances that blocks keep; and blocks
    cut dependence short, judged by a first-order autoregression with its bias corrected (Kendall 1954).
    """
    count = len(errors)
    centring = 1 - min((2 * block - 1) / count, 0.5)
    raw = float(errors[1:] @ errors[:-1] / (errors @ errors))
    rho = min(max(raw + (1 + 3 * raw) / count, 0.0), 0.95)
    kept = rho * (1 - 1 / block)
    cut = (1 + rho) / (1 - rho) / ((1 + kept) / (1 - kept))
    return sqrt(max(1.0, cut) / centring)


def _flat_top_lag(correlation: FloatArray, limit: float, run: int, most: int) -> int:
    """Twice the first lag from which `run` correlations in a row are negligible."""
    for lag in range(1, most - run + 2):
        if np.all(correlation[lag : lag + run] < limit):
            return min(2 * lag, most)
    return most
