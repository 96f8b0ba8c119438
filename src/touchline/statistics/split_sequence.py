"""Whether a new model is better where each unit gets one of the two models: a split instead of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.gains import Gains
from touchline.statistics.samples import FloatArray, finite_sample
from touchline.statistics.two_witnesses import TwoWitnesses, WitnessRule

_STATISTIC: Final = "A split of two models"
# A gain that shows at the target sample size lies about this many standard errors above 0 there.
_SIGNAL: Final = 2.5


@dataclass(frozen=True)
class SplitUnits:
    """Units in time order, each once: which model answered, its loss, and the logged share of the new model.

    `expected_new` and `expected_old` are the losses that each model's own prediction expects (for log loss, its
    entropy), known for every unit before its outcome whichever model answered; one covariate may stand for both. A
    model without calibration costs precision and no validity. A loss lies between 0 and `largest_loss`.
    """

    is_new: FloatArray
    losses: FloatArray
    shares: FloatArray
    expected_new: FloatArray
    expected_old: FloatArray
    largest_loss: float

    def __len__(self) -> int:
        return len(self.losses)

    def rows(self, first: int, end: int) -> SplitUnits:
        """A run of units, such as one batch."""
        arrays = {name: array[first:end] for name, array in vars(self).items() if name != "largest_loss"}
        return SplitUnits(**arrays, largest_loss=self.largest_loss)


@dataclass(frozen=True)
class SplitSequence:
    """The two witnesses over estimated gains of single units, and what the next bets need.

    A unit's gain is estimated from the one loss that was seen, weighted by the inverse of the probability to see it
    and adjusted by the expected losses (Robins, Rotnitzky & Zhao 1994): its expectation is the true mean gain, for
    any expected losses. The probabilities may change from unit to unit, as over the steps of a rollout.
    """

    witnesses: TwoWitnesses
    square_sum: float = 0.0

    @classmethod
    def start(cls, rule: WitnessRule) -> Self:
        """The state before the first outcome."""
        return cls(TwoWitnesses.start(rule))

    def update(self, units: SplitUnits, clusters: ArrayLike | None = None) -> Self:
        """The state after a batch in time order; a look is taken after each unit.

        With `clusters`, a label for each outcome, the mean of a cluster counts as one unit: the outcomes of one user,
        or of one match day. A cluster enters once and whole, when all of its outcomes are known.

        >>> losses = np.tile([0.2, 0.7, 0.3, 0.6], 300)
        >>> units = split_units([1, 0] * 600, losses, 0.5, largest_loss=5.3)
        >>> SplitSequence.start(WitnessRule()).update(units).witnesses.verdict
        'better'
        """
        if not len(units):
            return self
        values, least, most = _estimates(units)
        if clusters is not None:
            codes = cluster_codes(clusters, len(units))
            values, least, most = (cluster_sums(each, codes) / np.bincount(codes) for each in (values, least, most))
        # The mean square of earlier units only, so that the bets are known before the outcome; one unit is assumed.
        assumed = float(-least[0] * most[0])
        seen = self.witnesses.count + np.arange(1.0, len(values) + 1)
        earlier = self.square_sum + np.cumsum(values**2) - values**2 + assumed
        square = earlier / seen
        expected = _SIGNAL * np.sqrt(square / self.witnesses.rule.target)
        gains = Gains(values, least, most, expected, -expected, square, square**2)
        total = self.square_sum + float((values**2).sum())
        return replace(self, witnesses=self.witnesses.update(gains), square_sum=total)

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return {"witnesses": self.witnesses.to_json(), "square_sum": self.square_sum}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(TwoWitnesses.from_json(stored["witnesses"]), float(stored["square_sum"]))


def split_units(
    is_new: ArrayLike,
    losses: ArrayLike,
    shares: ArrayLike,
    *,
    largest_loss: float,
    expected: tuple[ArrayLike, ArrayLike] = (0.0, 0.0),
) -> SplitUnits:
    """Checked units; `expected` are the losses that the new and the old model's own predictions expect.

    Raises `InvalidSample` for shares of 0 or 1 (a unit that could not have got the other model says nothing), and for
    losses outside 0 to `largest_loss`.
    """
    numbers = finite_sample(_STATISTIC, losses, least=0)
    arms, share, new, old = (_one_a_unit(each, len(numbers)) for each in (is_new, shares, *expected))
    if not np.isin(arms, (0, 1)).all():
        raise InvalidSample(_STATISTIC, "arms other than 0 and 1", "1 where the new model answered, else 0")
    if ((share <= 0) | (share >= 1)).any():
        raise InvalidSample(_STATISTIC, "a share of 0 or 1", "logged shares of the new model between 0 and 1")
    if ((numbers < 0) | (numbers > largest_loss)).any():
        raise InvalidSample(_STATISTIC, f"losses outside 0 to {largest_loss:g}", "losses up to the largest loss")
    return SplitUnits(arms, numbers, share, new, old, largest_loss)


def _one_a_unit(values: ArrayLike, units: int) -> FloatArray:
    """A number per unit, or one number for all."""
    numbers = finite_sample(_STATISTIC, np.ravel(values), least=0)
    if len(numbers) not in (1, units):
        raise InvalidSample(_STATISTIC, f"{len(numbers)} values for {units} units", "one value a unit, or one for all")
    return np.broadcast_to(numbers, (units,)) if len(numbers) == 1 else numbers


def split_error(units: SplitUnits) -> tuple[float, float]:
    """The estimated mean gain of a batch and its standard error, for a plan or a report.

    >>> split_error(split_units([1, 0, 1, 0], [0.2, 0.4, 0.2, 0.4], 0.5, largest_loss=1.0))[0]
    0.2
    """
    values, _, _ = _estimates(units)
    if len(values) < 2:
        raise InvalidSample(_STATISTIC, f"{len(values)} units", "2 or more")
    return float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values))


def _estimates(units: SplitUnits) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The estimated gain of each unit, and its smallest and largest possible value before arm and loss are known."""
    new, old, share, largest = units.expected_new, units.expected_old, units.shares, units.largest_loss
    values = old - new + np.where(units.is_new == 1, -(units.losses - new) / share, (units.losses - old) / (1 - share))
    least = old - new + np.minimum(-(largest - new) / share, -old / (1 - share))
    most = old - new + np.maximum(new / share, (largest - old) / (1 - share))
    return values, least, most
