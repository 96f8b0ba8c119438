"""The measured inflation is that of theory, and tests of dependent rows stay valid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from touchline.statistics import Inflation, build_profile, check_columns, inflation_of, measure_inflation


def autoregression(rng: np.random.Generator, rows: int, columns: int, rho: float = 0.9) -> np.ndarray:
    noise = rng.normal(size=(rows + 200, columns)) * np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=0))[200:]


def test_the_inflation_of_an_autoregression_grows_to_that_of_theory() -> None:
    measured = measure_inflation(autoregression(np.random.default_rng(1), 60_000, 1))
    rho, length = 0.9, 64
    lags = np.arange(1, length)
    theory = 1 + 2 * ((1 - lags / length) * rho**lags).sum()
    assert measured[6] == pytest.approx(theory, rel=0.1)


def test_independent_rows_have_no_inflation() -> None:
    flags = [measure_inflation(np.random.default_rng(seed).normal(size=(4000, 1))) for seed in range(50)]
    assert sum(bool(flag) for flag in flags) <= 1


def test_rare_events_are_no_dependence() -> None:
    flags = [
        measure_inflation((np.random.default_rng(seed).random((4000, 1)) < 0.002).astype(float)) for seed in range(50)
    ]
    assert sum(bool(flag) for flag in flags) <= 2


def test_a_window_longer_than_any_measured_block_uses_the_last_growth() -> None:
    trend = np.linspace(0, 1, 4096)[:, None]
    profile = build_profile(trend, names=["x"])
    short, long = (inflation_of(profile, profile.columns[0].inflation, rows).factor for rows in (100, 1000))
    assert long > 5 * short


def test_a_slow_rhythm_is_measured_in_long_blocks() -> None:
    rows = np.random.default_rng(1).normal(size=14_400) + np.sin(2 * np.pi * np.arange(14_400) / 4_800)
    measured = measure_inflation(rows[:, None])
    length = 1_024
    mean_of_block = np.sinc(length / 4_800) ** 2 / 2
    assert measured[10] == pytest.approx((1 + length * mean_of_block) / 1.5, rel=0.25)


def test_a_deflated_p_value_is_that_of_a_smaller_statistic() -> None:
    assert Inflation(4.0).p_value(2 * 0.0013498980316301) == pytest.approx(2 * 0.0668072012688581)
    assert Inflation(4.0).chi_squared_p_value(4 * 7.814727903251179, 3) == pytest.approx(0.05)
    assert Inflation(1.0, 10).p_value(0.01) > 0.02


def test_dependent_rows_do_not_alarm_and_a_large_shift_still_does() -> None:
    alarms = shifted = 0
    for seed in range(20):
        rows = autoregression(np.random.default_rng(seed), 6000, 5)
        profile = build_profile(rows[:5000], names=list("abcde"))
        alarms += any(column.p_adjusted <= 0.05 for column in check_columns(profile, rows[5000:5300]))
        shifted += check_columns(profile, rows[5000:5300] + np.array([2.0, 0, 0, 0, 0]))[0].p_adjusted <= 0.05
    assert alarms <= 4
    assert shifted >= 18
