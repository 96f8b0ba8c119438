"""The stationary bootstrap of clusters in time order, and the distribution of its studentized errors.

Politis & Romano (1994): a resample is a chain of blocks with geometric lengths, taken from the circle of
the series, so that neighbours stay neighbours. The mean block length is that of Politis & White (2004) as
corrected by Patton, Politis & White (2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10, sqrt

import numpy as np

from touchline.statistics.clusters import CodeArray, FloatArray

RESAMPLES = 2000
# Resamples are drawn in parts of about this many numbers, so that memory stays in the tens of megabytes.
_PART_SIZE = 2_000_000


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
    """Which clusters each resample holds, in order: an array of resamples × count."""
    if block_length <= 1.0:
        return rng.integers(0, count, (resamples, count))
    blocks = count / block_length
    lengths = rng.geometric(1 / block_length, (resamples, ceil(blocks + 8 * sqrt(blocks) + 12)))
    lengths[:, -1] = count  # whatever chance gave, the chain is long enough; the rest is cut off
    taken = np.diff(np.minimum(np.cumsum(lengths, axis=1), count), axis=1, prepend=0).reshape(-1)
    starts = np.repeat(rng.integers(0, count, taken.size), taken)
    steps = np.arange(resamples * count) - np.repeat(np.cumsum(taken) - taken, taken)
    return np.asarray((starts + steps) % count).reshape(resamples, count)


def studentize(numerators: FloatArray, denominators: FloatArray, *, resamples: int, seed: int) -> Studentized:
    """Bootstrap-t of sum(numerators) / sum(denominators), one of each a cluster, clusters in time order.

    Estimate and resamples are studentized by the same autocorrelation-robust standard error (the "naive"
    block bootstrap of Gonçalves & Vogelsang 2011); the spread that resamples in short blocks lack is added.
    """
    value = float(numerators.sum() / denominators.sum())
    shares = denominators / denominators.mean()
    errors = (numerators - value * denominators) / denominators.mean()
    count = len(errors)
    block = max(optimal_block_length(errors), min(count ** (1 / 3), count / 3), 1.0)
    width = int(min(max(ceil(3 * block), 1), max(count // 3, 1)))
    # Errors that are nothing but rounding would be studentized into noise.
    if not np.any(np.abs(errors) > 1e-12 * max(abs(value), float(np.abs(numerators).max(initial=0.0)))):
        return Studentized(value, 0.0, np.zeros(resamples), count, block)
    standard_error = float(_robust_error(errors, width)) * _missed_spread(errors, block)
    rng = np.random.default_rng(seed)
    part = max(1, _PART_SIZE // count)
    sizes = [min(part, resamples - done) for done in range(0, resamples, part)]
    drawn = [_resampled_errors(rng, errors, shares, block, width, size) for size in sizes]
    return Studentized(value, standard_error, np.sort(np.concatenate(drawn)), count, block)


def _resampled_errors(
    rng: np.random.Generator, errors: FloatArray, shares: FloatArray, block: float, width: int, resamples: int
) -> FloatArray:
    chosen = stationary_indices(rng, resamples=resamples, count=len(errors), block_length=block)
    drawn, weights = errors[chosen], shares[chosen]
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
    """How many times wider the truth spreads than resamples in blocks of this length do, at least 1.

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
