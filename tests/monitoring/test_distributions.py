"""Histograms then and now: shares that are counted by hand, on the bins of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.monitoring import distributions_of
from touchline.statistics import build_profile


def test_numbers_beyond_the_reference_count_in_the_last_bin_and_nulls_beside_the_bins() -> None:
    profile = build_profile(np.arange(100.0)[:, None], names=["age"])
    now = np.array([[3.0], [1_000.0], [-3.0], [np.nan]])
    (age,) = distributions_of(profile, now).columns
    assert (age.now[0], age.now[-1], sum(age.now), age.nulls_now) == (0.5, 0.25, 0.75, 0.25)
    assert (sum(age.then), age.nulls_then) == (pytest.approx(1), 0)
    assert len(age.edges) == len(age.then) + 1


def test_a_level_that_the_reference_lacks_counts_as_other() -> None:
    profile = build_profile([[0.0], [0.0], [0.0], [1.0]], names=["team"], levels={"team": ["red", "blue"]})
    (team,) = distributions_of(profile, np.array([[1.0], [-1.0]])).columns
    assert team.levels == ("red", "blue", "other")
    assert (team.then, team.now) == ((0.75, 0.25, 0.0), (0.0, 0.5, 0.5))


def test_a_slice_counts_its_own_rows_on_both_sides_where_the_sample_knows_it() -> None:
    profile = build_profile(
        [[0.0, 5.0], [1.0, 7.0], [1.0, 9.0]], names=["team", "age"], levels={"team": ["red", "blue"]}
    )
    found = distributions_of(profile, np.array([[0.0, 5.0], [1.0, 9.0]]), "team=blue")
    assert (found.rows_then, found.rows_now, found.columns[0].levels[0]) == (2, 1, "blue")
    assert found.columns[0].then == (1.0, 0.0, 0.0)
    unknown = distributions_of(profile, np.array([[0.0, 5.0]]), "age=5")
    assert (unknown.columns, "age is no category column of the model" in unknown.message) == ((), True)


def test_without_a_row_now_nothing_is_compared() -> None:
    profile = build_profile([[1.0], [2.0]], names=["age"])
    found = distributions_of(profile, np.empty((0, 1)))
    assert (found.rows_then, found.rows_now, found.columns) == (2, 0, ())
    assert found.message == "The newest drift check has no prediction."
