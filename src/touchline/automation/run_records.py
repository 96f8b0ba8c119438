"""The tables of pipeline runs and their steps: the only file that reads or writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from touchline.clock import Clock
from touchline.storage import Database, Lease
from touchline.storage.tables import pipeline_runs, pipeline_steps
from touchline.storage.ulids import ulid_at

Status = Literal["running", "done", "failed", "refused"]


@dataclass(frozen=True)
class FinishedRun:
    """A pipeline run that has ended; `failure` says why one failed."""

    id: str
    trigger: str
    status: Status
    finished_at: datetime
    failure: str | None


class PipelineRuns:
    """The recorded pipeline runs of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def start(self, trigger: str, *, lease: Lease, clock: Clock) -> RunRecord:
        """Record the start of a run, which holds the lease of its project."""
        started_at = clock.wall()
        run = {"id": ulid_at(started_at), "project": self._project, "trigger": trigger, "started_at": started_at}
        with self._database.begin() as connection:
            connection.execute(sa.insert(pipeline_runs).values(**run, status="running", detail={}))
        return RunRecord(self._database, str(run["id"]), trigger, lease=lease, clock=clock)

    def last_declaration(self) -> dict[str, dict[str, str]] | None:
        """The declared state that the newest finished run recorded; None before the first."""
        query = (
            sa.select(pipeline_runs.c.detail)
            .where(pipeline_runs.c.project == self._project, pipeline_runs.c.status.in_(["done", "refused"]))
            .order_by(pipeline_runs.c.id.desc())
            .limit(1)
        )
        with self._database.connect() as connection:
            detail = connection.scalar(query)
        return detail.get("declaration") if detail else None

    def finished_since(self, instant: datetime) -> list[FinishedRun]:
        """The runs that ended after an instant of wall time and the newest one before, in the order of their starts."""
        runs = pipeline_runs.c
        mine = sa.select(pipeline_runs).where(runs.project == self._project, runs.finished_at.is_not(None))
        with self._database.connect() as connection:
            later = list(connection.execute(mine.where(runs.finished_at > instant).order_by(runs.id)).mappings())
            newest = mine.where(runs.finished_at <= instant).order_by(runs.id.desc()).limit(1)
            rows = [*connection.execute(newest).mappings(), *later]
        return [
            FinishedRun(row["id"], row["trigger"], row["status"], row["finished_at"], row["detail"].get("error"))
            for row in rows
        ]

    def counts(self) -> dict[str, int]:
        """The number of runs by status."""
        runs = pipeline_runs.c
        query = sa.select(runs.status, sa.func.count()).where(runs.project == self._project).group_by(runs.status)
        with self._database.connect() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def version_of(self, training_key: str) -> int | None:
        """The model version that a run with this training key recorded, however that run ended."""
        has_key = pipeline_runs.c.detail["training_key"].as_string() == training_key
        query = sa.select(pipeline_runs.c.detail).where(pipeline_runs.c.project == self._project, has_key)
        with self._database.connect() as connection:
            for detail in connection.scalars(query.order_by(pipeline_runs.c.id.desc())):
                if "version" in detail:
                    return int(detail["version"])
        return None


class RunRecord:
    """Writes one pipeline run: each step is a row when it starts, updated when it ends."""

    def __init__(self, database: Database, run_id: str, trigger: str, *, lease: Lease, clock: Clock) -> None:
        self.id, self.trigger = run_id, trigger
        self._database, self._lease, self._clock = database, lease, clock
        self._detail: dict[str, Any] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Record a step around its work, which fills the yielded output.

        Raises `LeaseLost`, before the step starts, where another process has taken over the project's lease.
        """
        output: dict[str, Any] = {}
        step = {"run_id": self.id, "name": name, "started_at": self._clock.wall()}
        with self._database.begin() as connection:
            self._lease.require(connection)
            connection.execute(sa.insert(pipeline_steps).values(**step, status="running", output={}))
        try:
            yield output
        except BaseException as error:
            self._end_step(name, "failed", {**output, "error": f"{type(error).__name__}: {error}"})
            raise
        self._end_step(name, "done", output)

    def note(self, detail: Mapping[str, Any]) -> None:
        """Add to the run's detail while it is running."""
        self._detail |= detail
        self._update(detail=dict(self._detail))

    def finish(self, status: Status, detail: Mapping[str, Any]) -> None:
        """Record the end of the run, and add to its detail."""
        self._detail |= detail
        self._update(finished_at=self._clock.wall(), status=status, detail=dict(self._detail))

    def _update(self, **values: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(sa.update(pipeline_runs).where(pipeline_runs.c.id == self.id).values(values))

    def _end_step(self, name: str, status: Status, output: Mapping[str, Any]) -> None:
        this_step = (pipeline_steps.c.run_id == self.id) & (pipeline_steps.c.name == name)
        values = {"finished_at": self._clock.wall(), "status": status, "output": dict(output)}
        with self._database.begin() as connection:
            connection.execute(sa.update(pipeline_steps).where(this_step).values(values))
