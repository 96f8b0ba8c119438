"""New class shares are found from probabilities alone, and told apart from other changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from touchline.errors import InvalidSample
from touchline.statistics import estimate_prior_shift, with_prior


def some_rows(seed: int, rows: int, *, share: float = 0.5, move: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities under equal shares, and the labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < share).astype(int)
    p = expit(2 * (rng.normal(labels, 1) + move) - 1) if move else expit(rng.normal(labels, 1) - 0.5)
    return np.column_stack([1 - p, p]), labels


def test_the_new_shares_are_found() -> None:
    old, labels = some_rows(1, 4000)
    new, observed = some_rows(2, 2000, share=0.15)
    found = estimate_prior_shift(new, old, labels)
    assert found.now[1] == pytest.approx(observed.mean(), abs=0.04)
    assert found.is_shift()


def test_equal_shares_are_no_shift() -> None:
    old, labels = some_rows(1, 3000)
    shifts = [estimate_prior_shift(some_rows(seed, 1000)[0], old, labels).p_value <= 0.05 for seed in range(2, 62)]
    assert sum(shifts) <= 9


def test_a_change_within_the_classes_is_no_prior_shift() -> None:
    old, labels = some_rows(1, 4000)
    assert not estimate_prior_shift(some_rows(3, 2000, move=1.5)[0], old, labels).is_shift()


def test_correcting_the_shares_recovers_the_loss() -> None:
    """At least 90 % of the log loss that the true shares would win is won by the estimated ones."""
    old, labels = some_rows(1, 4000)
    new, observed = some_rows(2, 2000, share=0.1)
    found = estimate_prior_shift(new, old, labels)

    def loss(probabilities: np.ndarray) -> float:
        return float(-np.log(probabilities[np.arange(len(observed)), observed]).mean())

    best = loss(with_prior(new, [0.5, 0.5], [0.9, 0.1]))
    assert (loss(new) - loss(with_prior(new, found.before, found.now))) / (loss(new) - best) > 0.9


def test_a_class_without_reference_rows_is_refused() -> None:
    old, labels = some_rows(1, 100)
    with pytest.raises(InvalidSample, match="a reference without class 0"):
        estimate_prior_shift(old, old, np.ones_like(labels))
