"""Strengths of teams: recovered from generated matches, by an independent likelihood, and from the past alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from touchline.project import load_project

load_project("projects/football", base=Path(__file__).parents[3])
from touchline_projects.football.goal_model import GoalModel, Matches, Prior  # noqa: E402
from touchline_projects.football.poisson_scores import outcome_probabilities  # noqa: E402
from touchline_projects.football.strengths import weekly_strengths  # noqa: E402

TEAMS = 8


def generated(seed: int, rounds: int = 20) -> Matches:
    """Every pair at both grounds, so many times over, with goals from known strengths."""
    random = np.random.default_rng(seed)
    attack = np.linspace(-0.4, 0.4, TEAMS)
    pairs = [(h, a) for _ in range(rounds) for h in range(TEAMS) for a in range(TEAMS) if h != a]
    home, away = np.array(pairs).T
    scored = (
        random.poisson(np.exp(0.4 + attack[home] - attack[away] / 2)),
        random.poisson(np.exp(0.1 + attack[away] - attack[home] / 2)),
    )
    day = np.sort(random.uniform(0, 300, len(pairs)))
    return Matches(home, away, np.zeros(len(pairs), dtype=np.int64), *(one.astype(float) for one in scored), day)


def test_a_fit_is_the_maximum_that_a_general_optimizer_finds() -> None:
    matches, prior = generated(1, rounds=2), Prior(half_life_days=100, ridge=5)
    model = GoalModel(TEAMS, 1, prior)
    for _ in range(3):
        model.fit(matches, day=301.0)
    weights = 0.5 ** ((301.0 - matches.day) / 100)

    def loss(x: np.ndarray) -> float:
        level, home, attack, defence = x[0], x[1], x[4 : 4 + TEAMS], x[4 + TEAMS :]
        total = 0.25 * (x[2] ** 2 + x[3] ** 2) + 2.5 * (attack**2).sum() + 2.5 * (defence**2).sum()
        for sides, goals, extra in (
            ((matches.home, matches.away), matches.home_scored, home),
            ((matches.away, matches.home), matches.away_scored, 0.0),
        ):
            log_rate = level + extra + x[2] + attack[sides[0]] - x[3] - defence[sides[1]]
            total += (weights * (np.exp(log_rate) - goals * log_rate)).sum()
        return float(total)

    best = minimize(loss, np.zeros(4 + 2 * TEAMS), method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-14})
    assert model.attack == pytest.approx(best.x[2] + best.x[4 : 4 + TEAMS], abs=2e-3)
    assert model.defence == pytest.approx(best.x[3] + best.x[4 + TEAMS :], abs=2e-3)
    assert model.home_advantage == pytest.approx(best.x[1], abs=2e-3)


def test_the_strengths_that_made_the_goals_are_found() -> None:
    model = GoalModel(TEAMS, 1, Prior(half_life_days=10_000, ridge=1))
    model.fit(generated(2, rounds=60), day=301.0)
    assert model.home_advantage == pytest.approx(0.3, abs=0.08)
    assert model.attack - model.attack.mean() == pytest.approx(np.linspace(-0.4, 0.4, TEAMS), abs=0.12)


def test_outcomes_are_the_sums_of_independent_poisson_goals() -> None:
    random = np.random.default_rng(3)
    home, away = random.poisson(1.6, 400_000), random.poisson(1.1, 400_000)
    [found] = outcome_probabilities(np.array([1.6]), np.array([1.1]), 0.0)
    assert found == pytest.approx([(home > away).mean(), (home == away).mean(), (home < away).mean()], abs=0.003)
    [draws_more] = outcome_probabilities(np.array([1.6]), np.array([1.1]), -0.1)
    assert draws_more[1] > found[1]


def league(seed: int, weeks: int) -> pl.DataFrame:
    random, start = np.random.default_rng(seed), datetime(2020, 1, 4, 15, tzinfo=UTC)
    rows = []
    for week in range(weeks):
        order = random.permutation(TEAMS)
        for home, away in zip(order[::2], order[1::2], strict=True):
            at = start + timedelta(days=7 * week)
            rows.append(("D1", at, f"t{home}", f"t{away}", int(random.poisson(1.5)), int(random.poisson(1.1))))
    names = ["division", "event_timestamp", "home_team", "away_team", "home_goals", "away_goals"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_a_row_rests_on_earlier_matches_alone() -> None:
    matches = league(4, 30)
    changed = matches.with_columns(
        home_goals=pl.when(pl.col("event_timestamp") >= datetime(2020, 5, 1, tzinfo=UTC))
        .then(9)
        .otherwise("home_goals")
    )
    before, after = weekly_strengths(matches), weekly_strengths(changed)
    early = pl.col("event_timestamp") <= datetime(2020, 5, 1, tzinfo=UTC)
    assert before.filter(early).equals(after.filter(early))
    assert not before.equals(after)
    assert before.filter(early).height > 100


def test_a_longer_table_is_fitted_as_if_the_shorter_one_had_never_been() -> None:
    """Another country's fit begins anew; matches of one week come in two tables."""
    matches = counted(league(11, 30), 12)
    for count in (41, 42, 90, 120):
        grown = weekly_strengths(matches.head(count))
    assert grown.equals(weekly_strengths(matches.with_columns(division=pl.lit("Q1"))))
    corrected = matches.with_columns(home_goals=pl.when(pl.int_range(pl.len()) == 20).then(7).otherwise("home_goals"))
    assert weekly_strengths(corrected).equals(weekly_strengths(corrected.with_columns(division=pl.lit("R1"))))


