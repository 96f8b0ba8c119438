"""Simulated pairs of models for sequential tests: predictions of both, outcomes and match days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import entr, expit

from touchline.statistics import Gains, SplitUnits, paired_gains, split_units

Array = NDArray[np.float64]
Chance = np.random.Generator
_CLIP = 0.005
_TRUTH = 1.0


@dataclass(frozen=True)
class Season:
    """Predictions of class 1 by two models in time order, the outcomes and the match day of each."""

    new: Array
    old: Array
    outcomes: NDArray[np.bool]
    days: NDArray[np.int64]
    clip: float = _CLIP

    @property
    def gains(self) -> Gains:
        return paired_gains(self.new, self.old, self.outcomes, clip=self.clip)

    @property
    def largest(self) -> float:
        """The largest gain that the clip allows."""
        return log((1 - self.clip) / self.clip)


Case = Callable[[Chance, int], Season]


def erring(new: float, old: float, *, common: bool = False, daily: bool = False) -> Case:
    """Models whose logits err by normal noise of these sizes: of their own, or one error in two sizes.

    `daily`: half of the variance of an error is shared by a match day, and so is a shock to the true logits that no
    model sees.
    """

    def season(rng: Chance, matches: int) -> Season:
        days = _match_days(rng, matches)
        truth = rng.normal(0, _TRUTH, matches)
        of_new = _errors(rng, days, daily)
        of_old = of_new if common else _errors(rng, days, daily)
        shock = 0.4 * rng.normal(size=days[-1] + 1)[days] if daily else np.zeros(matches)
        outcomes = rng.random(matches) < expit(truth + shock)
        return Season(expit(truth + new * of_new), expit(truth + old * of_old), outcomes, days)

    return season


def overconfident(*, daily: bool = False) -> Case:
    """A new model that exaggerates every logit, and an old one that errs at random: equal log loss on average."""
    factor = _equal_exaggeration()

    def season(rng: Chance, matches: int) -> Season:
        days = _match_days(rng, matches)
        truth = rng.normal(0, _TRUTH, matches)
        outcomes = rng.random(matches) < expit(truth)
        return Season(expit(factor * truth), expit(truth + 0.5 * _errors(rng, days, daily)), outcomes, days)

    return season


def sure(rate: float, gain: float = 0.007) -> Case:
    """Nearly sure events: the new model gains a little each time and loses that much at the rare outcome (rate)."""
    # (1 - p) / (1 - q) = e^gain, and log(q / p) = gain (1 - rate) / rate: the expected gain is 0.
    shrink = exp(-gain * (1 - rate) / rate)
    old = (exp(gain) - 1) / (exp(gain) - shrink)

    def season(rng: Chance, matches: int) -> Season:
        outcomes = rng.random(matches) < rate
        ones = np.ones(matches)
        return Season(old * shrink * ones, old * ones, outcomes, _match_days(rng, matches), 1e-4)

    return season


def better_often(share: float, *, common: bool = False, daily: bool = False) -> Case:
    """A new model that errs less in most events and much more in a share of them: equal log loss on average."""
    worse = _balancing_error(share)

    def season(rng: Chance, matches: int) -> Season:
        days = _match_days(rng, matches)
        truth = rng.normal(0, _TRUTH, matches)
        of_new = _errors(rng, days, daily)
        of_old = of_new if common else _errors(rng, days, daily)
        sizes = np.where(rng.random(matches) < share, worse, 0.4)
        outcomes = rng.random(matches) < expit(truth)
        return Season(expit(truth + sizes * of_new), expit(truth + 0.52 * of_old), outcomes, days)

    return season


def split(season: Season, rng: Chance, share: float) -> SplitUnits:
    """The same events, of which each is answered by one of the models; adjusted by both predictions' entropies."""
    return _answered(season, rng.random(len(season.outcomes)) < share, share)


def split_by_user(season: Season, rng: Chance, share: float) -> SplitUnits:
    """The same where a unit with several outcomes gets one of the models: the outcomes of a day are those of a user."""
    return _answered(season, (rng.random(season.days[-1] + 1) < share)[season.days], share)


def _answered(season: Season, is_new: NDArray[np.bool], share: float) -> SplitUnits:
    predicted = np.stack([season.new, season.old]).clip(season.clip, 1 - season.clip)
    losses = -np.log(np.where(season.outcomes, predicted, 1 - predicted))
    expected = entr(predicted) + entr(1 - predicted)
    seen = np.where(is_new, losses[0], losses[1])
    return split_units(is_new, seen, share, largest_loss=-log(season.clip) + 1e-9, expected=(expected[0], expected[1]))


def _match_days(rng: Chance, matches: int) -> NDArray[np.int64]:
    sizes = rng.integers(3, 11, matches // 3 + 1)
    return np.repeat(np.arange(len(sizes)), sizes)[:matches]


def _errors(rng: Chance, days: NDArray[np.int64], daily: bool) -> Array:
    own = rng.normal(size=len(days))
    return np.sqrt(0.5) * (own + rng.normal(size=days[-1] + 1)[days]) if daily else own


def _expected_loss(logits: Array, truth: Array, weights: Array) -> float:
    chance, predicted = expit(truth), expit(logits).clip(_CLIP, 1 - _CLIP)
    return float(-(weights * (chance * np.log(predicted) + (1 - chance) * np.log(1 - predicted))).sum())


@lru_cache
def _plane() -> tuple[Array, Array, Array]:
    """True logits, errors of size 1 and weights: a quadrature over both normals."""
    points = np.linspace(-6, 6, 601)
    density = np.exp(-(points**2) / 2)
    weights = np.outer(density, density)
    return _TRUTH * points[:, None] + 0 * weights, points[None, :] + 0 * weights, weights / weights.sum()


def _loss_of_error(size: float) -> float:
    truth, error, weights = _plane()
    return _expected_loss(truth + size * error, truth, weights)


@lru_cache
def _equal_exaggeration() -> float:
    truth, _, weights = _plane()
    return float(brentq(lambda factor: _expected_loss(factor * truth, truth, weights) - _loss_of_error(0.5), 1.01, 4))


@lru_cache
def _balancing_error(share: float) -> float:
    def excess(size: float) -> float:
        return share * _loss_of_error(size) + (1 - share) * _loss_of_error(0.4) - _loss_of_error(0.52)

    return float(brentq(excess, 0.4, 30))
