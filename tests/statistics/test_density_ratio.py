"""Rows of two samples are told apart where they differ, jointly too, and weights turn one into the other."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.statistics import row_shift


def test_equal_rows_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    found = row_shift(rng.normal(size=(800, 4)), rng.normal(size=(400, 4)))
    assert abs(found.auc - 0.5) < 0.05
    assert found.p_value > 0.01


def test_a_changed_correlation_is_found_though_no_column_changed() -> None:
    rng = np.random.default_rng(2)
    old, new = rng.normal(size=(1500, 2)), rng.normal(size=(800, 2))
    new[:, 1] = 0.8 * new[:, 0] + 0.6 * new[:, 1]
    assert row_shift(old, new).p_value < 1e-4


def test_weighted_reference_rows_have_the_new_mean() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=(3000, 2)), rng.normal([0.7, 0.0], 1, size=(1500, 2))
    found = row_shift(old, new)
    weighted = np.average(old[:, 0], weights=found.weights)
    assert weighted == pytest.approx(0.7, abs=0.15)
    assert found.weights.mean() == pytest.approx(1)
    assert found.effective_rows < 3000


def test_rows_of_few_clusters_count_as_few() -> None:
    rng = np.random.default_rng(4)
    days = np.repeat(np.arange(60), 20)
    level = rng.normal(size=(60, 3))[days]
    rows = level + 0.3 * rng.normal(size=level.shape)
    assert row_shift(rows[:800], rows[800:], clusters=(days[:800], days[800:])).p_value > 0.001


def test_a_handful_of_rows_is_never_a_shift() -> None:
    found = row_shift(np.zeros((100, 1)), np.ones((1, 1)))
    assert (found.auc, found.p_value) == (0.5, 1.0)
