"""Simulated requests and outcomes for guardrails: two arms, a healthy time and a breach."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from simulations.sequential import Case, Season, erring
from touchline.statistics import (
    CalibrationGuardrail,
    CalibrationMonitor,
    HarmRule,
    HarmTest,
    RateCount,
    RateGuardrail,
    RateMonitor,
    SampleRatio,
)

Chance = np.random.Generator
_NONE = RateCount()


@dataclass(frozen=True)
class Traffic:
    """Requests a look, the share of the new arm, and the rate of failures of the old arm and of both in a burst."""

    requests: int = 100
    share: float = 0.5
    rate: float = 0.02
    bursts: float = 0.0


def healthy(monitor: RateMonitor, rng: Chance, traffic: Traffic, *, looks: int, rate: float) -> RateMonitor:
    """The state after so many looks with this rate in the new arm; in a burst, half of all requests fail."""
    for is_burst in rng.random(looks) < traffic.bursts:
        of_new = int(rng.binomial(traffic.requests, traffic.share))
        of_old = traffic.requests - of_new
        rates = (0.5, 0.5) if is_burst else (rate, traffic.rate)
        monitor = monitor.update(
            RateCount(int(rng.binomial(of_new, rates[0])), of_new),
            RateCount(int(rng.binomial(of_old, rates[1])), of_old),
        )
        if monitor.is_harmful:
            break
    return monitor


def requests_until_harmful(rng: Chance, traffic: Traffic, *, looks: int, rate: float) -> tuple[float, float]:
    """Requests of both arms, and of the new one, after which a breach that follows a healthy time is harmful."""
    monitor = healthy(RateMonitor.start(RateGuardrail(0.01)), rng, traffic, looks=looks, rate=traffic.rate)
    of_new = 0
    for request in range(1, 3001):
        if rng.random() < traffic.share:
            of_new += 1
            monitor = monitor.update(RateCount(int(rng.random() < rate), 1), _NONE)
        else:
            monitor = monitor.update(_NONE, RateCount(int(rng.random() < traffic.rate), 1))
        if monitor.is_harmful:
            return request, of_new
    return np.inf, np.inf


def naive_alarm(rng: Chance, *, minutes: int, share: float, rate: float) -> bool:
    """Whether the error rate of five minutes ever exceeds the other arm's by the margin, at 3 requests a minute."""
    of_new = rng.binomial(3, share, minutes)
    new, old = rng.binomial(of_new, rate), rng.binomial(3 - of_new, rate)
    window = np.ones(5)
    sums = [np.convolve(each, window, "valid") for each in (new, of_new, old, 3 - of_new)]
    return bool((sums[0] / np.maximum(sums[1], 1) > sums[2] / np.maximum(sums[3], 1) + 0.01).any())


def calibration(rng: Chance, *, shift: float, exaggeration: float = 1.0, outcomes: int = 5000) -> CalibrationMonitor:
    """The monitor of a model whose probabilities are off by `shift` on average, or too extreme."""
    truth = rng.normal(size=outcomes)
    chance = expit(truth)
    predicted = (expit(exaggeration * truth) - shift).clip(0.001, 0.999)
    observed = rng.random(outcomes) < chance
    return CalibrationMonitor.start(CalibrationGuardrail(margin=0.03)).update(predicted, observed)


def until_miscalibrated(rng: Chance, *, shift: float, outcomes: int = 5000) -> float:
    """The outcomes, in steps of ten, after which a shift of the mean is harmful."""
    chance = expit(rng.normal(size=outcomes))
    observed = rng.random(outcomes) < chance
    monitor = CalibrationMonitor.start(CalibrationGuardrail(margin=0.03))
    for first in range(0, outcomes, 10):
        monitor = monitor.update((chance[first : first + 10] - shift).clip(0, 1), observed[first : first + 10])
        if monitor.verdict == "harmful":
            return first + 10
    return np.inf


def mirrored(case: Case) -> Case:
    """The same pair with the models exchanged."""

    def season(rng: Chance, matches: int) -> Season:
        pair = case(rng, matches)
        return replace(pair, new=pair.old, old=pair.new)

    return season


def spoilt(error: float) -> Case:
    """A live model with far larger errors than its predecessor."""
    return erring(error, 0.4)


def inverted() -> Case:
    """A live model whose classes are exchanged."""

    def season(rng: Chance, matches: int) -> Season:
        pair = erring(0.4, 0.4)(rng, matches)
        return replace(pair, new=expit(-logit(pair.new)))

    return season


def true_gain(case: Case) -> float:
    """The mean gain of a very long run."""
    return float(case(np.random.default_rng(4300), 400_000).gains.values.mean())


def harm(case: Case, rng: Chance, *, mean: float, outcomes: int = 3000) -> tuple[float, bool]:
    """The outcome that shows harm, and whether the interval of the realised gain misses the mean at any of 30 looks."""
    gains, test, is_missed = case(rng, outcomes).gains, HarmTest.start(HarmRule()), False
    for first in range(0, outcomes, outcomes // 30):
        test = test.update(gains.rows(first, first + outcomes // 30))
        _, low, high = test.realised_gain()
        is_missed |= not low <= mean <= high
    return test.harmful_at or np.inf, is_missed


def sample_ratio_found(rng: Chance, share: float, units: int) -> tuple[bool, bool]:
    """Whether the sequence, and one chi-squared test at the end, find a fault at 1 %."""
    arms = rng.random(units) < share
    state = SampleRatio.start([0.5, 0.5]).update(arms.astype(int))
    deviation = abs(arms.mean() - 0.5) / (0.5 / np.sqrt(units))
    return state.p_value <= 0.01, bool(deviation >= 2.5758293035489004)
