"""A risen loss is found, a stable one is quiet, and an incident ends when the loss is back."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.monitoring import LossReference, loss_alarm, loss_reference

ROWS = 20


def some_losses(seed: int, days: int, *, mean: float = 1.0) -> np.ndarray:
    """Positive losses of 20 rows a day, [days, rows]."""
    return mean * np.random.default_rng(seed).gamma(4, 0.25, size=(days, ROWS))


def a_reference(tolerance: float = 0.02) -> LossReference:
    return loss_reference(some_losses(0, 200).ravel(), np.repeat(np.arange(200), ROWS), tolerance=tolerance)


def states(losses: np.ndarray, tolerance: float = 0.02):  # type: ignore[no-untyped-def]
    return loss_alarm(a_reference(tolerance), losses.mean(axis=1).tolist(), [ROWS] * len(losses), steps=365)


def test_the_reference_is_that_of_its_days() -> None:
    reference = a_reference()
    assert reference.mean == pytest.approx(1.0, abs=0.02)
    assert reference.mean * 1.02 <= reference.limit < 1.06
    assert reference.within == pytest.approx(0.25, rel=0.1)
    assert reference.between < 0.003
    assert reference.inflation == 1


def test_a_year_without_a_change_has_no_incident() -> None:
    assert sum(len(states(some_losses(seed, 365)).incidents) for seed in range(1, 6)) <= 1


def test_a_risen_loss_is_one_incident_with_its_onset() -> None:
    losses = np.vstack([some_losses(1, 100), some_losses(2, 60, mean=1.3)])
    state = states(losses)
    (incident,) = state.incidents
    assert state.is_open
    assert state.level == 1
    assert abs(incident.onset_day - 100) <= 5
    assert 100 < incident.alarm_day < 115


def test_an_incident_ends_and_another_may_follow() -> None:
    parts = [some_losses(1, 40), some_losses(2, 30, mean=1.5), some_losses(3, 60, mean=0.9)]
    state = states(np.vstack([*parts, some_losses(4, 40, mean=1.5)]))
    first, second = state.incidents
    assert first.end_day is not None
    assert 71 <= first.end_day <= 100
    assert second.onset_day >= 125
    assert state.is_open


def test_a_rise_below_the_tolerance_is_no_incident() -> None:
    assert states(some_losses(5, 300, mean=1.1), tolerance=0.2).incidents == ()


def test_losses_without_any_spread_have_a_reference() -> None:
    reference = loss_reference(np.ones(100), np.repeat(np.arange(50), 2), tolerance=0.02)
    assert loss_alarm(reference, [1.0] * 100, [2] * 100, steps=365).incidents == ()
