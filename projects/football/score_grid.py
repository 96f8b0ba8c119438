"""Probabilities of scores that agree with the probabilities of home win, draw and away win.

The expected goals of a side are exp(level + home advantage + attack + defence), as in Maher (1982); the low scores are
corrected as by Dixon and Coles (1997). The grid is then reweighted: all scores of one outcome by the same factor, so
that the outcomes have the probabilities that the model gives, and over/under and both-score agree with them.
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
RHO = -0.05
# Poisson regression of the goals of 1995/96 to 2003/04 on what `team_strength` knew (2,754 matches).
LEVEL = 0.16
HOME = 0.39
ATTACK = 0.54
DEFENCE = 0.45
# The mean goals of a side, at which attack and defence add nothing.
USUAL_GOALS = 1.43
_LEAST_GOALS = 0.2
_FEATURES = ("home_attack", "away_attack", "home_defence", "away_defence")


@dataclass(frozen=True)
class GoalTerms:
    """The terms of the log of one side's expected goals. `defence` is the other side's."""

    level: float
    home: float
    attack: float
    defence: float

    @property
    def rate(self) -> float:
        """The expected goals."""
        return exp(self.level + self.home + self.attack + self.defence)


@dataclass(frozen=True)
class ScoreMarkets:
    """What a grid says about the goals of a match."""

    expected_goals: tuple[float, float]
    over: Mapping[str, float]
    both_score: float
    likeliest_scores: tuple[tuple[str, float], ...]


def goal_terms(values: Mapping[str, Any]) -> tuple[GoalTerms, GoalTerms]:
    """The terms of home and away side, from the features of a match. A team without history is an average one.

    Raises `FeatureNotFound` where the model that predicted has no such features.

    >>> home, away = goal_terms({"home_attack": 1.43, "away_attack": None, "home_defence": 1.43, "away_defence": 1.43})
    >>> round(home.rate, 2), round(away.rate, 2)
    (1.73, 1.17)
    """
    missing = [name for name in _FEATURES if name not in values]
    if missing:
        raise FeatureNotFound(missing[0], values)
    attack = [_term(ATTACK, values[name]) for name in _FEATURES[:2]]
    defence = [_term(DEFENCE, values[name]) for name in _FEATURES[2:]]
    return GoalTerms(LEVEL, HOME, attack[0], defence[1]), GoalTerms(LEVEL, 0.0, attack[1], defence[0])


def _term(weight: float, goals: float | None) -> float:
    return 0.0 if goals is None else weight * log(max(goals, _LEAST_GOALS) / USUAL_GOALS)


def score_grid(home_rate: float, away_rate: float, rho: float = RHO) -> Array:
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
