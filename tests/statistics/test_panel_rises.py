"""Many series beside each other: one that rises is found, what all share is one rise and no series is blamed for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from touchline.statistics import Rise, find_rises
from touchline.statistics.samples import FloatArray

REFERENCE, COUNT, YEAR = 30, 12, 365


def a_panel(seed: int, *, steps: int = 200, shared: float = 1.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, COUNT)) + shared * rng.normal(size=(steps, 1))


def rises(panel: FloatArray) -> tuple[Rise, ...]:
    return find_rises(panel, reference=REFERENCE, limit=YEAR)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_without_a_change_a_false_rise_is_as_rare_as_promised(shared: float) -> None:
    """The evidence is Gaussian here, so that the promise of one rise a year of each kind is exact."""
    years = 5
    found = [rise for seed in range(years) for rise in rises(a_panel(seed, steps=REFERENCE + YEAR, shared=shared))]
    of_series = sum(rise.series is not None for rise in found)
    assert poisson.sf(max(of_series, len(found) - of_series) - 1, years) > 0.001


def test_a_series_that_rises_is_found_and_the_common_part_is_not_blamed() -> None:
    panel = a_panel(11)
    panel[100:, 3] += 2.0
    first, *others = rises(panel)
    assert (first.series, others) == (3, [])
    assert abs(first.onset - 100) <= 5
    assert first.alarm <= 120


def test_what_is_shared_hides_a_rise_from_an_alarm_that_sees_one_series() -> None:
    """The shared part is five times as large as the rise; it is gone once the series stand beside each other."""
    panel = a_panel(2, shared=5.0)
    panel[100:, 3] += 1.5
    assert [rise.series for rise in rises(panel)][:1] == [3]


def test_a_shock_of_all_is_one_rise_and_no_series_rose() -> None:
    panel = a_panel(12, shared=0.5)
    panel[100:] += 4.0
    (common,) = rises(panel)
    assert (common.series, abs(common.onset - 100) <= 2) == (None, True)


def test_a_series_that_rose_is_watched_at_its_new_level() -> None:
    panel = a_panel(4, steps=300)
    panel[100:, 3] += 3.0
    panel[250:, 3] += 3.0
    assert [rise.series for rise in rises(panel)] == [3, 3]


def test_a_later_step_changes_nothing_before_it() -> None:
    panel = a_panel(5)
    panel[100:, 3] += 3.0
    changed = panel.copy()
    changed[150:] += np.random.default_rng(6).normal(size=(len(panel) - 150, COUNT)) * 9
    assert [r for r in rises(panel) if r.alarm < 150] == [r for r in rises(changed) if r.alarm < 150]


def test_series_without_values_on_some_steps_are_compared() -> None:
    panel = a_panel(7)
    panel[np.random.default_rng(8).random(panel.shape) < 0.3] = np.nan
    panel[100:, 3] += 2.5
    assert [rise.series for rise in rises(panel)] == [3]
