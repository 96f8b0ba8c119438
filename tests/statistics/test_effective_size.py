"""The effective size: the count for equal values, few where few values carry the spread."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.statistics import EffectiveSize


def test_equal_values_count_in_full_and_batches_add_up() -> None:
    ones = np.ones(40)
    state, path = EffectiveSize().update(ones * 0.2, ones, ones)
    assert path == pytest.approx(np.arange(1, 41))
    assert state.update(ones[:10] * 0.2, ones[:10], ones[:10])[0].smaller == pytest.approx(50)


def test_two_disasters_in_a_thousand_events_have_a_size_near_two() -> None:
    values = np.full(1000, 0.001)
    values[[200, 700]] = -5
    assert EffectiveSize().update(values, np.ones(1000), np.ones(1000))[0].smaller == pytest.approx(2, abs=0.01)


def test_disasters_that_could_have_occurred_count() -> None:
    # An event that loses 3 at a rate of 1 % has expected powers of 0.09 and 0.81.
    calm = EffectiveSize().update(np.full(1000, 0.01), np.full(1000, 0.09), np.full(1000, 0.81))[0]
    assert calm.smaller == pytest.approx(10)


def test_no_value_at_all_leaves_nothing_uncertain() -> None:
    zeros = np.zeros(3)
    assert EffectiveSize().update(zeros, zeros, zeros)[0].smaller == np.inf
