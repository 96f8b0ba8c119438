"""Whether units reach the arms of a split in the planned shares, tested at every unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# The weight of the prior in units: 625 expects faults of about two points of share, which show in some 10,000 units.
_CONCENTRATION: Final = 625.0
# Half of the capital bets on faults of this many standard deviations of one unit: 2.5 points at a share of 50 %.
_FAULT: Final = 0.05


@dataclass(frozen=True)
class SampleRatio:
    """Units per arm so far and the evidence that their shares are not the planned ones.

    Lindon & Malek 2022, "Anytime-valid inference for multinomial count data": a Dirichlet-multinomial mixture around
    the planned shares. Half of the weight is on faults of one size in one arm, up or down: of 48 % in place of 50 % the
    mixture alone finds a third before 5,000 units, with them 42 %. A planned share that moves (the steps of a rollout)
    starts another stage: the evidence of stages multiplies. The p-value holds at any time.
    """

    shares: tuple[float, ...]
    units: tuple[int, ...]
    earlier: float = 0.0
    peak: float = 0.0

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
        highest = float(_evidence(np.asarray(self.shares), counts).max()) + self.earlier
        units = tuple(counts[-1].tolist())
        return type(self)(self.shares, units, self.earlier, max(self.peak, highest))

    @property
    def log_evidence(self) -> float:
        return self.earlier + float(_evidence(np.asarray(self.shares), np.asarray([self.units]))[0])

    @property
    def p_value(self) -> float:
        return exp(-self.peak)

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(tuple(stored["shares"]), tuple(stored["units"]), float(stored["earlier"]), float(stored["peak"]))


def _evidence(shares: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """The log evidence against the planned shares after each row of counts, an arm in each column."""
    from scipy.special import gammaln

    prior = shares * _CONCENTRATION
    parts = gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)
    mixture = parts.sum(axis=1) + gammaln(_CONCENTRATION) - gammaln(_CONCENTRATION + counts.sum(axis=1))
    faults = np.logaddexp.reduce(counts @ np.log(_faulty_shares(shares) / shares).T, axis=1) - np.log(2 * len(shares))
    return np.asarray(np.logaddexp(mixture, faults) - np.log(2))


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
