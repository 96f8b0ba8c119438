"""Whether units reach the arms of a split in the planned shares, tested at every unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, lgamma
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import finite_sample

# The weight of the prior in units: 625 expects faults of about two points of share, which show in some 10,000 units.
_CONCENTRATION: Final = 625.0


@dataclass(frozen=True)
class SampleRatio:
    """Units per arm so far and the evidence that their shares are not the planned ones.

    Lindon & Malek 2022, "Anytime-valid inference for multinomial count data": a Dirichlet-multinomial mixture around
    the planned shares. A planned share that moves (the steps of a rollout) starts another stage: the evidence of stages
    multiplies. The p-value holds at any time.
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
        from scipy.special import gammaln

        numbers = np.asarray(arms)
        if numbers.ndim != 1 or not np.isin(numbers, np.arange(len(self.shares))).all():
            allowed = f"arm numbers from 0 to {len(self.shares) - 1}"
            raise InvalidSample("A sample ratio", "arms that are not planned", allowed)
        if not len(numbers):
            return self
        prior = np.asarray(self.shares) * _CONCENTRATION
        counts = np.asarray(self.units) + np.cumsum(numbers[:, None] == np.arange(len(prior)), axis=0)
        parts = gammaln(prior + counts) - gammaln(prior) - counts * np.log(self.shares)
        totals = gammaln(_CONCENTRATION) - gammaln(_CONCENTRATION + counts.sum(axis=1))
        highest = float((parts.sum(axis=1) + totals).max()) + self.earlier
        units = tuple(counts[-1].tolist())
        return type(self)(self.shares, units, self.earlier, max(self.peak, highest))

    @property
    def log_evidence(self) -> float:
        total = self.earlier + lgamma(_CONCENTRATION) - lgamma(_CONCENTRATION + sum(self.units))
        for share, count in zip(self.shares, self.units, strict=True):
            prior = share * _CONCENTRATION
            total += lgamma(prior + count) - lgamma(prior) - count * float(np.log(share))
        return total

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
