"""A live model beside its predecessor in shadow: harm is found, chance is not, and the realised gain has bounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import Gains, HarmRule, HarmTest, paired_gains


def erring(seed: int, new: float, old: float, *, matches: int = 1500, common: bool = False) -> Gains:
    """Gains of models whose logits err by normal noise of these sizes."""
    rng = np.random.default_rng([42, seed])
    truth, noise = rng.normal(size=matches), rng.normal(size=(2, matches))
    other = noise[0] if common else noise[1]
    return paired_gains(expit(truth + new * noise[0]), expit(truth + old * other), rng.random(matches) < expit(truth))


def harm(gains: Gains, **rule: float) -> HarmTest:
    return HarmTest.start(HarmRule(**rule)).update(gains)  # type: ignore[arg-type]  # a float as target


def test_a_much_worse_model_is_found_within_some_two_hundred_outcomes() -> None:
    found = [harm(erring(seed, 2.0, 0.4, matches=400)).harmful_at or np.inf for seed in range(20)]
    assert np.quantile(found, 0.9, method="higher") <= 250


def test_equal_and_better_models_are_rarely_rolled_back() -> None:
    equal = sum(harm(erring(seed, 0.5, 0.5)).is_harmful for seed in range(100))
    better = sum(harm(erring(seed, 0.4, 0.6)).is_harmful for seed in range(100))
    assert binomtest(equal, 100, 0.05, alternative="greater").pvalue > 0.001
    assert better <= equal


def test_a_model_that_is_worse_often_and_much_better_rarely_is_not_rolled_back() -> None:
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng([43, seed])
        truth, noise = rng.normal(size=(2, 1200))
        sizes = np.where(rng.random(1200) < 0.02, 2.874, 0.4)
        outcomes = rng.random(1200) < expit(truth)
        hits += harm(paired_gains(expit(truth + 0.52 * noise), expit(truth + sizes * noise), outcomes)).is_harmful
    assert binomtest(hits, 60, 0.05, alternative="greater").pvalue > 0.001


def test_harm_within_the_margin_is_no_harm() -> None:
    within = [harm(erring(seed, 0.52, 0.4, common=True), margin=0.015).is_harmful for seed in range(20)]
    beyond = [harm(erring(seed, 0.52, 0.4, common=True), margin=0.0).is_harmful for seed in range(20)]
    assert sum(within) <= 3
    assert sum(beyond) >= 18


def test_the_interval_of_the_realised_gain_holds_at_every_look() -> None:
    missed, mean = 0, float(erring(0, 0.4, 0.52, matches=400_000).values.mean())
    for seed in range(50):
        gains, test, is_missed = erring(1 + seed, 0.4, 0.52), HarmTest.start(HarmRule()), False
        for first in range(0, 1500, 150):
            test = test.update(gains.rows(first, first + 150))
            _, low, high = test.realised_gain(alpha=0.1)
            is_missed |= not low <= mean <= high
        assert high - low < 0.1
        missed += is_missed
    assert binomtest(missed, 50, 0.1, alternative="greater").pvalue > 0.001


def test_the_realised_gain_has_no_bounds_while_rare_losses_are_missing() -> None:
    gains = paired_gains(np.full(400, 0.001), np.full(400, 0.008), np.zeros(400), clip=1e-4)
    assert harm(gains).realised_gain()[1:] == (-np.inf, np.inf)


def test_batches_and_a_stored_state_change_nothing() -> None:
    gains = erring(3, 1.5, 0.4)
    whole, test = harm(gains), HarmTest.start(HarmRule())
    for first, end in ((0, 1), (1, 1), (1, 77), (77, 900), (900, 1500)):
        test = HarmTest.from_json(json.loads(json.dumps(test.update(gains.rows(first, end)).to_json())))
    assert whole.harmful_at is not None
    assert test.harmful_at == whole.harmful_at
    assert test.realised_gain() == pytest.approx(whole.realised_gain())


def test_harm_stays_once_it_is_shown() -> None:
    test = harm(erring(4, 2.0, 0.4, matches=500))
    later = test.update(erring(5, 0.4, 2.0))
    assert later.harmful_at == test.harmful_at
    assert later.is_harmful


def test_a_rule_that_tests_nothing_is_refused() -> None:
    with pytest.raises(InvalidSample, match=r"margin -0\.1"):
        HarmRule(margin=-0.1)
    with pytest.raises(InvalidSample, match="alpha 0"):
        HarmRule(alpha=0.0)
    with pytest.raises(InvalidSample, match="target 0"):
        HarmRule(target=0)
