"""A guardrail of a rate over a whole rollout: a late breach is found soon, chance and bursts are not."""

from __future__ import annotations

import json
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchline.statistics import RateCount, RateGuardrail, RateMonitor, compare_rates
from touchline.statistics.rate_monitor import RateStart
from touchline.statistics.rate_sequence import harm_evidence, harm_evidence_at_most

counts = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda pair: RateCount(min(pair), max(pair)))


def after(rng: np.random.Generator, rate: float, *, looks: int, requests: int = 50, bursts: float = 0.0) -> RateMonitor:
    """The state after looks with this rate in the new arm and 2 % in the old one; in a burst half of all fail."""
    return more(RateMonitor.start(RateGuardrail(0.01)), rng, rate, looks=looks, requests=requests, bursts=bursts)


def more(
    monitor: RateMonitor,
    rng: np.random.Generator,
    rate: float,
    *,
    looks: int,
    requests: int = 50,
    bursts: float = 0.0,
) -> RateMonitor:
    for is_burst in rng.random(looks) < bursts:
        new, old = rng.binomial(requests, (0.5, 0.5) if is_burst else (rate, 0.02)).tolist()
        monitor = monitor.update(RateCount(new, requests), RateCount(old, requests))
    return monitor


def test_a_late_breach_is_found_within_two_hundred_requests() -> None:
    for seed in range(10):
        rng = np.random.default_rng([44, seed])
        healthy = after(rng, 0.02, looks=400)
        assert healthy.verdict == "harmless"
        assert more(healthy, rng, 0.5, looks=20, requests=10).verdict == "harmful"


def test_the_counts_since_the_first_request_alone_do_not_find_it() -> None:
    monitor = after(np.random.default_rng(45), 0.02, looks=400)
    later = more(monitor, np.random.default_rng(46), 0.5, looks=20, requests=10)
    assert compare_rates(later.total.new, later.total.old, RateGuardrail(0.01)) != "harmful"


@pytest.mark.parametrize(("rate", "bursts"), [(0.02, 0.0), (0.03, 0.0), (0.02, 0.02)])
def test_a_rate_within_the_margin_does_not_abort(rate: float, bursts: float) -> None:
    seeds = [np.random.default_rng([47, seed]) for seed in range(30)]
    assert sum(after(rng, rate, looks=300, requests=15, bursts=bursts).is_harmful for rng in seeds) <= 2


def test_few_events_wait() -> None:
    monitor = RateMonitor.start(RateGuardrail(0.01)).update(RateCount(4, 4), RateCount(0, 500))
    assert monitor.verdict == "undecided"
    assert monitor.p_value == 1.0
    assert monitor.update(RateCount(4, 4), RateCount(0, 500)).verdict == "harmful"


def test_harm_stays() -> None:
    rng = np.random.default_rng(48)
    harmful = after(rng, 0.6, looks=5)
    assert harmful.is_harmful
    assert more(harmful, rng, 0.0, looks=100).verdict == "harmful"


def test_the_stakes_of_all_starts_are_at_most_the_capital_and_few_are_retained() -> None:
    nothing = RateCount()
    stakes = [exp(RateStart(number, nothing, nothing).log_stake) for number in range(20_000)]
    assert 0.9 < sum(stakes) <= 1
    monitor = after(np.random.default_rng(49), 0.02, looks=1500)
    numbers = [start.number for start in monitor.starts]
    assert monitor.opened == 1500
    assert numbers[0] == 0
    assert numbers[-5:] == [1495, 1496, 1497, 1498, 1499]
    assert len(numbers) < 60


def test_each_start_has_the_counts_since_it() -> None:
    monitor = after(np.random.default_rng(50), 0.02, looks=40)
    for start in monitor.starts:
        assert start.new.trials == start.old.trials == 50 * (40 - start.number)


def test_the_p_value_is_that_of_the_weighted_evidence_since_each_start() -> None:
    monitor = after(np.random.default_rng(51), 0.2, looks=3)
    capital = sum(
        exp(start.log_stake + harm_evidence(start.new, start.old, 0.01))
        for start in monitor.starts
        if start.new.events + start.old.events >= 5 and start.new.events / 50 > start.old.events / 50 + 0.01
    )
    assert monitor.p_value == pytest.approx(min(1.0, 1 / capital))


@settings(max_examples=60)
@given(counts, counts, st.sampled_from([0.0, 0.01, 0.2]))
def test_the_quick_bound_is_never_below_the_evidence(new: RateCount, old: RateCount, margin: float) -> None:
    if new.events / new.trials > old.events / old.trials + margin:
        assert harm_evidence_at_most(new, old, margin) >= harm_evidence(new, old, margin) - 1e-9


def test_a_stored_state_goes_on() -> None:
    monitor = after(np.random.default_rng(52), 0.02, looks=60)
    assert RateMonitor.from_json(json.loads(json.dumps(monitor.to_json()))) == monitor
