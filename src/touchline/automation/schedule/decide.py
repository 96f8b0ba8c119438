"""Decides what is due, once for all schedulers, and asks for the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from touchline.automation.runs.pipeline import PIPELINE_LEASE, pipeline_lease_name
from touchline.automation.runs.records import PipelineRuns, Run
from touchline.automation.schedule.facts import read_facts
from touchline.automation.schedule.records import ScheduleRecords, Tick
from touchline.automation.schedule.triggers import Due, Job, due_jobs, next_time
from touchline.automation.schedule.waiting import read_waiting
from touchline.storage import hold_lease, lease_holder

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.project import Project

_LATE: Final = timedelta(minutes=15)
_SCHEDULER_LEASE: Final = timedelta(minutes=1)


def decide_due(project: Project, stores: Stores, *, actor: str = "scheduler") -> list[Tick]:
    """Record everything that is due now with the runs it asks for; what another scheduler has recorded is left out.

    A job that is paused has nothing due. A time at which a run of the job still waits to begin asks for no second one.
    """
    records, runs = ScheduleRecords(stores.database, project.name), PipelineRuns(stores.database, project.name)
    paused = records.paused()
    ticks = []
    for due in due_jobs(project, read_facts(project, stores), stores.clock.now()):
        if due.job in paused:
            continue
        tick = records.decide(_without_second_run(due, runs), clock=stores.clock, actor=actor)
        if tick is not None:
            ticks.append(tick)
    return ticks


@dataclass(frozen=True)
class ScheduleState:
    """Whether due work is being done: `problem` says what was left undone for too long, and the next command."""

    sentence: str
    problem: str | None = None


def schedule_state(project: Project, stores: Stores) -> ScheduleState:
    """What the scheduler of a project does, from its records; writes nothing."""
    records = ScheduleRecords(stores.database, project.name)
    if not records.has_begun():
        return ScheduleState("no scheduler has run yet")
    now, wall, paused = stores.clock.now(), stores.clock.wall(), records.paused()
    due = [one for one in due_jobs(project, read_facts(project, stores), now) if one.job not in paused]
    late = [one for one in due if now - one.scheduled_at > _LATE]
    if late:
        since = f"{late[0].job} is due since {late[0].scheduled_at:%Y-%m-%d %H:%M} and nobody has decided it"
        return ScheduleState(since, f"{since}: is a scheduler running? touchline up, or touchline schedule run")
    waiting = next_run(project.name, stores)
    if waiting is not None and wall - waiting.requested_at > _LATE:
        since = f"run {waiting.id} waits since {waiting.requested_at:%Y-%m-%d %H:%M} and nobody works on it"
        return ScheduleState(since, f"{since}: touchline up, or touchline schedule run")
    if paused:
        pauses = "; ".join(pause.in_words(job, project.name) for job, pause in paused.items())
        return ScheduleState(pauses, pauses)
    at = upcoming(project, stores, "retrain")
    return ScheduleState(f"next training {at:%Y-%m-%d %H:%M}" if at else "no training on a schedule")


def upcoming(project: Project, stores: Stores, job: Job) -> datetime | None:
    """The next time of a job's schedule, in project time; None without a schedule, and while it is paused."""
    policy = project.retrain if job == "retrain" else project.daily
    if policy is None or job in ScheduleRecords(stores.database, project.name).paused():
        return None
    return next_time(policy, stores.clock.now())


def next_run(project: str, stores: Stores) -> Run | None:
    """The run to do next: one whose process died first; None while one of the project goes on, or none waits.

    Runs that the schedule or a backfill asked for are held while their job is paused.
    """
    name, now = pipeline_lease_name(project), stores.clock.wall()
    if lease_holder(stores.database, name, ttl=PIPELINE_LEASE, now=now) is not None:
        return None
    return next(iter(read_waiting(project, stores).ready), None)


@contextmanager
def announced_scheduler(project: str, stores: Stores, *, holder: str) -> Iterator[None]:
    """Let others know, while the block lasts, that a scheduler looks after a project. Raises `LeaseHeld`."""
    name = _scheduler_lease_name(project)
    with hold_lease(stores.database, name, holder=holder, ttl=_SCHEDULER_LEASE, clock=stores.clock):
        yield


def has_scheduler(project: str, stores: Stores) -> bool:
    """Whether a scheduler looks after a project now, so that somebody takes a run that waits."""
    name, now = _scheduler_lease_name(project), stores.clock.wall()
    return lease_holder(stores.database, name, ttl=_SCHEDULER_LEASE, now=now) is not None


def _scheduler_lease_name(project: str) -> str:
    return f"{project}:scheduler"


def _without_second_run(due: Due, runs: PipelineRuns) -> Due:
    queued = runs.waiting(1, job=due.job, statuses=["queued"]) if due.is_run else []
    if not queued:
        return due
    return replace(due, is_run=False, reason=f"{due.reason}; run {queued[0].id} waits already")
