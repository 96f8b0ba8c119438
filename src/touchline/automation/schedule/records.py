"""The tables of the schedule: decided times, pauses. The only file that reads or writes them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from touchline.automation.runs.records import PipelineRuns, RunRequest
from touchline.automation.schedule.triggers import JOBS, Due, Job, Trigger
from touchline.errors import ReasonMissing, UnknownName
from touchline.storage.tables import schedule_events, schedule_ticks

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.storage import Database

_TICKS, _EVENTS = schedule_ticks.c, schedule_events.c
Event = Literal["began", "paused", "resumed"]


@dataclass(frozen=True)
class Tick:
    """A decided time: `verdict` is `run`, with the id of the run, or `nothing`, with the reason."""

    job: Job
    trigger: Trigger
    scheduled_at: datetime
    decided_at: datetime
    verdict: str
    reason: str
    run_id: str | None


@dataclass(frozen=True)
class Pause:
    """A paused job: since when, by whom and why."""

    at: datetime
    actor: str
    reason: str

    def in_words(self, job: str, project: str) -> str:
        """Since when a job is paused, by whom and why, and the next command."""
        since = f"{job} is paused since {self.at:%Y-%m-%d %H:%M} by {self.actor} ({self.reason})"
        return f"{since}: touchline schedule resume {job} -p {project}"


class ScheduleRecords:
    """The schedule of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def began_at(self, clock: Clock) -> datetime:
        """When this schedule first ran, in project time; the first call makes it now."""
        query = sa.select(_EVENTS.at).where(_EVENTS.project == self._project, _EVENTS.event == "began")
        with self._database.connect() as connection:
            found = connection.scalar(query)
        if found is None:
            with suppress(sa.exc.IntegrityError):  # another scheduler was first
                self._add("all", "began", actor="scheduler", reason="the schedule first ran", clock=clock)
            with self._database.connect() as connection:
                found = connection.scalar(query)
        return cast(datetime, found)

    def has_begun(self) -> bool:
        """Whether a scheduler has ever looked at this project."""
        query = sa.select(sa.func.count()).where(_EVENTS.project == self._project, _EVENTS.event == "began")
        with self._database.connect() as connection:
            return bool(connection.scalar(query))

    def newest_times(self, *, until: datetime) -> dict[tuple[Job, Trigger], datetime]:
        """The newest decided time of each job and trigger among those that have passed.

        One that was decided while the clock was wrong, years ahead, keeps no time before it from being decided.
        """
        query = sa.select(_TICKS.job, _TICKS.trigger, sa.func.max(_TICKS.scheduled_at))
        passed = query.where(_TICKS.project == self._project, _TICKS.scheduled_at <= until)
        with self._database.connect() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(passed.group_by(_TICKS.job, _TICKS.trigger))}

    def decided_times(self, job: Job, trigger: Trigger) -> set[datetime]:
        """Every decided time of a job and trigger."""
        query = sa.select(_TICKS.scheduled_at).where(
            _TICKS.project == self._project, _TICKS.job == job, _TICKS.trigger == trigger
        )
        with self._database.connect() as connection:
            return set(connection.scalars(query))

    def decide(self, due: Due, *, clock: Clock, actor: str = "scheduler") -> Tick | None:
        """Record a due time with the run that it asks for, in one transaction; None where it was decided before."""
        runs = PipelineRuns(self._database, self._project)
        row: dict[str, Any] = {
            "job": due.job,
            "trigger": due.trigger,
            "scheduled_at": due.scheduled_at,
            "decided_at": clock.now(),
            "verdict": "run" if due.is_run else "nothing",
            "reason": due.reason,
            "run_id": None,
        }
        try:
            with self._database.begin() as connection:
                if due.is_run:
                    key = f"{due.job}:{due.trigger}:{due.scheduled_at.isoformat()}"
                    request = RunRequest(due.job, due.trigger, actor, due.reason, key)
                    row["run_id"] = runs.write_request(connection, request, clock=clock)
                connection.execute(sa.insert(schedule_ticks).values(project=self._project, **row))
        except sa.exc.IntegrityError:
            return None
        return Tick(**row)

    def ticks(self, limit: int = 20) -> list[Tick]:
        """The newest decided times first."""
        columns = [_TICKS[name] for name in Tick.__dataclass_fields__]
        query = sa.select(*columns).where(_TICKS.project == self._project)
        newest = query.order_by(_TICKS.decided_at.desc(), _TICKS.scheduled_at.desc()).limit(limit)
        with self._database.connect() as connection:
            return [Tick(**row) for row in connection.execute(newest).mappings()]

    def paused(self) -> Mapping[str, Pause]:
        """The jobs that are paused."""
        paused: dict[str, Pause] = {}
        query = sa.select(schedule_events).where(_EVENTS.project == self._project).order_by(_EVENTS.sequence)
        with self._database.connect() as connection:
            for row in connection.execute(query).mappings():
                if row["event"] == "paused":
                    paused[row["job"]] = Pause(row["at"], row["actor"], row["reason"])
                elif row["event"] == "resumed":
                    paused.pop(row["job"], None)
        return paused

    def pause(self, job: str, *, actor: str, reason: str, clock: Clock) -> bool:
        """Pause a job until it is resumed; False where it is paused already. Raises `ReasonMissing`, `UnknownName`."""
        if not reason.strip():
            raise ReasonMissing("Pausing a schedule")
        return self._turn(job, "paused", actor, reason, clock)

    def resume(self, job: str, *, actor: str, reason: str = "", clock: Clock) -> bool:
        """Resume a paused job; False where it is not paused. Times that passed meanwhile count as one."""
        return self._turn(job, "resumed", actor, reason, clock)

    def _turn(self, job: str, event: Event, actor: str, reason: str, clock: Clock) -> bool:
        if job not in JOBS:
            raise UnknownName("job", job, list(JOBS))
        self.began_at(clock)
        if (job in self.paused()) == (event == "paused"):
            return False
        self._add(job, event, actor=actor, reason=reason, clock=clock)
        return True

    def _add(self, job: str, event: Event, *, actor: str, reason: str, clock: Clock) -> None:
        row = {"job": job, "event": event, "at": clock.now(), "wall_at": clock.wall(), "actor": actor, "reason": reason}
        newest = sa.select(sa.func.coalesce(sa.func.max(_EVENTS.sequence), 0)).where(_EVENTS.project == self._project)
        with self._database.begin() as connection:
            sequence = (connection.scalar(newest) or 0) + 1
            connection.execute(sa.insert(schedule_events).values(project=self._project, sequence=sequence, **row))
