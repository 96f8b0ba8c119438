"""How many outcomes a test still needs: near its real length, wide enough, honest where there is no end."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from touchline.errors import InvalidSample, TooFewClusters
from touchline.statistics import (
    Gains,
    TwoWitnesses,
    WitnessRule,
    decide_at_end,
    outcomes_needed,
    paired_gains,
    planned_outcomes,
)


def erring(seed: int, new: float, old: float, *, matches: int, common: bool = False) -> Gains:
    """Gains of models whose logits err by normal noise of these sizes."""
    rng = np.random.default_rng([51, seed])
    truth, noise = rng.normal(size=matches), rng.normal(size=(2, matches))
    other = noise[0] if common else noise[1]
    return paired_gains(expit(truth + new * noise[0]), expit(truth + old * other), rng.random(matches) < expit(truth))


def test_a_plan_from_much_history_names_the_usual_length() -> None:
    plan = planned_outcomes(erring(1, 0.5, 0.79, matches=20_000), WitnessRule(), longest=20_000)
    lengths = [
        TwoWitnesses.start(WitnessRule()).update(erring(seed, 0.5, 0.79, matches=4000)).decided_at or 4000
        for seed in range(2, 52)
    ]
    assert plan.median == pytest.approx(np.median(lengths), rel=0.3)
    assert plan.low is not None
    assert plan.high is not None
    assert 0.65 < np.mean((np.array(lengths) >= plan.low) & (np.array(lengths) <= plan.high)) < 0.95


def test_a_running_test_needs_less_than_one_that_starts() -> None:
    gains = erring(1, 0.5, 0.79, matches=500)
    running = TwoWitnesses.start(WitnessRule()).update(gains)
    assert running.verdict == "undecided"
    needed = outcomes_needed(running, longest=20_000)
    planned = planned_outcomes(gains, WitnessRule(), longest=20_000)
    assert needed.median is not None
    assert planned.median is not None
    assert 0 < needed.median < planned.median


def test_more_noise_needs_more_outcomes() -> None:
    easy = planned_outcomes(erring(1, 0.4, 0.52, matches=5000, common=True), WitnessRule(), longest=50_000)
    hard = planned_outcomes(erring(1, 0.4, 0.52, matches=5000), WitnessRule(), longest=50_000)
    assert easy.median is not None
    assert hard.median is None or hard.median > 5 * easy.median


def test_equal_models_never_end_without_a_margin_and_are_equivalent_with_one() -> None:
    gains = erring(5, 0.3, 0.3, matches=8000)
    endless = planned_outcomes(gains, WitnessRule(), longest=2000)
    assert (endless.median, endless.high) == (None, None)
    assert endless.chance < 0.3
    with_margin = planned_outcomes(gains, WitnessRule(margin=0.05), longest=2000)
    assert with_margin.chance > 0.9


def test_events_that_rarely_go_wrong_need_more_outcomes_than_their_count_says() -> None:
    outcomes = np.random.default_rng(6).random(8000) < 0.01
    past = paired_gains(np.full(8000, 0.01), np.full(8000, 0.05), outcomes, clip=1e-4)
    plan = planned_outcomes(past, WitnessRule(), longest=20_000)
    # 30 expected or observed rare outcomes, at about 1 in 100.
    assert plan.low is not None
    assert 1500 < plan.low < 6000


def test_a_decided_test_needs_nothing() -> None:
    state = TwoWitnesses.start(WitnessRule()).update(erring(1, 0.4, 0.52, matches=2000, common=True))
    assert outcomes_needed(state, longest=100).median == 0


def test_too_little_is_no_ground_for_a_plan() -> None:
    with pytest.raises(TooFewClusters, match="29 clusters"):
        planned_outcomes(erring(1, 0.5, 0.8, matches=29), WitnessRule(), longest=100)
    with pytest.raises(InvalidSample, match="longest 0"):
        planned_outcomes(erring(1, 0.5, 0.8, matches=50), WitnessRule(), longest=0)


def test_the_chance_with_the_end_is_that_of_tests_that_end() -> None:
    rule = WitnessRule(reserved=0.3)
    plan = planned_outcomes(erring(1, 0.5, 0.79, matches=20_000), rule, longest=700)
    runs = [TwoWitnesses.start(rule).update(erring(seed, 0.5, 0.79, matches=700)) for seed in range(2, 82)]
    early = float(np.mean([run.verdict != "undecided" for run in runs]))
    ended = float(np.mean([decide_at_end(run).verdict != "undecided" for run in runs]))
    assert plan.chance == pytest.approx(early, abs=0.2)
    assert plan.chance_with_end == pytest.approx(ended, abs=0.15)
    assert plan.chance_with_end > plan.chance + 0.05


def test_without_a_reserve_the_end_adds_no_chance() -> None:
    plan = planned_outcomes(erring(1, 0.5, 0.79, matches=5000), WitnessRule(reserved=0.0), longest=700)
    assert plan.chance_with_end == plan.chance < 1
    equal = planned_outcomes(erring(1, 0.3, 0.3, matches=5000), WitnessRule(margin=0.02), longest=2000)
    assert equal.chance_with_end > equal.chance
