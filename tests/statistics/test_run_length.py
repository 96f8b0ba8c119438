"""False alarms of the detector are as rare as promised, and a rise is found."""

from __future__ import annotations

import json

import numpy as np
import pytest

from touchline.errors import InvalidSample
from touchline.statistics import RiseDetector, least_payoff


def first_alarm(payoffs: np.ndarray, limit: float, least: float = -3.0) -> int:
    detector = RiseDetector(limit=limit, least=least)
    for step, payoff in enumerate(payoffs):
        detector, is_alarm = detector.update(payoff)
        if is_alarm:
            return step
    return len(payoffs)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_the_time_to_a_false_alarm_is_at_least_the_limit(kind: str) -> None:
    rng = np.random.default_rng(3)
    times = []
    for _ in range(60):
        values = rng.normal(size=600) if kind == "normal" else rng.exponential(size=600) - 1
        times.append(first_alarm(values - 0.0004, limit=50))
    assert np.mean(times) > 50


def test_a_rise_of_half_a_deviation_is_found_soon_and_its_onset_is_near() -> None:
    rng = np.random.default_rng(4)
    delays, onsets = [], []
    for _ in range(40):
        detector = RiseDetector(limit=365, least=-3.0)
        for step, payoff in enumerate(np.concatenate([rng.normal(-0.3, 1, 100), rng.normal(0.7, 1, 200)])):
            since = detector.since
            detector, is_alarm = detector.update(payoff)
            if is_alarm:
                delays.append(step - 100)
                onsets.append(since - 100)
                break
    assert np.median(delays) < 25
    assert abs(np.median(onsets)) <= 3


def test_the_state_survives_a_document() -> None:
    detector, _ = RiseDetector(limit=10, least=-1.0).update(0.3)
    assert RiseDetector.from_json(json.loads(json.dumps(detector.to_json()))) == detector
    assert 0 < detector.level < 1


def test_a_detector_without_a_least_payoff_is_refused() -> None:
    with pytest.raises(InvalidSample, match="a least payoff of 0"):
        RiseDetector(limit=10, least=0.0)


def test_raising_low_payoffs_is_accounted_for() -> None:
    assert least_payoff([-5.0, 0.0]) == (-3.0, 1.0)
