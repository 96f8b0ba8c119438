"""Two-sample tests and effect sizes, against SciPy and hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from touchline.statistics import chi_squared, kolmogorov_smirnov, mann_whitney, psi, psi_of_numbers, wasserstein

numbers = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=60).map(np.array)


@given(numbers, numbers)
def test_mann_whitney_is_that_of_scipy_with_ties(a: np.ndarray, b: np.ndarray) -> None:
    if len(np.unique(np.r_[a, b])) == 1:
        assert mann_whitney(a, b) == 1.0
    else:
        assert mann_whitney(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)


def test_kolmogorov_smirnov_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.1, 0.3):
        a, b = rng.normal(size=400), rng.normal(shift, size=300)
        assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b, method="exact").pvalue, abs=0.04)


def test_chi_squared_is_that_of_scipy() -> None:
    before, after = np.array([50.0, 30, 20]), np.array([20.0, 30, 10])
    expected = stats.chi2_contingency(np.vstack([before, after]), correction=False).pvalue
    assert chi_squared(before, after) == pytest.approx(expected)


def test_rare_levels_are_pooled_and_unused_ones_dropped() -> None:
    """The pooled level expects 3.8 rows: the p-value is that of SciPy's permutation of the pooled table."""
    pooled = stats.chi2_contingency(
        [[50, 40, 3], [25, 20, 9]], correction=False, method=stats.PermutationMethod(n_resamples=20_000, rng=1)
    ).pvalue
    exact = chi_squared(np.array([50.0, 40, 1, 2, 0]), np.array([25.0, 20, 4, 5, 0]))
    assert exact == pytest.approx(pooled, abs=0.01)
    assert chi_squared(np.array([5.0, 0]), np.array([7.0, 0])) == 1.0
    assert chi_squared(np.array([5.0, 5]), np.array([0.0, 0])) == 1.0


def test_two_rare_levels_are_tested_by_fisher() -> None:
    expected = stats.fisher_exact([[9995, 5], [296, 4]]).pvalue
    assert chi_squared(np.array([9995.0, 5]), np.array([296.0, 4])) == pytest.approx(expected)


def test_an_almost_constant_column_is_tested_by_permutation() -> None:
    """Of 10,000 rows 20 are not 0, of 500 rows 4: the limit of large samples gives a p-value of 0.007."""
    reference, current = np.zeros(10_000), np.zeros(500)
    reference[:20], current[:5] = np.arange(1, 21), np.arange(1, 6)
    exact = stats.hypergeom.sf(4, 10_500, 25, 500)
    assert stats.mannwhitneyu(reference, current, method="asymptotic").pvalue < 0.001 < exact
    assert mann_whitney(reference, current) == pytest.approx(exact, rel=0.4)


def test_p_values_of_tied_values_are_valid() -> None:
    rng = np.random.default_rng(5)
    runs = 400
    found = [
        [test(rng.poisson(1.0, 300).astype(float), rng.poisson(1.0, 80).astype(float)) <= 0.05 for test in both]
        for both in [(mann_whitney, kolmogorov_smirnov)] * runs
    ]
    for alarms in np.sum(found, axis=0):
        assert stats.binomtest(int(alarms), runs, 0.05, alternative="greater").pvalue > 0.001


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 7))
def test_psi_of_a_sample_with_itself_is_zero(counts: list[int], times: int) -> None:
    assert psi(counts, counts) == 0.0
    assert psi(counts, np.array(counts) * times) == pytest.approx(0.0, abs=1e-12)


@given(numbers)
def test_psi_of_numbers_with_themselves_is_zero(values: np.ndarray) -> None:
    assert psi_of_numbers(values, values) == 0.0


def test_psi_is_the_sum_worked_by_hand() -> None:
    # (0.25 - 0.5) ln(0.25 / 0.5) + (0.75 - 0.5) ln(0.75 / 0.5) = 0.173287 + 0.101366
    assert psi([500_000, 500_000], [250_000, 750_000]) == pytest.approx(0.274653, abs=1e-4)
    assert 0 < psi([10, 0], [0, 10]) < 20


def test_psi_of_numbers_sees_nulls() -> None:
    full = np.arange(1000.0)
    holed = np.where(full < 500, np.nan, full)
    assert psi_of_numbers(full, full[::2]) < 0.01
    assert psi_of_numbers(full, holed) > 0.25


@given(numbers, numbers)
def test_wasserstein_is_that_of_scipy(a: np.ndarray, b: np.ndarray) -> None:
    assert wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-9)
