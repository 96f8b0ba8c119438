"""Better by luck does not pass; better by much does; too little says how much more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest, nct, t, ttest_1samp, ttest_rel

from touchline.errors import InvalidSample, TooFewClusters
from touchline.statistics import paired_comparison


def paired_losses(seed: int, *, gain: float = 0.0, clusters: int = 150, rho: float = 0.4) -> tuple[np.ndarray, ...]:
    """Losses of two models on rows in clusters; neighbouring clusters favour the same model."""
    rng = np.random.default_rng(seed)
    favour = rng.normal(size=clusters)
    for at in range(1, clusters):
        favour[at] = rho * favour[at - 1] + np.sqrt(1 - rho**2) * favour[at]
    labels = np.repeat(np.arange(clusters), rng.integers(1, 10, clusters))
    common = rng.exponential(size=len(labels))
    return common + 0.1 * favour[labels] + 0.2 * rng.normal(size=len(labels)) - gain, common, labels


def test_a_model_that_is_no_better_passes_in_no_more_than_alpha() -> None:
    runs = 100
    passed = sum(paired_comparison(*paired_losses(seed), seed=seed).is_better for seed in range(runs))
    assert binomtest(passed, runs, 0.05, alternative="greater").pvalue > 0.001


def test_a_model_that_is_better_is_found() -> None:
    found = [paired_comparison(*paired_losses(seed, gain=0.06)).is_better for seed in range(20)]
    assert sum(found) >= 18


def test_independent_rows_get_the_p_value_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=3000), rng.normal(0.03, size=3000)
    found = paired_comparison(a, b, None)
    assert found.p_value == pytest.approx(ttest_rel(a, b, alternative="less").pvalue, abs=0.04)
    assert found.difference == pytest.approx((a - b).mean())


def test_the_upper_bound_and_the_p_value_decide_alike() -> None:
    for seed in range(40):
        found = paired_comparison(*paired_losses(seed, gain=0.02, clusters=60))
        assert found.is_better == (found.high < 0)


def test_too_few_clusters_say_how_many_more() -> None:
    with pytest.raises(TooFewClusters, match=r"12 clusters .* 30 are needed. Wait for 18 more"):
        paired_comparison(np.zeros(12), np.ones(12), None)


def test_an_undecided_comparison_says_how_many_clusters_it_needs() -> None:
    by_chance = paired_comparison(*paired_losses(3, clusters=60)).difference
    found = paired_comparison(*paired_losses(3, gain=by_chance + 0.015, clusters=60))
    assert not found.is_better
    assert found.difference == pytest.approx(-0.015)
    assert found.needed is not None
    assert found.missing == found.needed - 60 > 0
    # Twice the difference would need a quarter.
    doubled = paired_comparison(*paired_losses(3, gain=by_chance + 0.03, clusters=60))
    assert doubled.needed == pytest.approx(found.needed / 4, abs=1)


def test_a_worse_model_is_not_told_to_wait() -> None:
    found = paired_comparison(*paired_losses(3, gain=-0.3))
    assert (found.is_better, found.needed, found.missing) == (False, None, None)


def test_equal_losses_are_no_improvement() -> None:
    losses = np.random.default_rng(1).random(50)
    assert paired_comparison(losses, losses, None).p_value == 1.0


def test_a_small_alpha_gets_the_resamples_to_reach_it() -> None:
    alpha = 0.0005
    found = paired_comparison(*paired_losses(1, gain=0.5), alpha=alpha)
    assert found.is_better
    assert found.resamples >= 20 / alpha


def test_losses_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidSample, match="40 values of which 1 are NaN or infinite"):
        paired_comparison(np.r_[np.nan, np.ones(39)], np.ones(40), None)


def test_the_order_of_independent_rows_decides_nothing() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.exponential(size=300), rng.exponential(1.1, size=300)
    worst_first = np.argsort(a - b)
    shuffled = paired_comparison(a, b, None, dependence="none")
    in_order = paired_comparison(a[worst_first], b[worst_first], None, dependence="none")
    assert in_order.p_value == shuffled.p_value
    assert in_order.high == pytest.approx(shuffled.high, abs=1e-12)
    assert paired_comparison(a[worst_first], b[worst_first], None).p_value != shuffled.p_value


def test_independent_rows_lose_no_power_to_blocks() -> None:
    samples = [np.random.default_rng(seed) for seed in range(120)]
    pairs = [(rng.normal(size=80), rng.normal(0.45, size=80)) for rng in samples]
    passed = sum(paired_comparison(a, b, None, dependence="none").is_better for a, b in pairs)
    by_t_test = sum(ttest_rel(a, b, alternative="less").pvalue <= 0.05 for a, b in pairs)
    assert abs(passed - by_t_test) <= 4


def test_independent_rows_that_are_no_better_pass_in_no_more_than_alpha() -> None:
    samples = [np.random.default_rng([9, seed]) for seed in range(200)]
    pairs = [(rng.exponential(size=60), rng.exponential(size=60)) for rng in samples]
    passed = sum(paired_comparison(a, b, None, dependence="none").is_better for a, b in pairs)
    assert binomtest(passed, len(pairs), 0.05, alternative="greater").pvalue > 0.001


def test_many_clusters_are_compared_by_the_normal_limit() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=200_000), rng.normal(0.005, size=200_000)
    comparison = paired_comparison(a, b, None, dependence="none")
    assert comparison.p_value == pytest.approx(ttest_rel(a, b, alternative="less").pvalue, abs=0.002)


def test_independent_rows_are_compared_with_the_power_of_the_t_test_and_the_comparison_says_which() -> None:
    """A gain at which a t-test of 60 rows is expected to say yes in 80 % of the samples, and 200 samples of it."""
    rng, rows, runs = np.random.default_rng(11), 60, 200
    gain = nct_gain(rows)
    samples = rng.normal(-gain, 1.0, (runs, rows))
    by_t = ttest_1samp(samples, 0.0, axis=1, alternative="less").pvalue <= 0.05
    found = [paired_comparison(sample, np.zeros(rows), None, dependence="none") for sample in samples]
    by_bootstrap = np.array([one.is_better for one in found])
    assert by_bootstrap.mean() >= by_t.mean() - 0.03
    assert (by_bootstrap == by_t).mean() >= 0.95
    assert np.median([one.detectable for one in found]) == pytest.approx(gain, rel=0.05)


def nct_gain(rows: int) -> float:
    """The mean, in standard deviations, that a one-sided t-test at 5 % finds in 80 % of the samples."""
    critical = t.ppf(0.95, rows - 1)
    return float(brentq(lambda gain: nct.sf(critical, rows - 1, gain * rows**0.5) - 0.8, 0.01, 2.0))
