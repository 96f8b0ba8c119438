"""Column by column: chance is not drift, drift is found, clusters do not fool the tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import build_profile, check_columns
from touchline.statistics.samples import FloatArray

NAMES = ("elo", "goals", "ground")
LEVELS = {"ground": ["home", "away", "neutral"]}


def some_rows(rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> np.ndarray:
    return np.column_stack([rng.normal(shift, 1, rows), rng.poisson(1.4, rows), rng.integers(0, 3, rows)]).astype(float)


def test_the_reference_itself_has_not_drifted() -> None:
    rows = some_rows(np.random.default_rng(1), 500)
    profile = build_profile(rows, names=NAMES, levels=LEVELS)
    for column in check_columns(profile, rows):
        assert (column.psi, column.distance) == pytest.approx((0.0, 0.0), abs=1e-9)
        assert column.p_value > 0.9


def test_a_shifted_column_is_found_and_measured() -> None:
    rng = np.random.default_rng(2)
    profile = build_profile(some_rows(rng, 3000), names=NAMES, levels=LEVELS)
    elo, goals, ground = check_columns(profile, some_rows(rng, 600, shift=1.0))
    assert elo.p_adjusted < 1e-6
    assert elo.psi > 0.25
    assert elo.distance == pytest.approx(1.0, abs=0.15)
    assert min(goals.p_adjusted, ground.p_adjusted) > 0.01


def test_new_levels_and_vanished_values_are_drift() -> None:
    rng = np.random.default_rng(3)
    profile = build_profile(some_rows(rng, 2000), names=NAMES, levels=LEVELS)
    rows = some_rows(rng, 400)
    rows[:200, 1] = np.nan
    rows[:200, 2] = -1
    elo, goals, ground = check_columns(profile, rows)
    assert max(goals.p_adjusted, ground.p_adjusted) < 1e-4 < elo.p_adjusted
    assert (ground.new_levels, goals.reference_nulls) == (200, 0)
    assert (goals.rows, goals.nulls) == (200, 200)
    assert ground.distance == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("is_clustered", [False, True])
def test_no_drift_alarms_at_most_at_the_stated_rate(is_clustered: bool) -> None:
    runs, alarms = 60, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        level = np.repeat(rng.normal(size=(160, 3)) * is_clustered, 5, axis=0)
        rows = np.column_stack([rng.normal(size=(800, 2)) + level[:, :2], rng.normal(size=800) + level[:, 2] > 0])
        labels = np.repeat(np.arange(160), 5) if is_clustered else np.arange(800)
        profile = build_profile(rows[:600], names=["a", "b", "c"], levels={"c": ["no", "yes"]}, clusters=labels[:600])
        found = check_columns(profile, rows[600:], labels[600:], seed=seed)
        alarms += any(column.p_adjusted <= 0.05 for column in found)
    assert binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.001


def test_permuting_clusters_finds_what_is_there() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(200), 5)
    profile = build_profile(some_rows(rng, 1000), names=NAMES, levels=LEVELS, clusters=labels)
    elo, goals, _ = check_columns(profile, some_rows(rng, 200, shift=0.8), labels[:200])
    assert elo.p_adjusted <= 0.01 < goals.p_adjusted


def days_of_rows(rng: np.random.Generator, sizes: list[int], columns: int) -> tuple[FloatArray, list[int]]:
    """Rows of which those of a day resemble each other, and the number of the day of each row."""
    days = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=(len(sizes), columns))[days] + rng.normal(size=(len(days), columns)), days.tolist()


@pytest.mark.parametrize("fault", [np.nan, 300.0])
def test_a_window_of_one_day_finds_a_column_that_vanished_or_left_its_range(fault: float) -> None:
    """One day against 50 can be dealt in 51 ways: shares of dealings alone never pass a test of 20 columns."""
    rows, days = days_of_rows(np.random.default_rng(1), [20] * 50 + [200], 20)
    rows[::9] = np.nan
    profile = build_profile(rows[:1000], names=[f"c{at}" for at in range(20)], clusters=days[:1000])
    rows[1000:, 0] += fault
    first, *others = check_columns(profile, rows[1000:], days[1000:])
    assert first.p_adjusted < 1e-3
    assert min(other.p_adjusted for other in others) > 0.05


def test_a_day_of_fewer_rows_than_those_of_the_reference_is_no_drift() -> None:
    """The mean of 20 rows varies more than those of 100: such a day is the most different one too often."""
    alarms, runs = 0, 20
    for seed in range(runs):
        rows = np.random.default_rng(seed).normal(size=(5_220, 8))
        days = np.repeat(np.arange(53), [100] * 52 + [20])
        profile = build_profile(rows[:5_200], names=[f"c{at}" for at in range(8)], clusters=days[:5_200])
        alarms += any(column.p_adjusted <= 0.05 for column in check_columns(profile, rows[5_200:], days[5_200:]))
    assert binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.001


def test_a_column_without_values_is_judged_by_its_nulls() -> None:
    rows = some_rows(np.random.default_rng(5), 300)
    rows[:, 0] = np.nan
    profile = build_profile(rows, names=NAMES, levels=LEVELS)
    assert check_columns(profile, rows)[0].p_value == 1.0
    filled = rows.copy()
    filled[:, 0] = 1.0
    assert check_columns(profile, filled)[0].p_value < 1e-6
    assert check_columns(profile, filled, np.arange(300) // 3)[0].p_value < 0.01


def test_other_columns_are_refused() -> None:
    profile = build_profile([[1.0], [2.0]], names=["x"])
    with pytest.raises(InvalidSample, match=r"shape \(1, 2\). Allowed: rows of the 1 columns"):
        check_columns(profile, [[1.0, 2.0]])


def test_rare_nulls_rare_levels_and_rare_values_do_not_alarm() -> None:
    """Limits of large samples would alarm in 20 to 40 % of these windows."""
    runs, alarms = 40, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        numbers = rng.normal(size=(2300, 20))
        numbers[rng.random(numbers.shape) < 0.002] = np.nan
        rare = np.where(rng.random((2300, 10)) < 0.002, rng.normal(size=(2300, 10)), 0.0)
        levels = (rng.random((2300, 10)) < 0.002).astype(float)
        names = [f"c{at}" for at in range(40)]
        rows = np.hstack([numbers, rare, levels])
        profile = build_profile(rows[:2000], names=names, levels=dict.fromkeys(names[30:], ("usual", "rare")))
        alarms += any(column.p_adjusted <= 0.05 for column in check_columns(profile, rows[2000:]))
    assert binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.001


def test_numbers_outside_of_the_reference_are_counted() -> None:
    profile = build_profile(np.linspace(0, 1, 200)[:, None], names=["x"])
    rows = np.linspace(0, 1, 100)[:, None]
    rows[:3], rows[3], rows[4] = 7.0, np.nan, np.inf
    (column,) = check_columns(profile, rows)
    assert (column.out_of_range, column.nulls, column.reference_nulls) == (3, 2, 0.0)


def test_nulls_and_numbers_out_of_range_are_counted_over_all_rows() -> None:
    rng = np.random.default_rng(8)
    profile = build_profile(some_rows(rng, 2000), names=NAMES, levels=LEVELS)
    rows = np.clip(some_rows(rng, 200_001), -2, 2)
    rows[1, 0], rows[2, 0], rows[5, 0], rows[4, 1], rows[7, 2] = np.nan, 1e6, np.inf, -5.0, -1
    elo, goals, ground = check_columns(profile, rows)
    assert (elo.nulls, elo.out_of_range, elo.rows) == (2, 1, 199_999)
    assert (goals.nulls, goals.out_of_range) == (0, 1)
    assert (ground.new_levels, ground.rows) == (1, 200_001)
