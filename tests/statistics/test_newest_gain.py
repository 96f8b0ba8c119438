"""Whether the newest clusters show a gain: after a change in the world, by chance, and where rare losses may decide."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.statistics import Gains, gain_on_newest, paired_gains

ROWS = 40


def of_days(new: np.ndarray, old: np.ndarray, right: np.ndarray, seed: int) -> tuple[Gains, np.ndarray]:
    """Gains of days of 40 rows whose outcomes have the probabilities `right`."""
    outcomes = np.random.default_rng(seed).random(len(right)) < right
    return paired_gains(new, old, outcomes.astype(int)), np.arange(len(right)) // ROWS


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def turned(days: int, *, before: int, seed: int = 1) -> tuple[Gains, np.ndarray]:
    """Two models that agree for some days, then the old one is right no longer."""
    signal = np.random.default_rng(seed).normal(0, 1.5, days * ROWS)
    old = sigmoid(signal)
    right = np.where(np.arange(len(signal)) // ROWS < before, old, 1 - old)
    new = np.where(np.arange(len(signal)) // ROWS < before, old, 0.1 + 0.8 * (1 - old))
    return of_days(new, old, right, seed)


def test_nine_days_of_a_turned_world_show_the_gain() -> None:
    found = gain_on_newest(*turned(9, before=0))
    assert found is not None
    assert found.gain > 0.5
    assert found.p_value <= found.alpha < 0.05


def test_long_agreement_before_a_change_hides_it_from_no_look() -> None:
    assert gain_on_newest(*turned(60, before=60)) is None
    found = gain_on_newest(*turned(60, before=46))
    assert found is not None
    assert found.clusters <= 14


def test_five_clusters_show_nothing() -> None:
    assert gain_on_newest(*turned(5, before=0)) is None


@pytest.mark.parametrize(("noise", "strength"), [(0.5, 1.0), (0.0, 2.5)])
def test_models_that_are_no_better_pass_no_look_of_a_year(noise: float, strength: float) -> None:
    """The old model errs as much, or is right and the new one too sure: 5 % of lives at most have a wrong yes."""
    shown = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        signal = random.normal(0, 1.2, 52 * ROWS)
        old, new = (sigmoid(signal + random.normal(0, noise, len(signal))) for _ in range(2))
        gains, days = of_days(sigmoid(strength * np.log(new / (1 - new))), old, sigmoid(signal), seed)
        shown += any(gain_on_newest(gains.rows(0, end), days[:end]) for end in range(6 * ROWS, len(days) + 1, 4 * ROWS))
    assert shown <= 2


def test_a_model_that_is_often_better_and_rarely_much_worse_shows_nothing() -> None:
    """Each right guess gains 0.03, and in three of a hundred it loses 1.8: a few days without one are no proof."""
    shown = 0
    for seed in range(40):
        size = 9 * ROWS
        gains, days = of_days(np.full(size, 0.995), np.full(size, 0.97), np.full(size, 0.97), seed)
        shown += gain_on_newest(gains, days) is not None
    assert shown == 0
