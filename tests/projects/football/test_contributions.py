"""What features add to the probabilities sums to the prediction; terms of goals sum to the expected goals."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects.football.contributions import goal_contributions, probability_contributions
from projects.football.score_grid import reweighted, score_grid, score_markets

OUTCOMES = ("home", "draw", "away")
scores = st.tuples(*[st.floats(-3, 3)] * 3)


def an_explanation(space: str, base: tuple[float, ...], adds: list[tuple[float, ...]]) -> dict[str, object]:
    return {
        "space": space,
        "base": dict(zip(OUTCOMES, base, strict=True)),
        "contributions": [
            {"column": f"c{place}", "value": 1.0, "adds": dict(zip(OUTCOMES, own, strict=True))}
            for place, own in enumerate(adds)
        ],
    }


def sum_of(found: dict[str, object]) -> list[float]:
    return [found["base"][o] + sum(one["adds"][o] for one in found["features"]) for o in OUTCOMES]  # type: ignore


@given(scores, st.lists(scores, min_size=1, max_size=6))
def test_contributions_in_scores_sum_to_the_probabilities(
    base: tuple[float, ...], adds: list[tuple[float, ...]]
) -> None:
    found = probability_contributions(an_explanation("score", base, adds))
    total = np.array(base) + np.array(adds).sum(axis=0)
    expected = np.exp(total) / np.exp(total).sum()
    assert sum_of(found) == pytest.approx(expected.tolist(), abs=1e-6)
    assert list(found["total"].values()) == pytest.approx(expected.tolist(), abs=1e-6)
    # What one feature adds to one outcome it takes from the others.
    assert all(sum(one["adds"].values()) == pytest.approx(0, abs=1e-9) for one in found["features"])


def test_contributions_in_probabilities_stay_as_they_are() -> None:
    found = probability_contributions(an_explanation("output", (0.4, 0.3, 0.3), [(0.1, -0.05, -0.05)]))
    assert found["features"][0]["adds"] == {"home": 0.1, "draw": -0.05, "away": -0.05}
    assert sum_of(found) == pytest.approx([0.5, 0.25, 0.25])


def test_the_terms_of_goals_sum_to_the_log_of_the_expected_goals() -> None:
    home = {"goal_level": 0.2, "goal_home": 0.3, "goal_attack": 0.4, "goal_defence": 0.3, "rho": -0.05}
    away = {**home, "goal_attack": -0.3, "goal_defence": -0.2}
    values = {f"{side}_{name}": value for side, own in (("home", home), ("away", away)) for name, value in own.items()}
    probabilities = {"home": 0.6, "draw": 0.25, "away": 0.15}
    found = goal_contributions(values, probabilities)
    assert found["home"]["attack"] > 0 > found["away"]["attack"]
    assert found["home"]["home"] > 0 == found["away"]["home"]
    terms = {side: dict(own) for side, own in found.items()}
    logs = [terms[side].pop("log_expected_goals") for side in ("home", "away")]
    assert [sum(own.values()) for own in terms.values()] == pytest.approx(logs)
    rates = [sum(own[name] for name in ("level", "home", "attack", "defence")) for own in terms.values()]
    grid = reweighted(score_grid(*map(exp, rates), -0.05), probabilities)
    assert [exp(log) for log in logs] == pytest.approx(score_markets(grid).expected_goals)
