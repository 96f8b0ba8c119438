"""Probabilities of scores that agree with the probabilities of home win, draw and away win.

The expected goals of a side are exp(level + home advantage + attack - defence of the other side), with the terms of the
goal model (`goal_model.py`) that the view `team_goals` has; the low scores are corrected as by Dixon and Coles (1997).
The grid is then reweighted: all scores of one outcome by the same factor, so that the outcomes have the probabilities
that the release gives, and over/under and both-score agree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.errors import FeatureNotFound

from .poisson_scores import GOALS, score_probabilities

Array = NDArray[np.float64]

OUTCOMES = ("home", "draw", "away")
# Where neither team has history: 1.2 goals away, 1.6 at home.
_USUAL = {"goal_level": log(1.2), "goal_home": log(1.6 / 1.2), "goal_attack": 0.0, "goal_defence": 0.0, "rho": -0.05}


@dataclass(frozen=True)
class GoalTerms:
    """The terms of the log of one side's expected goals. `defence` is the other side's: a strong one is below 0."""

    level: float
    home: float
    attack: float
    defence: float

    @property
    def rate(self) -> float:
        """The expected goals."""
        return exp(self.level + self.home + self.attack + self.defence)


@dataclass(frozen=True)
class GoalForecast:
    """The terms of both sides, and the correction of low scores."""

    home: GoalTerms
    away: GoalTerms
    rho: float

    def grid(self, probabilities: Mapping[str, float]) -> Array:
        """Probabilities of the scores, by home and away goals, that sum to the probabilities of the outcomes."""
        return reweighted(score_grid(self.home.rate, self.away.rate, self.rho), probabilities)


@dataclass(frozen=True)
class ScoreMarkets:
    """What a grid says about the goals of a match."""

    expected_goals: tuple[float, float]
    over: Mapping[str, float]
    both_score: float
    likeliest_scores: tuple[tuple[str, float], ...]


def goal_forecast(values: Mapping[str, Any]) -> GoalForecast:
    """The goal model's forecast from the features of a match.

    A team without history is an average one, at the level of the other team's country. Raises `FeatureNotFound` where
    the model that predicted has no such features.

    >>> known = {"goal_level": 0.2, "goal_home": 0.3, "goal_attack": 0.1, "goal_defence": 0.4, "rho": -0.05}
    >>> new = dict.fromkeys(known)
    >>> sides = {"home": known, "away": new}
    >>> forecast = goal_forecast({f"{side}_{name}": value for side in sides for name, value in sides[side].items()})
    >>> round(forecast.home.rate, 2), round(forecast.away.rate, 2)
    (1.82, 0.82)
    """
    for side in ("home", "away"):
        for name in _USUAL:
            if f"{side}_{name}" not in values:
                raise FeatureNotFound(f"{side}_{name}", values)

    def shared(name: str) -> float:
        found = (values[f"{side}_{name}"] for side in ("home", "away"))
        return next((float(value) for value in found if value is not None), _USUAL[name])

    def own(side: str, name: str) -> float:
        value = values[f"{side}_{name}"]
        return _USUAL[name] if value is None else float(value)

    level = shared("goal_level")
    return GoalForecast(
        GoalTerms(level, shared("goal_home"), own("home", "goal_attack"), -own("away", "goal_defence")),
        GoalTerms(level, 0.0, own("away", "goal_attack"), -own("home", "goal_defence")),
        shared("rho"),
    )


def score_grid(home_rate: float, away_rate: float, rho: float) -> Array:
    """Probabilities of the scores 0:0 to 10:10, by home and away goals; they sum to 1."""
    return np.asarray(score_probabilities(np.array([home_rate]), np.array([away_rate]), rho)[0])


def reweighted(grid: Array, probabilities: Mapping[str, float]) -> Array:
    """The grid with the scores of each outcome scaled so that the outcome has its probability."""
    regions = np.sign(np.subtract.outer(np.arange(GOALS), np.arange(GOALS)))
    result = np.zeros_like(grid)
    for sign, outcome in zip((1, 0, -1), OUTCOMES, strict=True):
        share = np.where(regions == sign, grid, 0.0)
        result += share * (probabilities[outcome] / share.sum())
    return result


def score_markets(grid: Array, *, lines: Sequence[float] = (1.5, 2.5, 3.5), most_scores: int = 3) -> ScoreMarkets:
    """Expected goals, over/under, both-score and the likeliest scores of a grid."""
    goals = np.arange(GOALS)
    total = np.add.outer(goals, goals)
    order = np.argsort(-grid, axis=None, kind="stable")[:most_scores]
    return ScoreMarkets(
        expected_goals=(float(grid.sum(axis=1) @ goals), float(grid.sum(axis=0) @ goals)),
        over={f"{line:g}": float(grid[total > line].sum()) for line in lines},
        both_score=float(grid[1:, 1:].sum()),
        likeliest_scores=tuple((f"{place // GOALS}:{place % GOALS}", float(grid.flat[place])) for place in order),
    )
