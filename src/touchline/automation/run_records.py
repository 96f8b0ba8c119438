"""Pipeline runs and their steps, as rows that outlive the process."""

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
Output = Mapping[str, Any]


@dataclass(frozen=True)
class RecordedStep:
    """One step of a pipeline run; `finished_at` is None while it runs, or when its process was killed."""

    name: str
    status: Status
    started_at: datetime
    finished_at: datetime | None
    output: Output


@dataclass(frozen=True)
class RecordedRun:
    """One pass from ingest to gate, as it was recorded."""

    id: str
    project: str
    trigger: str
    status: Status
    started_at: datetime
    finished_at: datetime | None
    detail: Output
    steps: tuple[RecordedStep, ...]


class PipelineRecord:
    """Writes one pipeline run; every step is a row before it starts and again when it ends.

    A step of a run that has lost its lease does not start: `LeaseLost`.
    """

    def __init__(self, database: Database, clock: Clock, lease: Lease, *, project: str, trigger: str) -> None:
        self._database, self._clock, self._lease = database, clock, lease
        self.id, self.trigger = ulid_at(clock.wall()), trigger
        self._detail: dict[str, Any] = {}
        with database.begin() as connection:
            connection.execute(
                sa.insert(pipeline_runs).values(
                    id=self.id, project=project, trigger=trigger, started_at=clock.wall(), status="running", detail={}
                )
            )

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Record a step around its work; the work fills the output it yields."""
        output: dict[str, Any] = {}
        with self._database.begin() as connection:
            self._lease.require(connection)
            connection.execute(
                sa.insert(pipeline_steps).values(
                    run_id=self.id, name=name, started_at=self._clock.wall(), status="running", output={}
                )
            )
        try:
            yield output
        except BaseException as failed:
            self._end_step(name, "failed", {**output, "error": f"{type(failed).__name__}: {failed}"})
            raise
        self._end_step(name, "done", output)

    def note(self, detail: Output) -> None:
        """Add to what is recorded of the run while it goes on."""
        self._detail |= detail
        self._update(detail=dict(self._detail))

    def finish(self, status: Status, detail: Output) -> None:
        """Record how the run ended."""
        self._detail |= detail
        self._update(finished_at=self._clock.wall(), status=status, detail=dict(self._detail))

    def _update(self, **values: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(sa.update(pipeline_runs).where(pipeline_runs.c.id == self.id).values(values))

    def _end_step(self, name: str, status: Status, output: Output) -> None:
        with self._database.begin() as connection:
            connection.execute(
                sa.update(pipeline_steps)
                .where(pipeline_steps.c.run_id == self.id, pipeline_steps.c.name == name)
                .values(finished_at=self._clock.wall(), status=status, output=dict(output))
            )


def recorded_runs(database: Database, project: str, *, limit: int = 20) -> list[RecordedRun]:
    """The newest pipeline runs of a project, newest first, with their steps in the order they ran."""
    runs = sa.select(pipeline_runs).where(pipeline_runs.c.project == project).order_by(pipeline_runs.c.id.desc())
    with database.connect() as connection:
        found = connection.execute(runs.limit(limit)).all()
        steps = connection.execute(
            sa.select(pipeline_steps)
            .where(pipeline_steps.c.run_id.in_([run.id for run in found]))
            .order_by(pipeline_steps.c.started_at)
        ).all()
    return [
        RecordedRun(
            run.id,
            run.project,
            run.trigger,
            run.status,
            run.started_at,
            run.finished_at,
            run.detail,
            tuple(
                RecordedStep(step.name, step.status, step.started_at, step.finished_at, step.output)
                for step in steps
                if step.run_id == run.id
            ),
        )
        for run in found
    ]


def last_declaration(database: Database, project: str) -> dict[str, dict[str, str]] | None:
    """The declaration as the newest finished run found it; None when none has finished."""
    query = (
        sa.select(pipeline_runs.c.detail)
        .where(pipeline_runs.c.project == project, pipeline_runs.c.status.in_(["done", "refused"]))
        .order_by(pipeline_runs.c.id.desc())
        .limit(1)
    )
    with database.connect() as connection:
        detail = connection.scalar(query)
    return detail.get("declaration") if detail else None


def last_version_of(database: Database, project: str, training_key: str) -> int | None:
    """The model version that a run with the same training key has recorded, however that run ended."""
    query = (
        sa.select(pipeline_runs.c.detail)
        .where(pipeline_runs.c.project == project, pipeline_runs.c.detail["training_key"].as_string() == training_key)
        .order_by(pipeline_runs.c.id.desc())
    )
    with database.connect() as connection:
        for detail in connection.scalars(query):
            if "version" in detail:
                return int(detail["version"])
    return None
