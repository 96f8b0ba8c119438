"""What is due: the declared policy against what has happened, at an instant of project time. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, get_args
from zoneinfo import ZoneInfo

from touchline.automation.schedule.cron_times import cron_times, newest_cron_time

if TYPE_CHECKING:
    from touchline.project import Daily, Project, Retrain

Job = Literal["retrain", "daily"]
Trigger = Literal["schedule", "drift", "degradation", "age", "new_data"]
JOBS: Final[tuple[Job, ...]] = ("retrain", "daily")
TRIGGERS: Final[tuple[Trigger, ...]] = get_args(Trigger)
"""Why a run is asked for that no person started; a backfill asks for times of the schedule."""


@dataclass(frozen=True)
class ProjectFacts:
    """What has happened to a project, in project time; None: it has not.

    `began_at`: when the schedule first ran, so that no time before it counts. `ticks`: the newest decided time of each
    job and trigger. `last_run_at`: when the newest training was asked for. `trained_at`: when the version in Production
    was trained. `drift_at` and `is_drifted`: the newest drift check with enough rows. `loss_incident_at`: the newest
    check of the loss, where it finds the incident open. `data_at`: when a source last changed.
    """

    began_at: datetime
    ticks: Mapping[tuple[Job, Trigger], datetime] = field(default_factory=dict)
    last_run_at: datetime | None = None
    trained_at: datetime | None = None
    drift_at: datetime | None = None
    is_drifted: bool = False
    loss_incident_at: datetime | None = None
    data_at: datetime | None = None


@dataclass(frozen=True)
class Due:
    """A job that is due. (job, trigger, `scheduled_at`) names it for ever: whatever is decided of it is decided once.

    `is_run` is False where a condition of the schedule was not met: the time is then recorded as a check.
    """

    job: Job
    trigger: Trigger
    scheduled_at: datetime
    reason: str
    is_run: bool = True


def due_jobs(project: Project, facts: ProjectFacts, now: datetime) -> list[Due]:
    """Every job that is due at `now`, the day's work before a training, which may take hours.

    A clock that went back has nothing due until it passes the newest decision.
    """
    daily = None if project.daily is None else _cron_tick("daily", project.daily, facts, now)
    return [*([daily] if daily else []), *_due_trainings(project.retrain, facts, now)]


def next_time(policy: Retrain | Daily, after: datetime) -> datetime | None:
    """The first time of the schedule after an instant, in UTC; None without a schedule."""
    if policy.schedule is None:
        return None
    return next(cron_times(policy.schedule, ZoneInfo(policy.timezone), after)).astimezone(after.tzinfo)


def times_between(policy: Retrain | Daily, after: datetime, until: datetime) -> Iterator[datetime]:
    """The times of the schedule in (after, until], in the zone of `after`."""
    if policy.schedule is None:
        return
    for instant in cron_times(policy.schedule, ZoneInfo(policy.timezone), after, until):
        yield instant.astimezone(after.tzinfo)


def _due_trainings(policy: Retrain, facts: ProjectFacts, now: datetime) -> Iterator[Due]:
    tick = _cron_tick("retrain", policy, facts, now)
    if tick is not None:
        yield _under_condition(policy, facts, tick)
    for due in _events(policy, facts, now):
        decided = facts.ticks.get((due.job, due.trigger))
        is_rested = facts.last_run_at is None or now >= facts.last_run_at + policy.cooldown
        if is_rested and (decided is None or due.scheduled_at > decided):
            yield due


def _cron_tick(job: Job, policy: Retrain | Daily, facts: ProjectFacts, now: datetime) -> Due | None:
    """The newest time of the schedule that is not decided yet; earlier ones that were missed count with it."""
    if policy.schedule is None:
        return None
    since = max(facts.began_at, facts.ticks.get((job, "schedule"), facts.began_at))
    if now <= since:
        return None
    newest = newest_cron_time(policy.schedule, ZoneInfo(policy.timezone), since, now)
    if newest is None:
        return None
    return Due(job, "schedule", newest.astimezone(now.tzinfo), f"{policy.schedule} ({policy.timezone})")


def _under_condition(policy: Retrain, facts: ProjectFacts, tick: Due) -> Due:
    if policy.only_if is None:
        return tick
    if policy.only_if == "drift":
        is_met, state = facts.is_drifted, _drift_state(facts)
    else:
        is_met = _is_later(facts.data_at, facts.last_run_at)
        state = "new data since the last run" if is_met else "no new data since the last run"
    return Due(tick.job, tick.trigger, tick.scheduled_at, f"{tick.reason}, only if {policy.only_if}: {state}", is_met)


def _drift_state(facts: ProjectFacts) -> str:
    if facts.drift_at is None:
        return "drift was never checked (touchline monitor drift)"
    return f"{'drift' if facts.is_drifted else 'no drift'} at the check of {facts.drift_at:%Y-%m-%d %H:%M}"


def _events(policy: Retrain, facts: ProjectFacts, now: datetime) -> Iterator[Due]:
    last = facts.last_run_at
    drift_at, incident_at, data_at = facts.drift_at, facts.loss_incident_at, facts.data_at
    if policy.on_drift and facts.is_drifted and drift_at is not None and _is_later(drift_at, last):
        yield Due("retrain", "drift", drift_at, f"drift at the check of {drift_at:%Y-%m-%d %H:%M}")
    if policy.on_degradation and incident_at is not None and _is_later(incident_at, last):
        yield Due("retrain", "degradation", incident_at, f"a loss incident at the check of {incident_at:%Y-%m-%d}")
    if policy.on_new_data and data_at is not None and _is_later(data_at, last):
        yield Due("retrain", "new_data", data_at, f"new data of {data_at:%Y-%m-%d %H:%M}")
    if policy.max_age is not None and facts.trained_at is not None:
        # A version that a gate refused leaves an old one in Production: it is tried again after another `max_age`.
        old_at = max(facts.trained_at, last or facts.trained_at) + policy.max_age
        if now >= old_at:
            yield Due("retrain", "age", old_at, f"the version in Production was trained on {facts.trained_at:%Y-%m-%d}")


def _is_later(instant: datetime | None, last: datetime | None) -> bool:
    return instant is not None and (last is None or instant > last)
