"""A risen loss is found, a stable one is quiet, and an incident ends when the loss is back."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.monitoring import LossReference, WatchedRelease, alarm_over_releases, loss_alarm, loss_reference

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


def weekly(losses: np.ndarray) -> list[WatchedRelease]:
    """A release a week over these days, each with a reference of its own."""
    means = losses.mean(axis=1)
    return [
        WatchedRelease(a_reference(), range(day, day + 7), means[day : day + 7].tolist(), [ROWS] * 7)
        for day in range(0, len(means), 7)
    ]


def test_releases_of_a_week_are_watched_as_one_model() -> None:
    risen = np.vstack([some_losses(1, 70), some_losses(2, 70, mean=1.12)])
    state, whole = alarm_over_releases(weekly(risen), steps=365), states(risen)
    assert state.incidents[0].onset_day == whole.incidents[0].onset_day
    assert state.incidents[0].alarm_day == whole.incidents[0].alarm_day > 77
    assert all(not alarm_over_releases([one], steps=365).incidents for one in weekly(risen))
    assert state.incidents[0].end_day == (state.incidents[0].alarm_day // 7 + 1) * 7
    until_alarm = weekly(risen)[: state.incidents[0].alarm_day // 7 + 1]
    assert alarm_over_releases(until_alarm, steps=365).is_open
    assert not alarm_over_releases([*until_alarm, WatchedRelease(a_reference(), [], [], [])], steps=365).is_open


def test_a_day_that_two_releases_answer_is_one_day() -> None:
    reference, means = a_reference(), some_losses(3, 60, mean=1.1).mean(axis=1).tolist()
    whole = WatchedRelease(reference, range(60), means, [ROWS] * 60)
    halves = [
        WatchedRelease(reference, range(6), means[:6], [ROWS] * 5 + [ROWS // 2]),
        WatchedRelease(reference, range(5, 60), means[5:], [ROWS // 2] + [ROWS] * 54),
    ]
    one, two = (alarm_over_releases(releases, steps=365).incidents for releases in ([whole], halves))
    assert one[0].alarm_day > 5
    assert abs(two[0].alarm_day - one[0].alarm_day) <= 1  # half of the rows are half as sure


def test_days_count_against_the_reference_of_the_release_that_answered() -> None:
    low, high = (
        a_reference(),
        loss_reference(2 * some_losses(0, 200).ravel(), np.repeat(np.arange(200), ROWS), tolerance=0.02),
    )
    means = [*some_losses(1, 50).mean(axis=1), *some_losses(2, 50, mean=2.0).mean(axis=1)]
    releases = [
        WatchedRelease(low, range(50), means[:50], [ROWS] * 50),
        WatchedRelease(high, range(50, 100), means[50:], [ROWS] * 50),
    ]
    assert alarm_over_releases(releases, steps=365).incidents == ()
