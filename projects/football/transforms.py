"""On-demand features. NumPy only: a release carries this file, and serving runs it without the project."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .poisson_scores import outcome_probabilities

Array = NDArray[np.float64]


def gaps(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The differences between the two sides, home minus away."""
    return {
        "elo_gap": columns["home_elo"] - columns["away_elo"],
        "goal_gap": columns["home_attack"] + columns["away_defence"] - columns["away_attack"] - columns["home_defence"],
    }


def goal_model(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The log-odds of home and away win against a draw by the Dixon-Coles model, on goals and on goals with chances."""
    rho, level = columns["home_rho"], columns["home_goal_level"]
    goals = _log_odds(
        level + columns["home_goal_home"] + columns["home_goal_attack"] - columns["away_goal_defence"],
        level + columns["away_goal_attack"] - columns["home_goal_defence"],
        rho,
    )
    chances = _log_odds(
        columns["home_chances_home"] - columns["away_chances_against"],
        columns["away_chances_away"] - columns["home_chances_against"],
        rho,
    )
    return {"dc_home": goals[0], "dc_away": goals[1], "dc_chances_home": chances[0], "dc_chances_away": chances[1]}


def market(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    """The market's log-odds of home and away win against a draw; its margin falls out of the ratios."""
    home, draw, away = (columns[f"{name}_odds"] for name in ("home", "draw", "away"))
    return {"market_home": np.log(draw / home), "market_away": np.log(draw / away)}


def _log_odds(log_home: Array, log_away: Array, rho: Array) -> tuple[Array, Array]:
    rates = (np.exp(np.clip(each, -4, 3)) for each in (log_home, log_away))
    wins, draws, losses = outcome_probabilities(*rates, rho).T
    return np.log(wins / draws), np.log(losses / draws)
