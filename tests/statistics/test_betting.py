"""A betting process: its capital by hand, its guarantee, its limits, its memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import BettingProcess

MULTIPLES, SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 2, 6], [1 / 10, 1 / 10, 2 / 10, 2 / 10, 1 / 10, 3 / 10]


def test_capital_is_the_mixture_of_products_of_bets_by_hand() -> None:
    payoffs, least, stakes = [0.3, -0.2, 0.5], [-0.4, -0.2, -1.0], [0.5, 0.9, 0.1]
    capital = 0.0
    for multiple, share in zip(MULTIPLES, SHARES, strict=True):
        product = share
        for payoff, worst, stake in zip(payoffs, least, stakes, strict=True):
            product *= 1 + min(multiple * stake, 0.5 / -worst) * payoff
        capital += product
    process, path = BettingProcess().update(payoffs, least, stakes)
    assert np.exp(process.log_capital) == pytest.approx(capital, rel=1e-12)
    assert path[-1] == process.log_capital


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.integers(0, 40))
def test_batches_and_a_stored_state_change_nothing(payoffs: list[float], cut: int) -> None:
    ones = np.ones(len(payoffs))
    whole, path = BettingProcess().update(payoffs, -ones, ones / 3)
    first, path_of_first = BettingProcess().update(payoffs[:cut], -ones[:cut], ones[:cut] / 3)
    restored = BettingProcess.from_json(json.loads(json.dumps(first.to_json())))
    assert restored == first
    second, path_of_second = restored.update(payoffs[cut:], -ones[cut:], ones[cut:] / 3)
    assert np.concatenate([path_of_first, path_of_second]) == pytest.approx(path, abs=1e-12)
    assert (second.count, second.peak) == (whole.count, pytest.approx(whole.peak, abs=1e-12))


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.002])
def test_small_gains_before_a_rare_disaster_are_no_evidence(rate: float) -> None:
    rng, gain = np.random.default_rng([3, int(1000 * rate)]), 0.007
    disaster = -gain * (1 - rate) / rate
    runs, fooled = 100, 0
    for _ in range(runs):
        payoffs = np.where(rng.random(2000) < rate, disaster, gain)
        stakes = np.full(2000, gain / (gain**2 + rate * disaster**2))
        fooled += BettingProcess().update(payoffs, np.full(2000, disaster), stakes)[0].p_value <= 0.05
    assert binomtest(fooled, runs, 0.05, alternative="greater").pvalue > 0.001


def test_one_event_never_costs_more_than_half_the_capital() -> None:
    process, path = BettingProcess().update([-2.0, -2.0], [-2.0, -2.0], [100.0, 100.0])
    assert path.tolist() == pytest.approx([np.log(0.5), np.log(0.25)])
    assert process.p_value == 1.0


def test_a_payoff_below_its_least_is_refused() -> None:
    with pytest.raises(
        InvalidSample, match=r"the payoff -0\.5 of unit 1\. Allowed: payoffs not below their least \(-0\.4"
    ):
        BettingProcess().update([0.1, -0.5], [-0.4, -0.4], [1.0, 1.0])


def test_nothing_new_changes_nothing() -> None:
    process, path = BettingProcess().update([], [], [])
    assert (process, len(path)) == (BettingProcess(), 0)
