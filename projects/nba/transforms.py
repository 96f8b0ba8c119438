"""On-demand features. NumPy only: a release carries this file, and serving runs it without the project."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

CARRY_OVER = 0.8
ELO_MEAN = 1505.0
ELO_CARRY_OVER = 0.75
ELO_HOME = 70.0
_MARGIN_VARIANCE = 110.0
_DAY = 86_400.0
_LONGEST_REST_DAYS = 8.0
# Between seasons every team rests for longer, within a season none does (but in 2020, where the break was as long).
_BREAK_DAYS = 60.0

Columns = Mapping[str, NDArray[np.float64]]


def matchup(columns: Columns) -> Columns:
    """What the two teams' ratings say of this game, with the carry-over where a season has begun since."""
    at_home = 1.0 - columns["neutral"]
    is_new = {side: _days_off(columns, side) > _BREAK_DAYS for side in ("home", "away")}

    def gap(name: str, share: float, mean: float = 0.0) -> NDArray[np.float64]:
        home, away = (
            np.where(is_new[side], mean + share * (columns[f"{side}_{name}"] - mean), columns[f"{side}_{name}"])
            for side in ("home", "away")
        )
        return home - away

    advantage = at_home * (columns["home_home_advantage"] + columns["playoffs"] * columns["home_playoff_advantage"])
    tired = np.subtract(*(_is_tired(columns, side).astype(np.float64) for side in ("home", "away")))
    advantage = advantage + tired * columns["home_tired_points"]
    variance = _MARGIN_VARIANCE + columns["home_strength_variance"] + columns["away_strength_variance"]
    deviation = np.sqrt(variance)
    strength = gap("strength", CARRY_OVER)
    return {
        "strength_gap": strength,
        "expected_margin": (strength + advantage) / deviation,
        "expected_margin_fast": (gap("strength_fast", CARRY_OVER) + advantage) / deviation,
        "elo_gap": (gap("elo", ELO_CARRY_OVER, ELO_MEAN) + at_home * ELO_HOME) / 400.0,
        "playoff_gap": columns["playoffs"] * strength,
        "playoff_home": columns["playoffs"] * at_home,
    }


def schedule(columns: Columns) -> Columns:
    """Rest, travel and the end of the season, of both sides."""
    result: dict[str, NDArray[np.float64]] = {}
    is_regular = 1.0 - columns["playoffs"]
    for side in ("home", "away"):
        days = _days_off(columns, side)
        rest = np.where(np.isnan(days), _LONGEST_REST_DAYS, np.clip(days, 0.0, _LONGEST_REST_DAYS))
        result[f"{side}_rest_days"] = rest
        result[f"{side}_back_to_back"] = _is_tired(columns, side).astype(np.float64)
        games = np.where(days < _BREAK_DAYS, columns[f"{side}_games"], 0.0)
        late = np.clip((games - 55.0) / 27.0, 0.0, 1.0)
        # Teams out of contention rest players late in the season, teams in contention do not.
        result[f"{side}_late_form"] = late * is_regular * np.nan_to_num(columns[f"{side}_win_pct"] - 0.5)
    result["rest_gap"] = result["home_rest_days"] - result["away_rest_days"]
    result["home_kilometres"] = _kilometres(columns, "home")
    result["away_kilometres"] = _kilometres(columns, "away")
    result["away_zones"] = np.nan_to_num(columns["home_zone"] - columns["away_last_zone"])
    return result


def market(columns: Columns) -> Columns:
    """The market's forecasts as log odds, the margin removed; a missing one is taken from the others."""
    closing = np.log(columns["away_price"] / columns["home_price"])
    mean = np.log(columns["mean_away_price"] / columns["mean_home_price"])
    spread = columns["spread"] / 7.4
    first = np.where(np.isnan(mean), closing, mean)
    first = np.where(np.isnan(first), spread, first)
    return {
        "market_mean": first,
        "market_closing": np.where(np.isnan(closing), first, closing),
        "market_spread": np.where(np.isnan(spread), first, spread),
    }


def _kilometres(columns: Columns, side: str) -> NDArray[np.float64]:
    """The great circle from the place of the last game, 0 where there was none this season."""
    lat, lon = np.radians(columns["home_lat"]), np.radians(columns["home_lon"])
    last_lat, last_lon = np.radians(columns[f"{side}_last_lat"]), np.radians(columns[f"{side}_last_lon"])
    part = np.sin((lat - last_lat) / 2) ** 2 + np.cos(lat) * np.cos(last_lat) * np.sin((lon - last_lon) / 2) ** 2
    distance = 2 * 6371.0 * np.arcsin(np.sqrt(np.clip(part, 0.0, 1.0)))
    return np.where(_days_off(columns, side) < _BREAK_DAYS, np.nan_to_num(distance), 0.0)


def _is_tired(columns: Columns, side: str) -> NDArray[np.bool_]:
    return _days_off(columns, side) < 1.5


def _days_off(columns: Columns, side: str) -> NDArray[np.float64]:
    """Days since a team's last game; NaN for a team without one."""
    return (columns["cutoff"] - columns[f"{side}_last_tipoff"]) / _DAY
