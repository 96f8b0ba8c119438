"""The declared end of a test: the reserved alpha decides once, by a t-test of units or of clusters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from scipy.stats import binomtest, ttest_1samp

from touchline.errors import InvalidSample
from touchline.statistics import (
    Gains,
    TwoWitnesses,
    Verdict,
    WitnessRule,
    day_gains,
    decide_at_end,
    decide_at_end_by_cluster,
    paired_gains,
)


def erring(seed: int, new: float, old: float, matches: int = 1200) -> Gains:
    """Gains of models whose logits err by normal noise of these sizes."""
    rng = np.random.default_rng([41, seed])
    truth, noise = rng.normal(size=matches), rng.normal(size=(2, matches))
    return paired_gains(
        expit(truth + new * noise[0]), expit(truth + old * noise[1]), rng.random(matches) < expit(truth)
    )


def decide(gains: Gains, **rule: float) -> TwoWitnesses:
    return TwoWitnesses.start(WitnessRule(**rule)).update(gains)  # type: ignore[arg-type]  # a float as target


def test_the_end_is_the_paired_t_test_of_scipy_at_the_reserved_alpha() -> None:
    gains = erring(1, 0.5, 0.6)
    end = decide_at_end(decide(gains, reserved=0.4))
    expected = ttest_1samp(gains.values, 0, alternative="greater")
    interval = ttest_1samp(gains.values, 0).confidence_interval(0.96)
    assert end.alpha == pytest.approx(0.02)
    assert end.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (end.low, end.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_the_error_by_cluster_is_that_of_statsmodels() -> None:
    gains, days = erring(2, 0.5, 0.6), np.arange(1200) // 7
    fit = sm.OLS(gains.values, np.ones(1200)).fit(cov_type="cluster", cov_kwds={"groups": days}, use_t=True)
    end = decide_at_end_by_cluster(decide(gains), gains.values, days)
    low, high = fit.conf_int(0.02)[0]
    assert end.units == 172
    assert (end.low, end.high) == pytest.approx((low, high), rel=1e-6)


def test_the_end_finds_more_than_the_sequence_and_keeps_its_verdict() -> None:
    states = [decide(erring(seed, 0.5, 0.8)) for seed in range(40)]
    ends = [decide_at_end(state) for state in states]
    early = [state.verdict for state in states]
    assert [end.verdict for end in ends].count("better") > early.count("better") > 5
    for state, end in zip(states, ends, strict=True):
        assert end.decided_by == ("end" if state.verdict == "undecided" else "sequence")
        assert state.verdict in ("undecided", end.verdict)


def test_equal_models_are_rarely_found_different_with_the_end() -> None:
    verdicts = [decide_at_end(decide(erring(seed, 0.5, 0.5))).verdict for seed in range(150)]
    for wrong in ("better", "worse"):
        assert binomtest(verdicts.count(wrong), 150, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(("new", "old", "expected"), [(0.5, 0.75, "better"), (0.75, 0.5, "worse")])
def test_a_large_difference_is_decided_at_the_end(new: float, old: float, expected: Verdict) -> None:
    state = decide(erring(5, new, old, 3000), alpha=0.05, reserved=0.999)
    assert (state.verdict, decide_at_end(state).verdict) == ("undecided", expected)


def test_models_within_the_margin_are_equivalent_at_the_end() -> None:
    state = decide(erring(1, 0.4, 0.4), margin=0.02, reserved=0.999)
    assert (state.verdict, decide_at_end(state).verdict) == ("undecided", "equivalent")


def test_nothing_is_decided_where_rare_losses_decide_the_mean() -> None:
    gains = paired_gains(np.full(400, 0.001), np.full(400, 0.008), np.zeros(400), clip=1e-4)
    end = decide_at_end(decide(gains))
    assert (end.verdict, end.p_value, end.low) == ("undecided", 1.0, -np.inf)


def test_too_few_units_or_clusters_decide_nothing() -> None:
    gains = erring(1, 0.2, 2.0, 100)
    assert decide_at_end(decide(gains.rows(0, 20))).verdict == "undecided"
    clusters = np.arange(100) // 4
    assert decide_at_end_by_cluster(decide(gains), gains.values, clusters).low == -np.inf
    assert decide_at_end(decide(day_gains(gains, clusters))).low == -np.inf


def test_without_a_reserve_the_end_decides_nothing() -> None:
    state = decide(erring(6, 0.5, 0.7), reserved=0.0)
    assert state.rule.sequence_alpha == 0.05
    assert decide_at_end(state).verdict == state.verdict
    assert decide_at_end(state).low == -np.inf


def test_a_stored_state_gives_the_same_end() -> None:
    state = decide(erring(3, 0.5, 0.6), margin=0.02, reserved=0.3)
    assert decide_at_end(TwoWitnesses.from_json(json.loads(json.dumps(state.to_json())))) == decide_at_end(state)


def test_other_values_than_those_counted_are_refused() -> None:
    gains = erring(1, 0.5, 0.5)
    with pytest.raises(InvalidSample, match="the 1200 gains that the sequence has counted"):
        decide_at_end_by_cluster(decide(gains), gains.values + 1, np.arange(1200))


def test_a_reserve_of_all_alpha_is_refused() -> None:
    with pytest.raises(InvalidSample, match="reserved 1"):
        WitnessRule(reserved=1.0)
