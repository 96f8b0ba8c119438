"""What is due, from a policy and facts alone; times are checked against the calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from touchline.automation import Due, ProjectFacts, due_jobs, next_time, times_between
from touchline.project import Daily, Project, Retrain, load_project

BEGAN = datetime(2024, 3, 1, 12, tzinfo=UTC)
FACTS = ProjectFacts(began_at=BEGAN)
NO_SCHEDULE = Retrain(schedule=None)


@pytest.fixture(scope="module")
def leads() -> Project:
    root = Path(__file__).parents[2]
    return load_project(root / "projects" / "leads", base=root).project


def due(project: Project, policy: Retrain, facts: ProjectFacts, now: datetime) -> list[tuple[str, datetime, bool]]:
    with_policy = project.model_copy(update={"retrain": policy})
    return [(one.trigger, one.scheduled_at, one.is_run) for one in due_jobs(with_policy, facts, now)]


def test_a_week_has_one_time_and_missed_weeks_count_as_one(leads: Project) -> None:
    weekly = Retrain()
    assert due(leads, weekly, FACTS, BEGAN) == []
    sunday = datetime(2024, 3, 3, tzinfo=UTC)
    assert due(leads, weekly, FACTS, sunday - timedelta(microseconds=1)) == []
    assert due(leads, weekly, FACTS, sunday) == [("schedule", sunday, True)]
    assert due(leads, weekly, FACTS, sunday + timedelta(days=20)) == [
        ("schedule", datetime(2024, 3, 17, tzinfo=UTC), True)
    ]


def test_a_decided_time_is_not_due_again_nor_after_the_clock_went_back(leads: Project) -> None:
    decided = replace(FACTS, ticks={("retrain", "schedule"): datetime(2024, 3, 17, tzinfo=UTC)})
    for now in (datetime(2024, 3, 17, 1, tzinfo=UTC), datetime(2024, 3, 10, 1, tzinfo=UTC)):
        assert due(leads, Retrain(), decided, now) == []
    assert due(leads, Retrain(), decided, datetime(2024, 3, 24, tzinfo=UTC)) != []


@pytest.mark.parametrize(
    ("expression", "day", "expected"),
    [
        ("30 2 * * *", datetime(2024, 3, 31, tzinfo=UTC), [datetime(2024, 3, 31, 1, 0, tzinfo=UTC)]),
        ("30 2 * * *", datetime(2024, 10, 27, tzinfo=UTC), [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]),
        ("0 4 * * *", datetime(2024, 3, 31, tzinfo=UTC), [datetime(2024, 3, 31, 2, 0, tzinfo=UTC)]),
        ("0 4 * * *", datetime(2024, 3, 30, tzinfo=UTC), [datetime(2024, 3, 30, 3, 0, tzinfo=UTC)]),
    ],
)
def test_a_day_of_clock_change_has_one_time(expression: str, day: datetime, expected: list[datetime]) -> None:
    policy = Retrain(schedule=expression, timezone="Europe/Berlin")
    assert list(times_between(policy, day - timedelta(hours=1), day + timedelta(hours=22))) == expected
    assert next_time(policy, day - timedelta(hours=1)) == expected[0]


def test_each_time_of_a_year_is_due_once_however_the_scheduler_wakes(leads: Project) -> None:
    policy = Retrain(schedule="30 2 * * 0", timezone="Europe/Berlin")
    until = BEGAN + timedelta(days=366)
    decided, facts, now = [], FACTS, BEGAN
    while now < until:
        for one in due(leads, policy, facts, now):
            decided.append(one[1])
            facts = replace(facts, ticks={("retrain", "schedule"): one[1]})
        now += timedelta(minutes=97)
    assert decided == [at for at in times_between(policy, BEGAN, until) if at <= now - timedelta(minutes=97)]
    assert len(decided) == 53


@pytest.mark.parametrize(("is_drifted", "is_run"), [(True, True), (False, False)])
def test_a_conditional_time_is_a_recorded_check(leads: Project, *, is_drifted: bool, is_run: bool) -> None:
    facts = replace(FACTS, drift_at=BEGAN, is_drifted=is_drifted)
    now = datetime(2024, 3, 3, tzinfo=UTC)
    assert due(leads, Retrain(only_if="drift"), facts, now) == [("schedule", now, is_run)]


def test_events_rest_after_a_run_and_each_counts_once(leads: Project) -> None:
    policy = NO_SCHEDULE.model_copy(update={"on_drift": True, "on_degradation": True, "on_new_data": True})
    at = BEGAN + timedelta(days=3)
    facts = replace(FACTS, drift_at=at, is_drifted=True, loss_incident_at=at, data_at=at, last_run_at=BEGAN)
    assert {one[0] for one in due(leads, policy, facts, at)} == {"drift", "degradation", "new_data"}
    ran = replace(facts, last_run_at=at + timedelta(hours=1))
    assert due(leads, policy, ran, at + timedelta(days=9)) == []  # the run came after them
    soon = replace(facts, last_run_at=at - timedelta(hours=1))
    assert due(leads, policy, soon, at) == []
    assert {one[0] for one in due(leads, policy, soon, at + timedelta(hours=23))} == {
        "drift",
        "degradation",
        "new_data",
    }
    decided = replace(facts, ticks={("retrain", "drift"): at})
    assert "drift" not in {one[0] for one in due(leads, policy, decided, at)}


def test_an_old_version_is_trained_anew_and_a_refused_one_waits_as_long_again(leads: Project) -> None:
    policy = NO_SCHEDULE.model_copy(update={"max_age": timedelta(days=30)})
    facts = replace(FACTS, trained_at=BEGAN)
    old = BEGAN + timedelta(days=30)
    assert due(leads, policy, facts, old - timedelta(seconds=1)) == []
    assert due(leads, policy, facts, old) == [("age", old, True)]
    refused = replace(facts, last_run_at=old, ticks={("retrain", "age"): old})
    assert due(leads, policy, refused, old + timedelta(days=29)) == []
    assert due(leads, policy, refused, old + timedelta(days=30)) == [("age", old + timedelta(days=30), True)]


def test_the_daily_work_has_a_schedule_of_its_own(leads: Project) -> None:
    project = leads.model_copy(update={"daily": Daily(schedule="0 5 * * *"), "retrain": NO_SCHEDULE})
    now = datetime(2024, 3, 2, 6, tzinfo=UTC)
    assert due_jobs(project, FACTS, now) == [
        Due("daily", "schedule", datetime(2024, 3, 2, 5, tzinfo=UTC), "0 5 * * * (UTC)")
    ]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"schedule": "0 0 30 2 *"}, "no cron expression that ever fires"),
        ({"schedule": "0 0 * *"}, "has 4 fields"),
        ({"schedule": "61 0 * * *"}, "Bad minute"),
        ({"timezone": "Europe/Berln"}, "no time zone"),
        ({"schedule": None, "only_if": "drift"}, "a condition of the schedule"),
        ({"max_age": timedelta(0)}, "greater than"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(declared: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Retrain.model_validate(declared)