def counted(matches: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The matches with shots and corners that have nothing to do with the goals."""
    random = np.random.default_rng(seed)
    means = {"on_target": 4.5, "shots": 12.0, "corners": 5.0}
    return matches.with_columns(
        pl.Series(f"{side}_{what}", random.poisson(mean, matches.height))
        for side in ("home", "away")
        for what, mean in means.items()
    )


def test_shots_that_a_source_counts_otherwise_are_the_same_strengths() -> None:
    """On target twice as often by another definition."""
    matches = counted(league(7, 30), 8)
    twice = matches.with_columns(
        pl.col(f"{side}_{what}") * 2 for side in ("home", "away") for what in ("on_target", "shots")
    )
    one, other = weekly_strengths(matches), weekly_strengths(twice)
    for name in ("targets_home", "recent_targets_away", "other_shots_home", "corners_away"):
        assert one[name].to_numpy() == pytest.approx(other[name].to_numpy(), abs=1e-6)
    assert not one["targets_away"].equals(one["goal_attack"] + one["goal_defence"])


def test_without_counts_a_measure_is_that_of_goals() -> None:
    matches = league(7, 30)
    none = matches.with_columns(pl.lit(None, pl.Int64).alias(f"{side}_on_target") for side in ("home", "away"))
    for found in (weekly_strengths(matches), weekly_strengths(none)):
        by_goals = (found["goal_attack"] + found["goal_defence"]).to_numpy()
        assert found["targets_away"].to_numpy() == pytest.approx(by_goals)
        assert found["targets_home"].to_numpy() == pytest.approx(by_goals + found["goal_home"].to_numpy())


def test_news_moves_the_recent_strength_more() -> None:
    matches = counted(league(9, 40), 10)
    late = pl.col("event_timestamp") > datetime(2020, 8, 1, tzinfo=UTC)
    changed = matches.with_columns(
        pl.when(late & (pl.col(f"{side}_team") == "t0"))
        .then(15)
        .otherwise(f"{side}_on_target")
        .alias(f"{side}_on_target")
        for side in ("home", "away")
    )
    team = weekly_strengths(changed).filter(pl.col("team") == "t0")
    before = team.filter(pl.col("event_timestamp") <= datetime(2020, 8, 1, tzinfo=UTC))[-1]
    gains = {name: team[name][-1] - before[name][0] for name in ("targets_away", "recent_targets_away")}
    assert gains["recent_targets_away"] > 1.1 * gains["targets_away"] > 0


def test_in_a_season_s_break_the_last_strengths_hold_and_after_it_they_go_on() -> None:
    matches = league(6, 20)
    back = datetime(2020, 7, 1, tzinfo=UTC)
    shifted = matches.with_columns(
        event_timestamp=pl.when(pl.col("event_timestamp") >= datetime(2020, 3, 10, tzinfo=UTC))
        .then(pl.col("event_timestamp") + timedelta(days=120))
        .otherwise("event_timestamp")
    )
    found = weekly_strengths(shifted)
    last_before = datetime(2020, 3, 12, tzinfo=UTC)
    assert found["event_timestamp"].is_between(last_before, back, closed="right").sum() == 0
    assert found.filter(pl.col("event_timestamp") > back)["team"].n_unique() == TEAMS
    values = found.drop("team", "event_timestamp").to_numpy()
    assert np.isfinite(values).all()


def test_a_promoted_team_has_the_strength_that_it_showed_below() -> None:
    """The second division's best teams beat its others by far; who goes up meets the first with what was seen there."""
    random = np.random.default_rng(5)
    second = [(h, a) for _ in range(20) for h in range(8, 12) for a in range(8, 12) if h != a]
    first = [(h, a) for _ in range(20) for h in range(4) for a in range(4) if h != a]
    home, away = np.array(first + second).T
    division = np.array([0] * len(first) + [1] * len(second))
    scored = random.poisson(np.where(home == 8, 3.0, 1.3)).astype(float)
    matches = Matches(home, away, division, scored, random.poisson(1.0, len(home)).astype(float), np.zeros(len(home)))
    model = GoalModel(12, 2, Prior())
    model.fit(matches, day=1.0)
    assert model.attack[8] > model.attack[9:12].max() + 0.3
