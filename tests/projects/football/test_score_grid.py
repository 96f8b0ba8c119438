"""A grid of scores agrees with the probabilities of the outcomes, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects.football.score_grid import goal_forecast, reweighted, score_grid, score_markets
from projects.football.transforms import MEASURES, goal_model, pooled_forecasts

from touchline.errors import FeatureNotFound

rates = st.floats(0.2, 4.0)
shares = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)


@given(rates, rates, shares)
def test_the_scores_of_each_outcome_sum_to_its_probability(home: float, away: float, weights: list[float]) -> None:
    wins, draws, losses = (weight / sum(weights) for weight in weights)
    grid = reweighted(score_grid(home, away, -0.05), {"home": wins, "draw": draws, "away": losses})
    sums = [np.tril(grid, -1).sum(), np.trace(grid), np.triu(grid, 1).sum()]
    assert sums == pytest.approx([wins, draws, losses], abs=1e-12)


def test_reweighting_leaves_the_odds_between_scores_of_one_outcome() -> None:
    grid = score_grid(1.6, 1.1, -0.05)
    after = reweighted(grid, {"home": 0.2, "draw": 0.3, "away": 0.5})
    assert after[2, 0] / after[3, 1] == pytest.approx(grid[2, 0] / grid[3, 1])
    assert (after >= 0).all()


def test_markets_of_a_grid_by_hand() -> None:
    grid = np.zeros((11, 11))
    grid[0, 0], grid[1, 1], grid[2, 1], grid[0, 3] = 0.4, 0.3, 0.2, 0.1
    markets = score_markets(grid, lines=(2.5,), most_scores=2)
    assert markets.expected_goals == pytest.approx((0.3 + 0.4, 0.3 + 0.2 + 0.3))
    assert markets.over == pytest.approx({"2.5": 0.3})
    assert markets.both_score == pytest.approx(0.5)
    assert markets.likeliest_scores == (("0:0", 0.4), ("1:1", 0.3))


def test_without_correction_the_grid_is_the_product_of_two_poisson_distributions() -> None:
    from scipy.stats import poisson

    expected = np.outer(poisson.pmf(range(11), 1.6), poisson.pmf(range(11), 1.1))
    assert score_grid(1.6, 1.1, rho=0.0) == pytest.approx(expected / expected.sum())


def values(home: dict[str, float | None], away: dict[str, float | None]) -> dict[str, float | None]:
    return {f"{side}_{name}": value for side, own in (("home", home), ("away", away)) for name, value in own.items()}


COUNTS = [f"{side}_{measure}_{side}" for side in ("home", "away") for measure in MEASURES]
KNOWN = {"goal_level": 0.1, "goal_home": 0.25, "goal_attack": 0.2, "goal_defence": -0.1, "rho": -0.08}


def test_expected_goals_are_those_of_the_goal_model() -> None:
    """The grid that the release's transform sums to outcomes, from the same columns."""
    other = {**KNOWN, "goal_attack": -0.3, "goal_defence": 0.15}
    forecast = goal_forecast(values(KNOWN, other))
    assert forecast.home.rate == pytest.approx(np.exp(0.1 + 0.25 + 0.2 - 0.15))
    assert forecast.away.rate == pytest.approx(np.exp(0.1 - 0.3 + 0.1))
    columns = {name: np.array([value]) for name, value in values(KNOWN, other).items()}
    transformed = goal_model(columns | dict.fromkeys(COUNTS, np.zeros(1)))
    grid = score_grid(forecast.home.rate, forecast.away.rate, forecast.rho)
    assert transformed["dc_home"][0] == pytest.approx(np.log(np.tril(grid, -1).sum() / np.trace(grid)))
    assert transformed["dc_away"][0] == pytest.approx(np.log(np.triu(grid, 1).sum() / np.trace(grid)))


def test_a_promoted_team_without_history_is_an_average_team_of_its_opponent_s_country() -> None:
    none: dict[str, float | None] = dict.fromkeys(KNOWN)
    average = {**KNOWN, "goal_attack": 0.0, "goal_defence": 0.0}
    assert goal_forecast(values(KNOWN, none)) == goal_forecast(values(KNOWN, average))
    assert goal_forecast(values(none, KNOWN)) == goal_forecast(values(average, KNOWN))
    assert goal_forecast(values(none, none)).home.rate == pytest.approx(1.6)
    counts = dict.fromkeys(COUNTS, np.array([np.nan]))
    promoted, usual = (
        goal_model(counts | {name: np.array([value], float) for name, value in values(KNOWN, other).items()})
        for other in (none, average)
    )
    assert promoted == usual
    assert promoted["targets_gap"] == pytest.approx(0.25 + 0.2 - 0.1)


def test_forecasts_of_538_are_pooled_where_there_are_any() -> None:
    other = {**KNOWN, "goal_attack": -0.3, "goal_defence": 0.15}
    columns = {name: np.full(2, value) for name, value in values(KNOWN, other).items()}
    columns |= {name: np.full(2, 0.7 if name.startswith("home") else 0.1) for name in COUNTS}
    forecasts = {"home": [0.5, np.nan], "draw": [0.3, np.nan], "away": [0.2, np.nan]}
    pooled = pooled_forecasts(columns | {f"{name}_538": np.array(value) for name, value in forecasts.items()})
    own = goal_model(columns)
    assert pooled["pooled_dc_home"] == pytest.approx([(own["dc_home"][0] + np.log(0.5 / 0.3)) / 2, own["dc_home"][1]])
    # A gap of log ratios has the odds of 538 against each other; 0.6 by shots on target.
    assert pooled["pooled_targets_gap"] == pytest.approx([(0.6 + np.log(0.5 / 0.2) / 1.7) / 2, 0.6])


def test_features_of_another_model_are_no_average_team() -> None:
    with pytest.raises(FeatureNotFound, match="'home_goal_level' is not declared"):
        goal_forecast({"home_elo": 1500.0})
