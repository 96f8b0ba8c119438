"""Attack and defence of every team, fitted again each week on the matches before it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
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
# What is counted, and the half-life in days: chosen on E0, D1 and SP1 of 2010/11 to 2015/16.
MEASURES: Final = {
    "targets": ("on_target", 365.0),
    "recent_targets": ("on_target", 120.0),
    "other_shots": ("off_target", 250.0),
    "corners": ("corners", 250.0),
}
_GOALS: Final = "goals"
SCHEMA: Final = {
    "team": pl.String,
    "event_timestamp": pl.Datetime("us", "UTC"),
    **dict.fromkeys(["goal_level", "goal_home", "goal_attack", "goal_defence", "rho"], pl.Float64),
    **{f"{measure}_{ground}": pl.Float64 for measure in MEASURES for ground in ("home", "away")},
}


def weekly_strengths(matches: pl.DataFrame, prior: Prior | None = None) -> pl.DataFrame:
    """One row a team and week: the terms of the log of expected goals (`goal_model`), rho, and strengths by measure.

    `matches` are played ones in time order with division, teams, goals, shots and corners where known, and
    `event_timestamp`. A row is stamped with the start of the week for which the models were fitted, and rests on
    earlier matches alone. `targets_home` is the sum of attack, defence and home advantage by the same model on shots on
    target, `targets_away` the sum without home advantage. A match without a count counts with its goals.
    """
    countries = matches.group_by(country=pl.col("division").str.replace(r"\d+$", ""))
    # The matrices are small: further threads would only wait for one another.
    with threadpool_limits(1):
        tables = [
            _of_country(str(country), rows.sort("event_timestamp", "home_team"), prior or Prior())
            for (country,), rows in sorted(countries, key=lambda one: str(one[0]))
        ]
    return pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)


@dataclass(frozen=True)
class _Course:
    """The fits of a country up to a week, from which a table with later matches goes on.

    `models` are those of the last week whose matches were complete, `done` holds the rows up to it, and `week` is the
    first one after it. `layout` says which numbers the models have.
    """

    layout: tuple[object, ...]
    goals: Matches
    counts: dict[str, Matches]
    models: dict[tuple[str, float], GoalModel]
    done: pl.DataFrame
    week: float

    def is_of(self, layout: tuple[object, ...], goals: Matches, counts: dict[str, Matches]) -> bool:
        """Whether it rests on the first of these matches."""
        return (
            self.layout == layout
            and self.goals.is_start_of(goals)
            and all(self.counts[what].is_start_of(counts[what]) for what in self.counts)
        )


# The newest course of each country, in this process alone: a thousand weeks take seconds, and an ingest adds one.
_courses: dict[tuple[str, Prior], _Course] = {}


def _of_country(country: str, rows: pl.DataFrame, prior: Prior) -> pl.DataFrame:
    names = sorted(set(rows["home_team"]) | set(rows["away_team"]))
    divisions = sorted(set(rows["division"]))
    goals = _matches(rows, names, divisions)
    counts = _known_counts(rows, goals)
    # A measure that no match has is that of goals; models of one measure and half-life are the same.
    kinds = {name: (what if what in counts else _GOALS, half) for name, (what, half) in MEASURES.items()}
    layout = (tuple(names), tuple(divisions), tuple(sorted(counts)))
    before = _courses.get((country, prior))
    if before is None or not before.is_of(layout, goals, counts):
        models = {
            (what, half): GoalModel(len(names), len(divisions), replace(prior, half_life_days=half))
            for what, half in {(_GOALS, prior.half_life_days), *kinds.values()}
        }
        begin = float(np.floor(goals.day[0] / WEEK) * WEEK + WEEK)
        before = _Course(layout, goals, counts, models, pl.DataFrame(schema=SCHEMA), begin)
    models, tables, newest = deepcopy(before.models), [before.done], goals.day[-1]
    for week in np.arange(before.week, newest + WEEK, WEEK).tolist():
        if week > newest:  # further matches of this week may come
            _courses[country, prior] = _Course(layout, goals, counts, deepcopy(models), pl.concat(tables), week)
        if len(goals.before(week, since=week - WEEK)):  # else nothing was played: the last row still holds
            first = week - _WINDOW_DAYS
            played = goals.before(week, since=first)
            at_level = {what: _at_level(played, counts[what].before(week, since=first)) for what in counts}
            by_goals = models[_GOALS, prior.half_life_days]
            design = by_goals.design(played)
            for (what, _), model in models.items():
                model.fit(at_level.get(what, played), day=week, design=design)
            strengths = {name: models[kind] for name, kind in kinds.items()}
            table = _rows(by_goals, strengths, names, week)
            tables.append(table.filter(pl.Series(_seen(played, len(names)))))
    return pl.concat(tables)


def _rows(goals: GoalModel, strengths: dict[str, GoalModel], names: list[str], week: float) -> pl.DataFrame:
    values = {
        "goal_level": np.full(len(names), goals.intercept),
        "goal_home": np.full(len(names), goals.home_advantage),
        "goal_attack": goals.attack,
        "goal_defence": goals.defence,
        "rho": np.full(len(names), goals.rho),
    }
    for name, model in strengths.items():
        values[f"{name}_away"] = model.attack + model.defence
        values[f"{name}_home"] = values[f"{name}_away"] + model.home_advantage
    stamp = _EPOCH + timedelta(days=week)
    return pl.DataFrame({"team": names, "event_timestamp": [stamp] * len(names), **values}, schema=SCHEMA)


def _seen(matches: Matches, teams: int) -> np.ndarray:
    seen = np.zeros(teams, dtype=np.bool_)
    seen[matches.home] = seen[matches.away] = True
    return seen


def _at_level(goals: Matches, counts: Matches) -> Matches:
    """The counts at the level of the goals of the same matches, and the goals where there is no count.

    What a source counts as a shot on target differs between countries, and has changed over the years.
    """
    is_known = np.isfinite(counts.home_scored + counts.away_scored)
    total = (counts.home_scored + counts.away_scored)[is_known].sum()
    if not total > 0:
        return goals
    level = (goals.home_scored + goals.away_scored)[is_known].sum() / total
    return replace(
        goals,
        home_scored=np.where(is_known, level * counts.home_scored, goals.home_scored),
        away_scored=np.where(is_known, level * counts.away_scored, goals.away_scored),
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


def _known_counts(rows: pl.DataFrame, goals: Matches) -> dict[str, Matches]:
    """What each side did by measure, NaN where it is not known; measures that no match has are left out."""

    def counts(side: str, what: str) -> np.ndarray:
        if what == "off_target":
            return np.maximum(counts(side, "shots") - counts(side, "on_target"), 0)
        name = f"{side}_{what}"
        if name not in rows.columns:
            return np.full(rows.height, np.nan)
        return rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    both = {what: (counts("home", what), counts("away", what)) for what, _ in MEASURES.values()}
    return {
        what: replace(goals, home_scored=home, away_scored=away)
        for what, (home, away) in both.items()
        if np.isfinite(home + away).any()
    }
