"""Whether a model that went live is worse than its predecessor, which still predicts in shadow, at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, log
from typing import Any, Final, Self

import numpy as np

from touchline.errors import InvalidSample
from touchline.statistics.asymptotic_sequence import AsymptoticSequence, best_rho
from touchline.statistics.betting import BettingProcess
from touchline.statistics.effective_size import EffectiveSize
from touchline.statistics.gains import Gains
from touchline.statistics.samples import open_probability
from touchline.statistics.two_witnesses import MIN_EFFECTIVE_SIZE, payoffs

_STATISTIC: Final = "A test of harm"


@dataclass(frozen=True)
class HarmRule:
    """How much worse on average the live model may be, and the chance over its whole life of a false alarm.

    `target` is the number of outcomes at which the interval of the realised gain is narrowest.
    """

    margin: float = 0.0
    alpha: float = 0.05
    target: int = 200

    def __post_init__(self) -> None:
        open_probability(_STATISTIC, "alpha", self.alpha)
        if not self.margin >= 0:
            raise InvalidSample(_STATISTIC, f"margin {self.margin:g}", "a margin of 0 or more")
        if self.target < 1:
            raise InvalidSample(_STATISTIC, f"target {self.target}", "a target of 1 outcome or more")


@dataclass(frozen=True)
class HarmTest:
    """The gains of the live model over its predecessor so far, and the outcome at which harm was shown first.

    Harm needs the two witnesses of `TwoWitnesses`, here for the one claim that the mean gain is below -margin, and an
    effective size of 26.
    """

    rule: HarmRule
    mean: AsymptoticSequence
    size: EffectiveSize
    bets: BettingProcess
    harmful_at: int | None = None

    @classmethod
    def start(cls, rule: HarmRule) -> Self:
        """The state before the first outcome."""
        return cls(rule, AsymptoticSequence(best_rho(rule.target, rule.alpha)), EffectiveSize(), BettingProcess())

    def update(self, gains: Gains) -> Self:
        """The state after a batch in time order; a look is taken after each outcome.

        >>> from touchline.statistics import paired_gains
        >>> gains = paired_gains([0.5] * 500, [0.8] * 500, [1, 1, 1, 0] * 125)
        >>> HarmTest.start(HarmRule()).update(gains).is_harmful
        True
        """
        if not len(gains):
            return self
        level = log(1 / self.rule.alpha)
        mean, _ = self.mean.evidence(gains.values, (0.0,))
        _, below = self.mean.mirrored().evidence(-gains.values, (self.rule.margin,))
        size, sizes = self.size.update(gains.values, gains.square, gains.fourth)
        bets, path = self.bets.update(*payoffs("harmful", gains, self.rule.margin))
        ever = np.maximum(np.maximum.accumulate(path), self.bets.peak)
        agreed = (ever >= level) & (below[0] >= level) & (sizes >= MIN_EFFECTIVE_SIZE)
        harmful_at = self.harmful_at
        if harmful_at is None and agreed.any():
            harmful_at = self.mean.count + int(agreed.argmax()) + 1
        return replace(self, mean=mean, size=size, bets=bets, harmful_at=harmful_at)

    @property
    def is_harmful(self) -> bool:
        return self.harmful_at is not None

    def realised_gain(self, *, alpha: float = 0.05) -> tuple[float, float, float]:
        """The mean gain so far, and bounds that are ever wrong with probability alpha together.

        Infinite below an effective size of 26, where losses that have not occurred yet may decide the mean.
        """
        open_probability(_STATISTIC, "alpha", alpha)
        if self.size.smaller < MIN_EFFECTIVE_SIZE:
            return self.mean.mean, -inf, inf
        low, high = self.mean.bounds(alpha / 2)
        return self.mean.mean, low, high

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return {
            "rule": vars(self.rule),
            "mean": self.mean.to_json(),
            "size": vars(self.size),
            "bets": self.bets.to_json(),
            "harmful_at": self.harmful_at,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(
            rule=HarmRule(**stored["rule"]),
            mean=AsymptoticSequence.from_json(stored["mean"]),
            size=EffectiveSize(**stored["size"]),
            bets=BettingProcess.from_json(stored["bets"]),
            harmful_at=stored["harmful_at"],
        )
