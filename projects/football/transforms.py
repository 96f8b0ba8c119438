"""On-demand features. NumPy only: a release carries this file, and serving runs it without the project."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .poisson_scores import outcome_probabilities

Array = NDArray[np.float64]

# The measures of `strengths.py`, which a release does not carry.
MEASURES = ("targets", "recent_targets", "other_shots", "corners")
# The log of the odds of a home against an away win for each unit of the gap, by Dixon-Coles at 2.7 goals a match.
_LOG_ODDS_PER_GAP = 1.7


def gaps(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The differences between the two sides, home minus away."""
    return {
        "elo_gap": columns["home_elo"] - columns["away_elo"],
        "goal_gap": columns["home_attack"] + columns["away_defence"] - columns["away_attack"] - columns["home_defence"],
    }


def goal_model(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The log-odds of home and away win against a draw by the Dixon-Coles model, and how far home is above away.

    The gaps are log ratios of expected goals, of expected shots on target and so on. A team without history is an
    average one, at the level of the other team's country; without both there is no value. Without a value by a measure
    the one by goals counts.
    """
    level, home, rho = (_either(columns, name) for name in ("goal_level", "goal_home", "rho"))
    attack, defence = (_sides(columns, name) for name in ("goal_attack", "goal_defence"))
    rates = level + home + attack[0] - defence[1], level + attack[1] - defence[0]
    log_odds = _log_odds(*rates, rho)
    by_goals = rates[0] - rates[1]
    gaps_ = {name: columns[f"home_{name}_home"] - columns[f"away_{name}_away"] for name in MEASURES}
    return {
        "dc_home": log_odds[0],
        "dc_away": log_odds[1],
        **{f"{name}_gap": np.where(np.isnan(gap), by_goals, gap) for name, gap in gaps_.items()},
    }


def pooled_forecasts(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The means of the values of `goal_model` and FiveThirtyEight's; without a forecast the former alone.

    The mean is fixed, not learned: there are few forecasts at first, and a mean of two is hard to beat.
    """
    home, draw, away = (columns[f"{name}_538"] for name in ("home", "draw", "away"))
    gap = np.log(home / away) / _LOG_ODDS_PER_GAP
    other = {"dc_home": np.log(home / draw), "dc_away": np.log(away / draw)}
    return {
        f"pooled_{name}": np.where(np.isnan(gap), own, (own + other.get(name, gap)) / 2)
        for name, own in goal_model(columns).items()
    }


def _either(columns: Mapping[str, Array], name: str) -> Array:
    """One number for all teams of a country: the home team's, else the away team's."""
    return np.where(np.isnan(columns[f"home_{name}"]), columns[f"away_{name}"], columns[f"home_{name}"])


def _sides(columns: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """Of the home and the away team, 0 where it has none."""
    home, away = (np.where(np.isnan(own), 0.0, own) for own in (columns[f"home_{name}"], columns[f"away_{name}"]))
    return home, away


def market(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The market's log-odds of home and away win against a draw; its margin falls out of the ratios."""
    home, draw, away = (columns[f"{name}_odds"] for name in ("home", "draw", "away"))
    return {"market_home": np.log(draw / home), "market_away": np.log(draw / away)}


def _log_odds(log_home: Array, log_away: Array, rho: Array) -> tuple[Array, Array]:
    rates = (np.exp(np.clip(each, -4, 3)) for each in (log_home, log_away))
    wins, draws, losses = outcome_probabilities(*rates, rho).T
    return np.log(wins / draws), np.log(losses / draws)
