"""On-demand features. NumPy only: a release carries this file, and serving runs it without the project."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def gaps(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """The differences between the two sides, home minus away."""
    return {
        "elo_gap": columns["home_elo"] - columns["away_elo"],
        "goal_gap": columns["home_attack"] + columns["away_defence"] - columns["away_attack"] - columns["home_defence"],
    }


def goal_model(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """The log-odds of home and away win against a draw by the Dixon-Coles model, on goals and on goals with chances."""
    rho = columns["home_rho"]
    goals = _log_odds(
        columns["home_scoring_home"] - columns["away_conceding"],
        columns["away_scoring_away"] - columns["home_conceding"],
        rho,
    )
    chances = _log_odds(
        columns["home_chances_home"] - columns["away_chances_against"],
        columns["away_chances_away"] - columns["home_chances_against"],
        rho,
    )
    return {"dc_home": goals[0], "dc_away": goals[1], "dc_chances_home": chances[0], "dc_chances_away": chances[1]}


def market(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """The market's log-odds of home and away win against a draw; its margin falls out of the ratios."""
    home, draw, away = (columns[f"{name}_odds"] for name in ("home", "draw", "away"))
    return {"market_home": np.log(draw / home), "market_away": np.log(draw / away)}


def _log_odds(
    log_home: NDArray[np.float64], log_away: NDArray[np.float64], rho: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    goals = np.arange(11)
    log_factorial = np.concatenate([[0.0], np.log(np.arange(1, 11)).cumsum()])
    home_rate, away_rate = np.exp(np.clip(log_home, -4, 3)), np.exp(np.clip(log_away, -4, 3))
    home = np.exp(goals * np.log(home_rate)[:, None] - home_rate[:, None] - log_factorial)
    away = np.exp(goals * np.log(away_rate)[:, None] - away_rate[:, None] - log_factorial)
    grid = home[:, :, None] * away[:, None, :]
    grid[:, 0, 0] *= 1 - home_rate * away_rate * rho
    grid[:, 0, 1] *= 1 + home_rate * rho
    grid[:, 1, 0] *= 1 + away_rate * rho
    grid[:, 1, 1] *= 1 - rho
    wins, losses = np.tril(grid, -1).sum(axis=(1, 2)), np.triu(grid, 1).sum(axis=(1, 2))
    draws = np.trace(grid, axis1=1, axis2=2)
    return np.log(wins / draws), np.log(losses / draws)
