from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from touchline.rehearsal.seasons import error_of_ratio, error_of_sum, season_name, season_of_steps, sums_by_season
from touchline.rehearsal.stepped_run import Steps

STEPS = Steps(datetime(2001, 7, 1, tzinfo=UTC), datetime(2004, 7, 1, tzinfo=UTC), timedelta(days=7))


def test_a_season_is_a_year_from_the_first_step() -> None:
    seasons = season_of_steps(STEPS, 2, 60)
    assert (seasons == 0).sum() == 53 - 2
    assert [season_name(STEPS, season) for season in (0, 1)] == ["2001/02", "2002/03"]


def test_a_short_season_at_the_end_joins_the_one_before() -> None:
    assert sums_by_season(np.ones(9), np.array([3, 3, 3, 3, 4, 4, 4, 4, 5])).tolist() == [4.0, 5.0]
    assert sums_by_season(np.ones(6), np.array([0, 0, 0, 1, 1, 1])).tolist() == [3.0, 3.0]
    assert sums_by_season(np.ones(3), np.array([0, 0, 1])).tolist() == [2.0, 1.0]


def test_the_errors_are_those_of_hand_arithmetic() -> None:
    assert error_of_sum(np.array([1.0, 3.0])) == pytest.approx(2.0)  # sqrt(2) * sd, and sd = sqrt(2)
    # Without the first 3 / 4, without the second 1 / 2: the jackknife takes half of the summed squares from the mean.
    assert error_of_ratio(np.array([1.0, 3.0]), np.array([2.0, 4.0])) == pytest.approx(0.125)
    assert error_of_sum(np.array([1.0])) is None
    assert error_of_ratio(np.array([1.0]), np.array([2.0])) is None
