"""Attack and defence of every team, fitted again each week on the matches before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from .goal_model import GoalModel, Matches, Prior

WEEK: Final = 7.0
# Older matches would weigh less than an eighth.
_WINDOW_DAYS: Final = 1100.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Shares of shots that are goals: on target, and off it. least squares on Europe's leagues, 2005/06 to 2014/15.
_PER_SHOT_ON_TARGET: Final = 0.25
_PER_OTHER_SHOT: Final = 0.01
# How much of what a side has scored is goals; the rest is what its shots were worth.
_GOALS_SHARE: Final = 0.4
SCHEMA: Final = {
    "team": pl.String,
    "event_timestamp": pl.Datetime("us", "UTC"),
    "goal_level": pl.Float64,
    "goal_home": pl.Float64,
    "goal_attack": pl.Float64,
    "goal_defence": pl.Float64,
    "rho": pl.Float64,
    "chances_home": pl.Float64,
    "chances_away": pl.Float64,
    "chances_against": pl.Float64,
}


def weekly_strengths(matches: pl.DataFrame, prior: Prior | None = None) -> pl.DataFrame:
    """One row a team and week: the terms of the log of expected goals (`goal_model`), and rho.

    `matches` are played ones in time order with division, teams, goals, shots where known, and `event_timestamp`. A row
    is stamped with the start of the week for which the model was fitted, and rests on earlier matches alone. The
    `chances_` columns, sums of such terms, are of the same model on goals and shots together; without shots on goals
    alone.
    """
    countries = matches.group_by(pl.col("division").str.replace(r"\d+$", ""))
    # The matrices are small: further threads would only wait for one another.
    with threadpool_limits(1):
        tables = [
            _of_country(rows.sort("event_timestamp", "home_team"), prior or Prior())
            for _, rows in sorted(countries, key=lambda one: str(one[0]))
        ]
    return pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)


def _of_country(rows: pl.DataFrame, prior: Prior) -> pl.DataFrame:
    names = sorted(set(rows["home_team"]) | set(rows["away_team"]))
    divisions = sorted(set(rows["division"]))
    goals = _matches(rows, names, divisions)
    worth = replace(goals, home_scored=_shots_worth(rows, "home"), away_scored=_shots_worth(rows, "away"))
    has_shots = bool(np.isfinite(worth.home_scored + worth.away_scored).any())
    models = [GoalModel(len(names), len(divisions), prior) for _ in range(2 if has_shots else 1)]
    weeks = np.arange(np.floor(goals.day[0] / WEEK) * WEEK + WEEK, goals.day[-1] + WEEK, WEEK)
    tables = []
    for week in weeks:
        first = week - _WINDOW_DAYS
        if len(goals.before(week, since=week - WEEK)):  # else nothing was played: the last row still holds
            played = goals.before(week, since=first)
            models[0].fit(played, day=float(week))
            if has_shots:
                models[1].fit(_blended(played, worth.before(week, since=first)), day=float(week))
            tables.append(_rows(models, names, _seen(played, len(names)), float(week)))
    return pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)


def _rows(models: list[GoalModel], names: list[str], is_seen: np.ndarray, week: float) -> pl.DataFrame:
    goals, chances = models[0], models[-1]
    values = {
        "goal_level": np.full(len(names), goals.intercept),
        "goal_home": np.full(len(names), goals.home_advantage),
        "goal_attack": goals.attack,
        "goal_defence": goals.defence,
        "rho": np.full(len(names), goals.rho),
        "chances_home": chances.intercept + chances.home_advantage + chances.attack,
        "chances_away": chances.intercept + chances.attack,
        "chances_against": chances.defence,
    }
    stamp = _EPOCH + timedelta(days=week)
    table = pl.DataFrame({"team": names, "event_timestamp": [stamp] * len(names), **values}, schema=SCHEMA)
    return table.filter(pl.Series(is_seen))


def _seen(matches: Matches, teams: int) -> np.ndarray:
    seen = np.zeros(teams, dtype=np.bool_)
    seen[matches.home] = seen[matches.away] = True
    return seen


def _blended(goals: Matches, worth: Matches) -> Matches:
    """The goals blended with what shots were worth, where they are known.

    The worth of shots is brought to the level of the goals of the same matches: what a source counts as a shot on
    target differs between countries, and has changed over the years.
    """
    is_known = np.isfinite(worth.home_scored + worth.away_scored)
    total = (worth.home_scored + worth.away_scored)[is_known].sum()
    if not total > 0:
        return goals
    level = (goals.home_scored + goals.away_scored)[is_known].sum() / total

    def blend(scored: np.ndarray, shots: np.ndarray) -> np.ndarray:
        return np.where(is_known, _GOALS_SHARE * scored + (1 - _GOALS_SHARE) * level * shots, scored)

    return replace(
        goals,
        home_scored=blend(goals.home_scored, worth.home_scored),
        away_scored=blend(goals.away_scored, worth.away_scored),
    )


def _matches(rows: pl.DataFrame, names: list[str], divisions: list[str]) -> Matches:
    place = {name: number for number, name in enumerate(names)}
    kind = {name: number for number, name in enumerate(divisions)}
    return Matches(
        home=np.array([place[name] for name in rows["home_team"]], dtype=np.int64),
        away=np.array([place[name] for name in rows["away_team"]], dtype=np.int64),
        division=np.array([kind[name] for name in rows["division"]], dtype=np.int64),
        home_scored=rows["home_goals"].cast(pl.Float64).to_numpy(),
        away_scored=rows["away_goals"].cast(pl.Float64).to_numpy(),
        day=(rows["event_timestamp"].dt.epoch("us").to_numpy() / 86_400e6),
    )


def _shots_worth(rows: pl.DataFrame, side: str) -> np.ndarray:
    """The goals that a side's shots are usually worth; NaN where they are not known."""
    if f"{side}_on_target" not in rows.columns:
        return np.full(rows.height, np.nan)
    on_target, shots = (
        rows[f"{side}_{what}"].cast(pl.Float64).fill_null(np.nan).to_numpy() for what in ("on_target", "shots")
    )
    return np.asarray(_PER_SHOT_ON_TARGET * on_target + _PER_OTHER_SHOT * np.maximum(shots - on_target, 0))
