"""A sequential alarm for a mean that has risen, with a promise about the time between false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# Of each linear bet the floor, in standard deviations, and the share of the largest stake that cannot lose more than
# all: small stakes for small rises. A low floor allows a high stake, for rises of a standard deviation and more.
_LINEAR: Final = ((3.0, 1 / 8), (3.0, 1 / 4), (3.0, 1 / 2), (3.0, 1.0), (1.0, 1.0))
# A payoff that counts at most, so that evidence stays finite.
_HIGHEST: Final = 1e9
# The mean fourth power of payoffs above 0 is taken to be this at least: twice that of a normal distribution.
_FOURTH: Final = 3.0
# The onset is looked for in payoffs that are no lower than this.
_LOWEST: Final = -3.0


@dataclass(frozen=True)
class RiseBets:
    """Bets that the mean of payoffs, in standard deviations, rose above 0: small rises first, then large ones.

    - Five linear bets pay 1 + stake · payoff, where payoffs below a floor count as the floor; `added` is what that adds
      to the mean payoff of each.
    - One pays the square of a payoff above 0, whose mean is at most 1, for rises of many standard deviations.
    - The last one pays the fourth power of a payoff above 0, as a share of `fourth`, its mean without a rise. It is the
      evidence of one step alone: from about ten standard deviations on, that is an alarm.

    >>> bets = RiseBets.of([-0.5, 0.5, 1.0, -1.0])
    >>> [round(factor, 2) for factor in bets.factors(2.0)]
    [1.08, 1.17, 1.33, 1.67, 2.77, 4.0, 5.33]
    """

    added: tuple[float, ...]
    fourth: float

    @classmethod
    def of(cls, standardized: ArrayLike) -> Self:
        """The bets for payoffs without a rise such as these, of mean 0.

        Where few are known, both tails are taken to be those of a normal distribution at least.
        """
        from scipy.stats import norm

        values: FloatArray = finite_sample("Bets on a rise", standardized)
        added = tuple(
            max(float(np.maximum(-floor - values, 0.0).mean()), float(norm.pdf(floor) - floor * norm.sf(floor)))
            for floor, _ in _LINEAR
        )
        return cls(added, max(float((np.clip(values, 0.0, _HIGHEST) ** 4).mean()), _FOURTH))

    def factors(self, payoff: float) -> tuple[float, ...]:
        """What each bet pays: at most 1 on average while the expected payoff is at most 0."""
        above = min(max(payoff, 0.0), _HIGHEST)
        linear = (
            1 + share * (min(max(payoff, -floor), _HIGHEST) - added) / (floor + added)
            for (floor, share), added in zip(_LINEAR, self.added, strict=True)
        )
        return (*linear, above**2, above**4 / self.fourth)


@dataclass(frozen=True)
class RiseDetector:
    """The Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo (2023) over `RiseBets`, equally weighted.

    Each bet multiplies its value plus 1 by its factor; the value of the last one is the factor of the newest step.
    While factors are at most 1 on average, given the past, the mean of the values less the number of steps is at most a
    supermartingale: the expected time until that mean reaches `limit` is at least `limit` steps, however often one
    looks. After an alarm it starts anew. `since` is the step after which the evidence of the alarm, or of now, began
    to grow: an estimate of the onset.
    """

    limit: float
    values: tuple[float, ...] = (0.0,) * (len(_LINEAR) + 2)
    step: int = 0
    cumulative: float = 0.0
    lowest: float = 0.0
    since: int = 0

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise InvalidSample("A detector of a rise", f"a limit of {self.limit:g} steps", "a limit above 0")

    def update(self, payoff: float, factors: tuple[float, ...]) -> tuple[Self, bool]:
        """The detector after one step with its payoff and what the bets pay for it, and whether it raises the alarm.

        >>> bets, detector, steps = RiseBets.of([-1.0, 1.0]), RiseDetector(limit=100), 0
        >>> while not (found := detector.update(1.0, bets.factors(1.0)))[1]:
        ...     detector, steps = found[0], steps + 1
        >>> steps
        9
        """
        if not isfinite(payoff):
            raise InvalidSample("A detector of a rise", f"the payoff {payoff}", "a finite number")
        grown = tuple((before + 1) * factor for before, factor in zip(self.values, factors, strict=True))
        values = (*grown[:-1], factors[-1])
        cumulative = self.cumulative + max(payoff, _LOWEST)
        is_new_low = cumulative < self.lowest
        lowest, since = (cumulative, self.step + 1) if is_new_low else (self.lowest, self.since)
        if sum(values) / len(values) >= self.limit:
            return type(self)(self.limit, step=self.step + 1, since=self.step + 1), True
        return type(self)(self.limit, values, self.step + 1, cumulative, lowest, since), False

    @property
    def level(self) -> float:
        """The evidence now, as a share of the limit."""
        return float(np.mean(self.values)) / self.limit
