"""Gains of predicted numbers: right by hand, within their range, and no false promotion of an equal model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import TwoWitnesses, WitnessRule, value_gains

NUMBERS = st.floats(-50, 50)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(-200, 200)), min_size=1, max_size=20),
    st.sampled_from(["mse", "mae"]),
)
def test_a_gain_lies_in_the_range_that_is_known_before_the_outcome(
    rows: list[tuple[float, float, float]], loss: str
) -> None:
    new, old, outcomes = (np.array(column) for column in zip(*rows, strict=True))
    gains = value_gains(new, old, outcomes, bounds=(-100.0, 100.0), spread=10.0, loss=loss)  # type: ignore[arg-type]
    observed = outcomes.clip(-100, 100)
    by_hand = (
        (observed - old) ** 2 - (observed - new) ** 2 if loss == "mse" else abs(observed - old) - abs(observed - new)
    )
    np.testing.assert_allclose(gains.values, by_hand, atol=1e-9)
    assert (gains.values >= gains.least - 1e-9).all()
    assert (gains.values <= gains.most + 1e-9).all()


def test_an_equal_model_is_promoted_no_more_often_than_alpha_and_a_better_one_is_found() -> None:
    rng, promoted, found = np.random.default_rng(5), 0, 0
    for _ in range(150):
        truth = rng.normal(size=1500)
        outcomes = truth + rng.normal(size=1500)
        equal = [truth + rng.normal(0, 0.4, 1500) for _ in range(2)]
        promoted += verdict(equal[0], equal[1], outcomes) == "better"
        found += verdict(truth, equal[1], outcomes) == "better"
    assert binomtest(promoted, 150, 0.05, alternative="greater").pvalue > 1e-3
    assert found > 140


def verdict(
    new: np.ndarray[tuple[int], np.dtype[np.float64]],
    old: np.ndarray[tuple[int], np.dtype[np.float64]],
    outcomes: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> str:
    gains = value_gains(new, old, outcomes, bounds=(-6.0, 6.0), spread=1.0, loss="mse")
    return TwoWitnesses.start(WitnessRule()).update(gains).verdict


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidSample, match="low < high, above 0"):
        value_gains([1.0], [2.0], [1.0], bounds=(3.0, 3.0), spread=1.0, loss="mse")
