"""Arms that get other shares than planned are found at any look; planned shares rarely are."""

from __future__ import annotations

import json
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom, binomtest, dirichlet_multinomial, multinomial

from touchline.errors import InvalidSample
from touchline.statistics import SampleRatio


def test_evidence_is_the_bayes_factor_of_the_mixture_of_six_faults_and_of_one_look() -> None:
    arms = np.random.default_rng(1).choice(3, 500, p=[0.5, 0.3, 0.2])
    counts, shares = np.bincount(arms), np.array([0.6, 0.2, 0.2])
    planned = multinomial.logpmf(counts, 500, shares)
    mixture = exp(dirichlet_multinomial.logpmf(counts, 625 * shares, 500) - planned)
    first, other = 0.05 * sqrt(0.24), 0.05 * sqrt(0.16)
    faults = [
        [0.6 + first, 0.2 - first / 2, 0.2 - first / 2],
        [0.6 - first, 0.2 + first / 2, 0.2 + first / 2],
        [0.6 - other * 0.75, 0.2 + other, 0.2 - other * 0.25],
        [0.6 + other * 0.75, 0.2 - other, 0.2 + other * 0.25],
        [0.6 - other * 0.75, 0.2 - other * 0.25, 0.2 + other],
        [0.6 + other * 0.75, 0.2 + other * 0.25, 0.2 - other],
    ]
    ratios = [exp(multinomial.logpmf(counts, 500, fault) - planned) for fault in faults]
    look = np.mean([_rejected(*each, 4500) / _rejected(0, each[1], 5000) for each in zip(counts, shares, strict=True)])
    any_fault = exp(dirichlet_multinomial.logpmf(counts, 3 * shares, 500) - planned)
    expected = log(0.95 * ((mixture + np.mean(ratios)) / 4 + look / 2) + 0.05 * any_fault)
    assert SampleRatio.start(shares.tolist()).update(arms).log_evidence == pytest.approx(expected, abs=1e-9)


def test_evidence_of_two_arms_is_the_integral_over_shares_with_two_faults_and_one_look() -> None:
    def ratio(share: float) -> float:
        return float((share / 0.5) ** 130 * ((1 - share) / 0.5) ** 70)

    area, _ = quad(
        lambda share: beta.pdf(share, 312.5, 312.5) * ratio(share), 0.3, 0.8, points=[0.52], epsabs=0, epsrel=1e-12
    )
    state = SampleRatio.start([0.5, 0.5]).update([0] * 130 + [1] * 70)
    look = _rejected(130, 0.5, 4800) / _rejected(0, 0.5, 5000)
    any_fault, _ = quad(ratio, 0, 1, points=[0.65], epsabs=0, epsrel=1e-12)
    expected = log(0.95 * ((area + (ratio(0.525) + ratio(0.475)) / 2) / 4 + look / 2) + 0.05 * any_fault)
    assert state.log_evidence == pytest.approx(expected, abs=1e-9)


def _rejected(count: int, share: float, remaining: int) -> float:
    """The chance that an arm ends in one of the tails of 0.25 % at 5,000 units."""
    low, high = binom.ppf(0.0025, 5000, share), binom.isf(0.0025, 5000, share)
    return float(binom.cdf(low - 1 - count, remaining, share) + binom.sf(high - count, remaining, share))


def test_the_look_at_5000_units_finds_what_one_test_finds_and_stays() -> None:
    found = SampleRatio.start([0.5, 0.5]).update([0, 1] * 2399 + [0] * 202)
    before = SampleRatio.start([0.5, 0.5]).update([0, 1] * 2400 + [0] * 199)
    assert found.p_value <= 0.01 < before.p_value
    assert found.at_look == (2601, 2399)
    later = SampleRatio.from_json(json.loads(json.dumps(found.to_json()))).update([0, 1] * 500)
    assert later.p_value <= 0.01
    assert later.log_evidence > log(100)


@pytest.mark.parametrize(("shares", "found"), [((0.5, 0.5), 15), ((0.9, 0.1), 80), ((0.1, 0.9), 6)])
def test_an_arm_that_gets_nothing_shows_within_few_units(shares: tuple[float, float], found: int) -> None:
    start = SampleRatio.start(shares)
    assert start.update([0] * found).p_value <= 0.01 < start.update([0] * (found - 1)).p_value


def test_the_faults_of_a_very_small_share_are_shares() -> None:
    state = SampleRatio.start([0.999, 0.001]).update([0] * 3000)
    assert 0.05 < state.p_value <= 1
    assert state.update([1] * 30).p_value < 0.001


def test_evidence_expects_nothing_of_planned_shares() -> None:
    # The expectation over all counts of ten units is 1: the evidence is a martingale that starts at 1.
    counts = np.arange(11)
    states = [SampleRatio.start([0.7, 0.3]).update([0] * count + [1] * (10 - count)) for count in counts]
    weights = binom.pmf(counts, 10, 0.7)
    assert sum(weights * np.exp([state.log_evidence for state in states])) == pytest.approx(1, abs=1e-9)


def test_planned_shares_are_rarely_refused() -> None:
    runs, refused = 200, 0
    for seed in range(runs):
        arms = (np.random.default_rng([41, seed]).random(5000) < 0.1).astype(int)
        refused += SampleRatio.start([0.9, 0.1]).update(arms).p_value <= 0.1
    assert binomtest(refused, runs, 0.1, alternative="greater").pvalue > 0.001
    assert refused > 3


def test_a_fault_is_found() -> None:
    for seed in range(10):
        arms = (np.random.default_rng([42, seed]).random(25_000) < 0.48).astype(int)
        assert SampleRatio.start([0.5, 0.5]).update(arms).p_value <= 0.01


def test_steps_of_a_rollout_are_one_test() -> None:
    rng = np.random.default_rng(2)
    first = SampleRatio.start([0.9, 0.1]).update(rng.random(3000) < 0.12)
    second = SampleRatio.start([0.75, 0.25]).update(late := (rng.random(3000) < 0.29))
    both = first.with_shares([0.75, 0.25]).update(late)
    assert both.log_evidence == pytest.approx(first.log_evidence + second.log_evidence)
    assert both.p_value == pytest.approx(exp(-max(first.peak, first.log_evidence + second.peak)))
    assert both.p_value < first.p_value


def test_batches_and_a_stored_state_change_nothing() -> None:
    arms = np.random.default_rng(3).integers(0, 2, 300)
    state = SampleRatio.start([0.5, 0.5])
    for batch in np.split(arms, [0, 1, 120]):
        state = SampleRatio.from_json(json.loads(json.dumps(state.update(batch).to_json())))
    assert state == SampleRatio.start([0.5, 0.5]).update(arms)


def test_shares_and_arms_that_are_not_planned_are_refused() -> None:
    with pytest.raises(InvalidSample, match=r"the shares \[0\.5, 0\.6\]"):
        SampleRatio.start([0.5, 0.6])
    with pytest.raises(InvalidSample, match="arm numbers from 0 to 1"):
        SampleRatio.start([0.5, 0.5]).update([2])
