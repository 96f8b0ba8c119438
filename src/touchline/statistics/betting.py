"""Evidence that gains are positive on average, valid at any sample size: a betting e-process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# Bets as multiples of a stake, with their shares of the starting capital. A model that is right about half of its
# disagreement with the old one deserves a stake of 0; if right about all of it, 1/2 to 1; if right in direction and
# too timid, more. Tuned on the cases of benchmarks/prove_sequential.py, other seeds: evidence is valid for any choice.
_MULTIPLES: Final = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 2, 6])
_LOG_SHARES: Final = np.log(np.array([1, 1, 2, 2, 1, 3]) / 10)
# No event may lose more than this share of the capital.
_LARGEST_LOSS: Final = 0.5


@dataclass(frozen=True)
class BettingProcess:
    """The capital of a gambler who bets that payoffs are positive; the starting capital is 1.

    If the expected payoff is never above 0, given what was known before each outcome, the chance that capital ever
    reaches 1/alpha is at most alpha (Ville 1939). Waudby-Smith & Ramdas 2024 (bets), Choe & Ramdas 2024 (forecasters).
    The null is about every unit, weighted by its bet: a model that is better in most places and worse in a few can
    be found better here although its mean is not, which `TwoWitnesses` guards against.
    """

    log_capitals: tuple[float, ...] = (0.0,) * len(_MULTIPLES)
    bet_sums: tuple[float, ...] = (0.0,) * len(_MULTIPLES)
    peak: float = 0.0
    count: int = 0

    def update(self, payoffs: ArrayLike, least: ArrayLike, stakes: ArrayLike) -> tuple[Self, FloatArray]:
        """The process after a batch in time order, and the log capital after each unit of it.

        `least` is the smallest possible payoff and `stakes` a guess of the best bet, both known before the outcome.
        Raises `InvalidSample` where a payoff is below its least.

        >>> process, _ = BettingProcess().update([0.1] * 90, [-0.2] * 90, [1.0] * 90)
        >>> process.p_value < 0.05
        True
        """
        values, bets = _checked(payoffs, least), _bets(least, stakes)
        if not len(values):
            return self, values
        paths = np.asarray(self.log_capitals) + np.cumsum(np.log1p(bets * values[:, None]), axis=0)
        path = np.asarray(np.logaddexp.reduce(paths + _LOG_SHARES, axis=1))
        state = type(self)(
            log_capitals=tuple(paths[-1].tolist()),
            bet_sums=tuple((np.asarray(self.bet_sums) + bets.sum(axis=0)).tolist()),
            peak=max(self.peak, float(path.max())),
            count=self.count + len(values),
        )
        return state, path

    @property
    def log_capital(self) -> float:
        return float(np.logaddexp.reduce(np.asarray(self.log_capitals) + _LOG_SHARES))

    @property
    def p_value(self) -> float:
        """Valid at any time: the reciprocal of the largest capital so far."""
        return exp(-max(self.peak, 0.0))

    def projected(self, history: BettingProcess, units: FloatArray, deviations: FloatArray) -> FloatArray:
        """The log capital after so many further units, if it grows as in the history.

        `deviations` are the sums of payoffs above the history's mean. The growth itself counts, not the average bet
        times the average payoff: bets are larger where more is won.
        """
        rates = np.asarray(history.log_capitals) / max(history.count, 1)
        bets = np.asarray(history.bet_sums) / max(history.count, 1)
        growth = rates * units[..., None] + bets * deviations[..., None]
        return np.asarray(np.logaddexp.reduce(np.asarray(self.log_capitals) + _LOG_SHARES + growth, axis=-1))

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(
            tuple(stored["log_capitals"]), tuple(stored["bet_sums"]), float(stored["peak"]), int(stored["count"])
        )


def _checked(payoffs: ArrayLike, least: ArrayLike) -> FloatArray:
    values = finite_sample("A betting process", payoffs, least=0)
    below = values < np.asarray(least) - 1e-9
    if below.any():
        at = int(below.argmax())
        actual = f"the payoff {values[at]:g} of unit {at}"
        raise InvalidSample("A betting process", actual, f"payoffs not below their least ({np.asarray(least)[at]:g})")
    return values


def _bets(least: ArrayLike, stakes: ArrayLike) -> FloatArray:
    """One row per unit, one column per multiple; no bet can lose more than its allowed share of the capital."""
    losses = np.maximum(-np.asarray(least, dtype=np.float64), 0.0)
    ceiling = np.divide(_LARGEST_LOSS, losses, out=np.full_like(losses, np.inf), where=losses > 0)
    wished = np.maximum(np.asarray(stakes, dtype=np.float64), 0.0)[:, None] * _MULTIPLES
    return np.asarray(np.minimum(wished, ceiling[:, None]))
