"""Gains of one model over another: their values, their ranges, their days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchline.errors import InvalidSample
from touchline.statistics import Loss, day_gains, paired_gains, within_day_correlation
from touchline.training.metrics.losses import brier_rows, rps_rows

probabilities = st.lists(st.floats(0, 1), min_size=12, max_size=12)


def distributions(numbers: list[float]) -> np.ndarray:
    rows = np.array(numbers).reshape(4, 3) + 0.1
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


@settings(max_examples=40)
@given(probabilities, probabilities, st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_gains_are_differences_of_losses_within_their_range(new: list[float], old: list[float], won: list[int]) -> None:
    ours, theirs, labels = distributions(new), distributions(old), np.array(won)
    logs = np.log(ours) - np.log(theirs)
    expected: dict[Loss, np.ndarray] = {
        "log_loss": logs[np.arange(4), labels],
        "brier": brier_rows(labels, theirs) - brier_rows(labels, ours),
        "rps": rps_rows(labels, theirs) - rps_rows(labels, ours),
    }
    for loss, values in expected.items():
        gains = paired_gains(ours, theirs, labels, loss=loss)
        assert gains.values == pytest.approx(values, abs=1e-12)
        ranges = [paired_gains(ours, theirs, np.full(4, each), loss=loss).values for each in range(3)]
        assert gains.least == pytest.approx(np.min(ranges, axis=0), abs=1e-12)
        assert gains.most == pytest.approx(np.max(ranges, axis=0), abs=1e-12)
        assert gains.expected_if_new == pytest.approx((ours * np.transpose(ranges)).sum(axis=1), abs=1e-12)


def test_log_losses_are_clipped() -> None:
    assert paired_gains([0.0], [0.5], [1]).values == pytest.approx([np.log(0.005 / 0.5)])
    assert paired_gains([1.0], [0.5], [1], clip=0.01).values == pytest.approx([np.log(0.99 / 0.5)])


def test_two_columns_are_the_same_as_the_chance_of_class_1() -> None:
    one = paired_gains([0.7, 0.2], [0.5, 0.4], [1, 0], loss="brier")
    two = paired_gains([[0.3, 0.7], [0.8, 0.2]], [[0.5, 0.5], [0.6, 0.4]], [1, 0], loss="brier")
    assert one.values == pytest.approx(two.values)
    assert one.values == pytest.approx([0.5**2 - 0.3**2, 0.4**2 - 0.2**2])


def test_a_day_has_the_mean_of_its_matches_and_of_their_ranges() -> None:
    gains = paired_gains([0.8, 0.7, 0.6], [0.5, 0.5, 0.5], [1, 0, 1])
    days = day_gains(gains, ["sat", "sun", "sat"])
    assert days.values == pytest.approx([gains.values[[0, 2]].mean(), gains.values[1]])
    assert days.least == pytest.approx([gains.least[[0, 2]].mean(), gains.least[1]])


def test_expected_powers_of_a_day_are_those_of_independent_matches() -> None:
    rng = np.random.default_rng(1)
    new, old = np.array([0.9, 0.6, 0.2]), np.array([0.88, 0.65, 0.3])
    outcomes = rng.random((200_000, 3)) < (new + old) / 2
    gains = paired_gains(np.tile(new, 200_000), np.tile(old, 200_000), outcomes.ravel())
    days = day_gains(gains, np.repeat(np.arange(200_000), 3))
    assert days.square[0] == pytest.approx((days.values**2).mean(), rel=0.02)
    assert days.fourth[0] == pytest.approx((days.values**4).mean(), rel=0.05)


@pytest.mark.parametrize(("shared", "is_uncorrelated"), [(0.0, True), (0.6, False)])
def test_gains_that_share_their_day_are_not_counted_match_by_match(shared: float, is_uncorrelated: bool) -> None:
    rng = np.random.default_rng(4)
    days = np.repeat(np.arange(400), 6)
    logits = shared * rng.normal(size=400)[days] * np.sign(rng.normal(size=400))[days]
    outcomes = rng.random(2400) < 1 / (1 + np.exp(-logits))
    checked = within_day_correlation(paired_gains(np.full(2400, 0.55), np.full(2400, 0.45), outcomes), days)
    assert checked.is_uncorrelated == is_uncorrelated
    assert checked.inflation == pytest.approx(1 + 5 * checked.correlation)
    assert (checked.correlation > 0.03) == (not is_uncorrelated)


def test_one_day_says_nothing_about_correlation() -> None:
    assert not within_day_correlation(paired_gains([0.6, 0.6], [0.5, 0.5], [1, 0]), ["sat", "sat"]).is_uncorrelated


@pytest.mark.parametrize(
    ("new", "outcomes", "message"),
    [
        ([1.2], [1], "rows that are no probabilities"),
        ([float("nan")], [1], "rows that are no probabilities"),
        ([0.5, 0.5], [1], r"shapes \(2, 2\) and \(1, 2\)"),
        ([0.5], [2], r"no class numbers\. Allowed: 1 class numbers from 0 to 1"),
        ([0.5], [1, 0], r"outcomes of shape \(2,\)"),
    ],
)
def test_what_is_no_prediction_or_outcome_is_refused(new: list[float], outcomes: list[int], message: str) -> None:
    with pytest.raises(InvalidSample, match=message):
        paired_gains(new, [0.5], outcomes)
