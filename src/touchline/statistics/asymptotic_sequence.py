"""Bounds for a running mean that hold at every look at once, for large samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import exp, inf, log, log1p, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.statistics.samples import FloatArray, finite_sample, open_probability

# Below this size a standard deviation is too uncertain for a limit theorem.
MIN_UNITS = 30


@dataclass(frozen=True)
class AsymptoticSequence:
    """Mean and spread so far, with bounds for the average mean of the units that hold at all sample sizes.

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence
    sequences", with the one-sided (half-normal) mixture in its exact form: Howard et al. 2021, proposition 6. Their
    rho² is 1/`rho` here. Valid for the average where means differ between units; only for large samples: rare large
    losses that have not occurred yet are not in the spread.
    """

    rho: float
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def update(self, values: ArrayLike) -> Self:
        """The state after a batch in time order."""
        return self.evidence(values, (0.0,))[0]

    def evidence(self, values: ArrayLike, limits: tuple[float, ...]) -> tuple[Self, FloatArray]:
        """The state after a batch, and after each unit the log evidence that the mean is above each limit.

        A limit below the mean by more than its bound has evidence of log(1/alpha) or more. 0 below 30 units.
        """
        numbers = finite_sample("An asymptotic sequence", values, least=0)
        if not len(numbers):
            return self, np.empty((len(limits), 0))
        shift = self.mean if self.count else float(numbers[0])
        counts = self.count + np.arange(1.0, len(numbers) + 1)
        sums = np.cumsum(numbers - shift)
        squares = np.maximum(self.squares + np.cumsum((numbers - shift) ** 2) - sums**2 / counts, 0.0)
        means = shift + sums / counts
        state = type(self)(self.rho, int(counts[-1]), float(means[-1]), float(squares[-1]))
        return state, np.stack([mixture_evidence(means - limit, squares, counts, self.rho) for limit in limits])

    def mirrored(self) -> Self:
        """The sequence of the same units with their signs turned."""
        return replace(self, mean=-self.mean)

    @property
    def deviation(self) -> float:
        """The standard deviation of the units; NaN below two."""
        return sqrt(self.squares / (self.count - 1)) if self.count > 1 else float("nan")

    def radius(self, alpha: float) -> float:
        """The half-width: mean - radius and mean + radius are each ever wrong with probability alpha."""
        if self.count < MIN_UNITS:
            return inf
        return self.deviation * mixture_boundary(self.count, alpha, self.rho) / self.count

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The lower and upper bound, each ever wrong with probability alpha; infinite below 30 units.

        >>> sequence = AsymptoticSequence(best_rho(500, 0.05)).update([0.1, 0.3] * 50)
        >>> [round(bound, 3) for bound in sequence.bounds(0.05)]
        [0.169, 0.231]
        """
        radius = self.radius(alpha)
        return self.mean - radius, self.mean + radius

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(float(stored["rho"]), int(stored["count"]), float(stored["mean"]), float(stored["squares"]))


def mixture_evidence(gaps: FloatArray, squares: FloatArray, counts: FloatArray, rho: float) -> FloatArray:
    """The log of the half-normal mixture at means that lie this far above a limit; 0 below 30 units."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = gaps * counts / np.sqrt(squares / (counts - 1)) / np.sqrt(counts + rho)
    # Without any spread (0/0) the mean is the limit itself: no evidence. Infinite: the squares overflow no float.
    log_evidence = _log_mixture(np.clip(np.nan_to_num(scaled, nan=0.0), -1e100, 1e100), counts, rho)
    return np.where(counts < MIN_UNITS, 0.0, log_evidence)


@lru_cache(maxsize=4096)  # each look at a rollout draws its course anew, by the same counts
def mixture_boundary(count: float, alpha: float, rho: float) -> float:
    """The boundary that a sum of units of variance 1 and mean 0 ever crosses with probability alpha."""
    open_probability("A sequence of bounds", "alpha", alpha)
    low, high, counts = -10.0, sqrt(2 * log(1 / alpha) + log1p(count / rho)), np.asarray(float(count))
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):  # no number lies between them
            break
        is_below = float(_log_mixture(np.asarray(middle), counts, rho)) < log(1 / alpha)
        low, high = (middle, high) if is_below else (low, middle)
    return (low + high) / 2 * sqrt(count + rho)


@lru_cache(maxsize=64)
def best_rho(target: int, alpha: float) -> float:
    """The rho for which the bounds are narrowest at the target sample size; it is in proportion to the target.

    >>> round(best_rho(1000, 0.05) / best_rho(500, 0.05), 6)
    2.0
    """
    low, high, golden = -8.0, 3.0, (sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        is_left = mixture_boundary(1.0, alpha, exp(left)) < mixture_boundary(1.0, alpha, exp(right))
        low, high = (low, right) if is_left else (left, high)
    return target * exp((low + high) / 2)


def _log_mixture(scaled: FloatArray, counts: FloatArray, rho: float) -> FloatArray:
    from scipy.special import erfcx, log_ndtr

    # scaled² / 2 + log Φ(scaled) cancels far below 0; there erfcx holds both factors in one.
    above, below = np.maximum(scaled, 0.0), np.minimum(scaled, 0.0)
    tail = np.where(scaled < 0, np.log(erfcx(-below / sqrt(2)) / 2), above**2 / 2 + log_ndtr(above))
    return np.asarray(log(2) - np.log1p(counts / rho) / 2 + tail)
