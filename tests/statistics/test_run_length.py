"""False alarms of the detector are as rare as promised, and a rise is found."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.errors import InvalidSample
from touchline.statistics import RiseBets, RiseDetector

KINDS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: rng.exponential(size=size) - 1,
    "heavy": lambda rng, size: rng.standard_t(5, size=size) / np.sqrt(5 / 3),
}


def first_alarm(payoffs: np.ndarray, bets: RiseBets, limit: float) -> int:
    detector = RiseDetector(limit=limit)
    for step, payoff in enumerate(payoffs.tolist()):
        detector, is_alarm = detector.update(payoff, bets.factors(payoff))
        if is_alarm:
            return step
    return len(payoffs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_to_a_false_alarm_is_at_least_the_limit(kind: str) -> None:
    rng = np.random.default_rng(3)
    bets = RiseBets.of(KINDS[kind](rng, 2000))
    times = [first_alarm(KINDS[kind](rng, 600), bets, limit=50) for _ in range(60)]
    assert np.mean(times) > 50


def test_a_rise_of_half_a_deviation_is_found_soon_and_its_onset_is_near() -> None:
    rng = np.random.default_rng(4)
    bets, delays, onsets = RiseBets.of(rng.normal(size=200)), [], []
    for _ in range(40):
        detector = RiseDetector(limit=365)
        for step, payoff in enumerate([*rng.normal(-0.3, 1, 100), *rng.normal(0.7, 1, 200)]):
            since = detector.since
            detector, is_alarm = detector.update(payoff, bets.factors(payoff))
            if is_alarm:
                delays.append(step - 100)
                onsets.append(since - 100)
                break
    assert np.median(delays) < 25
    assert abs(np.median(onsets)) <= 3


def test_a_large_rise_is_found_at_its_first_step() -> None:
    rng = np.random.default_rng(5)
    payoffs = [*rng.normal(-0.1, 1, 20), 13.0]
    assert first_alarm(np.array(payoffs), RiseBets.of(rng.normal(size=60)), limit=365) == 20


def test_a_detector_without_a_limit_and_payoffs_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidSample, match="a limit of 0"):
        RiseDetector(limit=0.0)
    with pytest.raises(InvalidSample, match="the payoff nan"):
        RiseDetector(limit=10).update(np.nan, RiseBets.of([-1.0, 1.0]).factors(0.0))
    with pytest.raises(InvalidSample, match="Allowed"):
        RiseBets.of([])


def test_bets_pay_for_the_tails_of_their_payoffs() -> None:
    low, high = RiseBets.of([-5.0, 0.0]), RiseBets.of([0.0, 6.0])
    assert (low.added[0], low.added[-1]) == (1.0, 2.0)
    assert (low.fourth, high.fourth) == (3.0, 6**4 / 2)
    for bets in (low, high):
        assert min(bets.factors(-100.0)) >= 0
