"""Whether units reach the arms of a split in the planned shares, tested at every unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import exp
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# The weight of the prior in units: 625 expects faults of about two points of share, which show in some 10,000 units.
_CONCENTRATION: Final = 625.0
# A twentieth of the capital expects faults of any size, such as an arm that gets nothing: a prior of a unit an arm.
_ANY_FAULT: Final = 0.05
# A quarter of the rest bets on faults of this many standard deviations of one unit: 2.5 points at a share of 50 %.
_FAULT: Final = 0.05
# Half of it bets on one look at this many units of a stage, whose test rejects in each tail with this probability.
_LOOK: Final = 5000
_TAIL: Final = 0.0025


@dataclass(frozen=True)
class SampleRatio:
    """Units per arm so far and the evidence that their shares are not the planned ones.

    Lindon & Malek 2022, "Anytime-valid inference for multinomial count data": a Dirichlet-multinomial mixture around
    the planned shares. A quarter of the weight is on faults of one size in one arm, up or down, and half on the chance,
    given the units so far, that one test at 5,000 units rejects, over the same chance before the first unit: a
    martingale too. Of 48 % in place of 50 % the mixture alone finds a third within 5,000 units at 1 %, with the sizes
    40 %, with all three 53 %; the best test that looks once finds 60 %. A twentieth is a mixture over shares of any
    kind, so that an arm of 50 % that gets nothing shows within 20 units. A planned share that moves (the steps of a
    rollout) starts another stage: the evidence of stages multiplies. The p-value holds at any time.
    """

    shares: tuple[float, ...]
    units: tuple[int, ...]
    earlier: float = 0.0
    peak: float = 0.0
    at_look: tuple[int, ...] | None = None

    @classmethod
    def start(cls, shares: Sequence[float], *, earlier: float = 0.0, peak: float = 0.0) -> Self:
        """No units yet, and a planned share for each arm.

        >>> SampleRatio.start([0.5, 0.5]).update([0] * 600 + [1] * 400).p_value < 0.001
        True
        """
        numbers = finite_sample("A sample ratio", shares, least=2)
        if (numbers <= 0).any() or abs(numbers.sum() - 1) > 1e-9:
            raise InvalidSample("A sample ratio", f"the shares {numbers.tolist()}", "shares above 0 that sum to 1")
        return cls(tuple(numbers.tolist()), (0,) * len(numbers), earlier, peak)

    def with_shares(self, shares: Sequence[float]) -> Self:
        """The next stage of a rollout, with other planned shares of as many arms."""
        return type(self).start(shares, earlier=self.log_evidence, peak=self.peak)

    def update(self, arms: ArrayLike) -> Self:
        """The state after units that reached these arms (0, 1, …) one after the other; a look is taken after each."""
        numbers = np.asarray(arms)
        if numbers.ndim != 1 or not np.isin(numbers, np.arange(len(self.shares))).all():
            allowed = f"arm numbers from 0 to {len(self.shares) - 1}"
            raise InvalidSample("A sample ratio", "arms that are not planned", allowed)
        if not len(numbers):
            return self
        counts = np.asarray(self.units) + np.cumsum(numbers[:, None] == np.arange(len(self.shares)), axis=0)
        is_look = counts.sum(axis=1) == _LOOK
        at_look = tuple(counts[is_look.argmax()].tolist()) if is_look.any() else self.at_look
        highest = float(_evidence(np.asarray(self.shares), counts, at_look).max()) + self.earlier
        units = tuple(counts[-1].tolist())
        return type(self)(self.shares, units, self.earlier, max(self.peak, highest), at_look)

    @property
    def log_evidence(self) -> float:
        counts = np.asarray([self.units])
        return self.earlier + float(_evidence(np.asarray(self.shares), counts, self.at_look)[0])

    @property
    def p_value(self) -> float:
        return exp(-self.peak)

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        at_look = None if stored["at_look"] is None else tuple(stored["at_look"])
        units, earlier, peak = tuple(stored["units"]), float(stored["earlier"]), float(stored["peak"])
        return cls(tuple(stored["shares"]), units, earlier, peak, at_look)


def _evidence(shares: FloatArray, counts: NDArray[np.int64], at_look: tuple[int, ...] | None) -> FloatArray:
    """The log evidence against the planned shares after each row of counts, an arm in each column."""
    mixture, any_fault = _mixture(shares, counts, _CONCENTRATION), _mixture(shares, counts, float(len(shares)))
    faults = np.logaddexp.reduce(counts @ np.log(_faulty_shares(shares) / shares).T, axis=1) - np.log(2 * len(shares))
    seen = counts if at_look is None else np.where(counts.sum(axis=1)[:, None] < _LOOK, counts, at_look)
    with_sizes = np.logaddexp(mixture, faults) - np.log(2)
    expected = np.logaddexp(with_sizes, _evidence_of_look(shares, seen)) - np.log(2)
    return np.asarray(np.logaddexp(expected + np.log(1 - _ANY_FAULT), any_fault + np.log(_ANY_FAULT)))


def _mixture(shares: FloatArray, counts: NDArray[np.int64], concentration: float) -> FloatArray:
    """The log evidence of a Dirichlet prior around the planned shares that weighs so many units."""
    from scipy.special import gammaln

    prior = shares * concentration
    parts = gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)
    return np.asarray(parts.sum(axis=1) + gammaln(concentration) - gammaln(concentration + counts.sum(axis=1)))


def _evidence_of_look(shares: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """The log of the chance that the one look rejects, given these units, over that before any unit; of all arms."""
    remaining = _LOOK - counts.sum(axis=1)
    ratios = np.zeros(len(counts))
    for share, count in zip(shares.tolist(), counts.T, strict=True):
        fewest, most, at_start = _limits_of_look(share)
        ratios += _rejected(count, remaining, share, (fewest, most)) / at_start
    with np.errstate(divide="ignore"):  # no chance left to reject: no evidence of this kind
        return np.asarray(np.log(ratios / len(shares)))


@lru_cache(maxsize=64)
def _limits_of_look(share: float) -> tuple[int, int, float]:
    """An arm is rejected with fewer units than the first number or more than the second; the chance of that."""
    numbers, everything = np.arange(_LOOK), np.full(_LOOK, _LOOK)
    above = _above(numbers, everything, share)
    fewest, most = int((1 - above <= _TAIL).sum()), int((above > _TAIL).sum())
    return fewest, most, float(_rejected(np.array([0]), np.array([_LOOK]), share, (fewest, most))[0])


def _rejected(
    count: NDArray[np.int64], remaining: NDArray[np.int64], share: float, limits: tuple[int, int]
) -> FloatArray:
    """The chance that an arm with so many units ends outside of the limits after the remaining units."""
    fewest, most = limits
    return _above(most - count, remaining, share) + 1 - _above(fewest - 1 - count, remaining, share)


def _above(number: NDArray[np.int64], units: NDArray[np.int64], share: float) -> FloatArray:
    """The chance that more than `number` of the units reach an arm of this share."""
    from scipy.special import bdtrc

    return np.asarray(np.where(number < 0, 1.0, bdtrc(np.clip(number, 0, units), units, share)))


def _faulty_shares(shares: FloatArray) -> FloatArray:
    """The shares if those of one arm were higher or lower and the others in proportion: two rows an arm."""
    moved = shares + np.outer((1, -1), _FAULT * np.sqrt(shares * (1 - shares)))
    # A share below 0.25 % cannot be lower by so much.
    rows = []
    for arm, share in enumerate(shares):
        for other in np.clip(moved[:, arm], share / 10, 1 - (1 - share) / 10):
            row = shares * (1 - other) / (1 - share)
            row[arm] = other
            rows.append(row)
    return np.array(rows)
