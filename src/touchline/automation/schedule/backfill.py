"""Times of a schedule that passed undecided become runs when a person asks for them; runs that wait are withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.automation.schedule.records import ScheduleRecords, Tick
from touchline.automation.schedule.triggers import Due, Job, times_between
from touchline.errors import TimeAhead
from touchline.ingest import CONSTANT_STAMP
from touchline.ingest.event_times import EVENT
from touchline.ingest.snapshots import find_snapshot

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.project import Project


@dataclass(frozen=True)
class BackfillPlan:
    """The times of a schedule that a backfill asks for, in order.

    `too_early` counts the undecided times before `data_from`, the first event of any source: nothing was known then,
    so they are left out. `data_from` is None where no source has rows with times.
    """

    times: tuple[datetime, ...]
    too_early: int = 0
    data_from: datetime | None = None


def plan_backfill(project: Project, stores: Stores, job: Job, after: datetime, until: datetime) -> BackfillPlan:
    """The times of a job's schedule in (after, until] that were never decided, from the first data on.

    Raises `TimeAhead` for an end that project time has not reached.
    """
    if until > (now := stores.clock.now()):
        raise TimeAhead(until, now)
    policy = project.retrain if job == "retrain" else project.daily
    if policy is None:
        return BackfillPlan(())
    decided = ScheduleRecords(stores.database, project.name).decided_times(job, "schedule")
    times = [at for at in times_between(policy, after, until) if at not in decided]
    data_from = _first_event(project, stores)
    known = tuple(at for at in times if data_from is None or at >= data_from)
    return BackfillPlan(known, len(times) - len(known), data_from)


def backfill(project: Project, stores: Stores, job: Job, times: Sequence[datetime], *, actor: str) -> list[Tick]:
    """Ask for a run at each of these times of a job's schedule that nobody has decided meanwhile."""
    records = ScheduleRecords(stores.database, project.name)
    dues = (Due(job, "schedule", at, f"backfill of {at:%Y-%m-%d %H:%M}") for at in times)
    decided = (records.decide(due, clock=stores.clock, actor=actor) for due in dues)
    return [tick for tick in decided if tick is not None]


def _first_event(project: Project, stores: Stores) -> datetime | None:
    """The first event of all sources; None without rows. A source without times says nothing."""
    snapshots = (find_snapshot(project.name, source.name, stores) for source in project.sources)
    stamps = pl.col(EVENT).filter(pl.col(EVENT) != CONSTANT_STAMP)
    firsts = [one.scan().select(stamps.min()).collect().item() for one in snapshots if one is not None]
    return min((at for at in firsts if at is not None), default=None)
