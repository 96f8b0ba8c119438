"""Whether predicted probabilities miss the frequency of the outcomes by more than a margin, at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.asymptotic_sequence import AsymptoticSequence, best_rho
from touchline.statistics.betting import BettingProcess
from touchline.statistics.rate_sequence import RateVerdict
from touchline.statistics.samples import finite_sample, open_probability

_STATISTIC: Final = "A calibration guardrail"


@dataclass(frozen=True)
class CalibrationGuardrail:
    """How far the mean of (outcome - predicted probability) may be from 0, and the chance of each wrong verdict."""

    margin: float
    alpha: float = 0.01
    target: int = 1000

    def __post_init__(self) -> None:
        open_probability(_STATISTIC, "alpha", self.alpha)
        open_probability(_STATISTIC, "margin", self.margin)


@dataclass(frozen=True)
class CalibrationMonitor:
    """The residuals of one class so far, and the bets that their mean is above or below the margin.

    Arnold, Henzi & Ziegel 2023, "Sequentially valid tests for forecast calibration" (an e-process for the hypothesis
    that forecasts are calibrated), here for calibration in the large with a margin, by bets on a bounded mean
    (Waudby-Smith & Ramdas 2024). The bets do not depend on the prediction, so that a model which is too high in some
    places and too low in others by as much loses them. Of the two sides each has half of alpha. Several classes: a
    monitor for each, with its part of alpha. "harmful" stays; "harmless" is a verdict of now, by an asymptotic
    sequence.
    """

    guardrail: CalibrationGuardrail
    too_low: BettingProcess
    too_high: BettingProcess
    residuals: AsymptoticSequence

    @classmethod
    def start(cls, guardrail: CalibrationGuardrail) -> Self:
        """No outcomes yet."""
        rho = best_rho(guardrail.target, guardrail.alpha)
        return cls(guardrail, BettingProcess(), BettingProcess(), AsymptoticSequence(rho))

    def update(self, predicted: ArrayLike, outcomes: ArrayLike) -> Self:
        """The state after a batch in time order: probabilities of the class, and 1 where it occurred, else 0.

        >>> monitor = CalibrationMonitor.start(CalibrationGuardrail(margin=0.05))
        >>> monitor.update([0.2] * 200, [0, 1] * 100).verdict
        'harmful'
        """
        chances = finite_sample(_STATISTIC, predicted, least=0)
        observed = np.asarray(outcomes, dtype=np.float64)
        if observed.shape != chances.shape or not np.isin(observed, (0, 1)).all():
            raise InvalidSample(_STATISTIC, "other outcomes", "0 or 1 for each predicted probability")
        if ((chances < 0) | (chances > 1)).any():
            raise InvalidSample(_STATISTIC, "predictions outside 0 to 1", "probabilities")
        residuals, margin = observed - chances, self.guardrail.margin
        # Best for a miss of twice the margin, at the largest variance.
        stakes = np.full(len(residuals), margin / 0.25)
        too_low, _ = self.too_low.update(residuals - margin, -chances - margin, stakes)
        too_high, _ = self.too_high.update(-residuals - margin, chances - 1 - margin, stakes)
        return replace(self, too_low=too_low, too_high=too_high, residuals=self.residuals.update(residuals))

    @property
    def verdict(self) -> RateVerdict:
        if max(self.too_low.peak, self.too_high.peak) >= log(2 / self.guardrail.alpha):
            return "harmful"
        low, high = self.residuals.bounds(self.guardrail.alpha)
        return "harmless" if low > -self.guardrail.margin and high < self.guardrail.margin else "undecided"

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return {
            "guardrail": vars(self.guardrail),
            "too_low": self.too_low.to_json(),
            "too_high": self.too_high.to_json(),
            "residuals": self.residuals.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(
            guardrail=CalibrationGuardrail(**stored["guardrail"]),
            too_low=BettingProcess.from_json(stored["too_low"]),
            too_high=BettingProcess.from_json(stored["too_high"]),
            residuals=AsymptoticSequence.from_json(stored["residuals"]),
        )
