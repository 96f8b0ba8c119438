"""Rates at every look: their bounds, and harm by more than a margin."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import xlogy
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import RateCount, RateGuardrail, compare_rates, rate_bounds
from touchline.statistics.rate_sequence import harm_evidence, safety_evidence

# ville 0.1.0: BernoulliCS(alpha=0.05, prior=(a, a), intersect=False).
VILLE_BOUNDS = [
    (0, 7, 0.5, 0.0, 0.4786171238658027),
    (3, 100, 0.5, 0.0018790606324076901, 0.12294888560893341),
    (30, 1000, 1.0, 0.013743302553990807, 0.05531831167536955),
    (45, 50, 0.5, 0.7134621031268706, 0.9841525898093346),
]
counts = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: RateCount(min(pair), max(pair)))


@pytest.mark.parametrize(("events", "trials", "prior", "low", "high"), VILLE_BOUNDS)
def test_bounds_are_those_of_ville(events: int, trials: int, prior: float, low: float, high: float) -> None:
    assert rate_bounds(RateCount(events, trials), prior=prior) == pytest.approx((low, high), abs=1e-9)


def test_bounds_hold_at_every_look_at_once() -> None:
    runs, wrong = 80, 0
    for seed in range(runs):
        events = np.cumsum(np.random.default_rng([31, seed]).random(1000) < 0.03)
        looks = [RateCount(int(events[at]), at + 1) for at in range(0, 1000, 20)]
        wrong += any(not low <= 0.03 <= high for low, high in (rate_bounds(look, alpha=0.1) for look in looks))
    assert binomtest(wrong, runs, 0.1, alternative="greater").pvalue > 0.001
    assert wrong > 0


@settings(max_examples=30)
@given(counts, counts, st.sampled_from([0.0, 0.01, 0.2]))
def test_evidence_compares_a_mixture_with_the_likeliest_rates_allowed(
    new: RateCount, old: RateCount, margin: float
) -> None:
    def likelihood(old_rate: np.ndarray, new_rate: np.ndarray) -> np.ndarray:
        likely_new = xlogy(new.events, new_rate) + xlogy(new.trials - new.events, 1 - new_rate)
        return np.asarray(likely_new + xlogy(old.events, old_rate) + xlogy(old.trials - old.events, 1 - old_rate))

    old_rates, new_rates = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 401))
    likely = likelihood(old_rates, new_rates)
    allowed = likely[new_rates <= old_rates + margin + 1e-12].max()
    refused = likely[new_rates >= old_rates + margin - 1e-12].max()
    harm, safety = harm_evidence(new, old, margin), safety_evidence(new, old, margin)
    mixtures = sum(log_mixture(count) for count in (new, old))
    # A grid finds no more than the largest likelihood, and is close to it.
    assert mixtures - allowed - 0.02 <= harm <= mixtures - allowed + 1e-9
    assert mixtures - refused - 0.02 <= safety <= mixtures - refused + 1e-9


def log_mixture(count: RateCount) -> float:
    misses = count.trials - count.events

    # Substituting rate = sin² takes the poles out of Jeffreys' prior.
    def mixed(angle: float) -> float:
        return float(2 / np.pi * np.sin(angle) ** (2 * count.events) * np.cos(angle) ** (2 * misses))

    peak = np.arcsin(np.sqrt(count.events / count.trials)) if count.trials else 0.5
    return log(quad(mixed, 0, peak, epsabs=0)[0] + quad(mixed, peak, np.pi / 2, epsabs=0)[0])


def test_a_new_rate_above_the_margin_is_harmful_and_one_below_is_harmless() -> None:
    guardrail = RateGuardrail(margin=0.01)
    assert compare_rates(RateCount(60, 1000), RateCount(10, 1000), guardrail) == "harmful"
    assert compare_rates(RateCount(10, 9000), RateCount(10, 9000), guardrail) == "harmless"
    assert compare_rates(RateCount(20, 1000), RateCount(10, 1000), guardrail) == "undecided"


def test_few_events_wait() -> None:
    counts = RateCount(4, 4), RateCount(0, 1000)
    assert compare_rates(*counts, RateGuardrail(margin=0.01)) == "undecided"
    assert compare_rates(*counts, RateGuardrail(margin=0.01, least_events=4)) == "harmful"


def test_a_rate_within_the_margin_rarely_rolls_back() -> None:
    runs, wrong, guardrail = 70, 0, RateGuardrail(margin=0.01, alpha=0.1)
    for seed in range(runs):
        rng = np.random.default_rng([32, seed])
        new, old = np.cumsum(rng.random(2000) < 0.03), np.cumsum(rng.random(2000) < 0.02)
        looks = range(0, 2000, 40)
        wrong += any(
            compare_rates(RateCount(int(new[at]), at + 1), RateCount(int(old[at]), at + 1), guardrail) == "harmful"
            for at in looks
        )
    assert binomtest(wrong, runs, 0.1, alternative="greater").pvalue > 0.001


def test_no_trials_say_nothing() -> None:
    assert rate_bounds(RateCount()) == (0.0, 1.0)
    assert compare_rates(RateCount(), RateCount(), RateGuardrail(margin=0.0)) == "undecided"
    assert RateCount(1, 2).update(1, 3) == RateCount(2, 5)


def test_impossible_counts_and_margins_are_refused() -> None:
    with pytest.raises(InvalidSample, match="3 events in 2 trials"):
        RateCount(3, 2)
    with pytest.raises(InvalidSample, match="margin 1"):
        RateGuardrail(margin=1.0)
