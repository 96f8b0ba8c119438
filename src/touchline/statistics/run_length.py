"""A sequential alarm for a mean that has risen, with a promise about the time between false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# Bets as shares of the largest possible one, equally weighted: from small changes to large ones.
_BETS: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class RiseDetector:
    """The Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo (2023) for payoffs that are at least `least`.

    Each bet multiplies its value plus 1 by 1 + bet · payoff. While the expected payoff, given the past, is at most 0,
    the mean of the values minus the number of steps is a supermartingale: the expected time until their mean reaches
    `limit` is at least `limit` steps, whatever the distribution and however often one looks. After an alarm it starts
    anew. `since` is the step after which the evidence of the alarm, or of now, began to grow: an estimate of the onset.
    """

    limit: float
    least: float
    values: tuple[float, ...] = (0.0,) * len(_BETS)
    step: int = 0
    cumulative: float = 0.0
    lowest: float = 0.0
    since: int = 0

    def __post_init__(self) -> None:
        if not self.limit > 0 or not self.least < 0:
            actual = f"a limit of {self.limit:g} steps and a least payoff of {self.least:g}"
            raise InvalidSample("A detector of a rise", actual, "a limit above 0 and a least payoff below 0")

    def update(self, payoff: float) -> tuple[Self, bool]:
        """The detector after one step, and whether it raises the alarm; after an alarm it starts anew.

        Payoffs below the least count as the least, which errs on the side of an alarm: `least_payoff` accounts for it.

        >>> detector, steps = RiseDetector(limit=100, least=-1.0), 0
        >>> while not (found := detector.update(0.5))[1]:
        ...     detector, steps = found[0], steps + 1
        >>> steps
        11
        """
        if not isfinite(payoff):
            raise InvalidSample("A detector of a rise", f"the payoff {payoff}", "a finite number")
        value = max(payoff, self.least)
        values = tuple(
            (before + 1) * (1 - bet / self.least * value) for before, bet in zip(self.values, _BETS, strict=True)
        )
        cumulative = self.cumulative + value
        is_new_low = cumulative < self.lowest
        lowest, since = (cumulative, self.step + 1) if is_new_low else (self.lowest, self.since)
        if sum(values) / len(values) >= self.limit:
            return type(self)(self.limit, self.least, step=self.step + 1, since=self.step + 1), True
        return type(self)(self.limit, self.least, values, self.step + 1, cumulative, lowest, since), False

    @property
    def level(self) -> float:
        """The evidence now, as a share of the limit."""
        return float(np.mean(self.values)) / self.limit

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(**{**stored, "values": tuple(stored["values"])})


def least_payoff(standardized: ArrayLike, *, bound: float = 3.0) -> tuple[float, float]:
    """The least payoff, and what raising lower ones to it adds to the mean, from payoffs without a change.

    Where few payoffs are known their lower tail is taken to be that of a normal distribution at least.

    >>> least, added = least_payoff([-0.5, 0.5, 1.0, -1.0])
    >>> least, round(added, 5)
    (-3.0, 0.00038)
    """
    from scipy.stats import norm

    values: FloatArray = finite_sample("A least payoff", standardized)
    observed = float(np.maximum(-bound - values, 0.0).mean())
    return -bound, max(observed, float(norm.pdf(bound) - bound * norm.sf(bound)))
