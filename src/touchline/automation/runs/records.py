"""The tables of pipeline runs and their steps: the only file that reads or writes them.

A run is asked for, then done in steps by whoever holds the lease of its project. Whoever dies leaves it `running`, and
the next holder goes on with it. Each write of a run needs the fencing token that it goes on under, so a process that
sleeps through its lease and wakes changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from touchline.clock import Clock
from touchline.errors import KeyReused, LeaseLost, RunStopped, RunWaits, UnknownRun
from touchline.storage import Database, Lease
from touchline.storage.tables import pipeline_runs, pipeline_steps
from touchline.storage.ulids import ulid_at

Status = Literal["queued", "running", "done", "refused", "failed", "stopped"]
WAITING: Final[tuple[Status, ...]] = ("queued", "running")
MOST_ATTEMPTS: Final = 3
_RUNS, _STEPS = pipeline_runs.c, pipeline_steps.c


class EndedInOrder(SystemExit):
    """SIGTERM ended a process, and its run waits for another; any other `SystemExit` is of a step's own code."""


@dataclass(frozen=True)
class RunRequest:
    """A run that is asked for. Two requests with one `key` are one run; without a key each is its own.

    `fork` names a run and a step: the new run takes over what that run found in the steps before.
    """

    job: str = "retrain"
    trigger: str = "manual"
    actor: str = "unknown"
    reason: str = ""
    key: str | None = None
    is_forced: bool = False
    fork: tuple[str, str] | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """What a new run of this request knows of itself."""
        forced = {"is_forced": True} if self.is_forced else {}
        return forced | ({"fork": {"run": self.fork[0], "step": self.fork[1]}} if self.fork else {})


@dataclass(frozen=True)
class Run:
    """A recorded run. `failure` says why one failed or was stopped; `project_time` is when it was asked for."""

    id: str
    job: str
    trigger: str
    actor: str
    reason: str
    requested_at: datetime
    project_time: datetime
    started_at: datetime | None
    finished_at: datetime | None
    status: Status
    attempts: int
    token: int | None
    code_hash: str | None
    detail: Mapping[str, Any]

    @property
    def ended_at(self) -> datetime:
        """When it ended; where it has not, when it was asked for."""
        return self.finished_at or self.requested_at

    @property
    def failure(self) -> str | None:
        return self.detail.get("error")

    @property
    def counted_attempts(self) -> int:
        """The attempts whose process was not ended in order."""
        return self.attempts - len(self.detail.get("interrupted", []))

    @property
    def fork(self) -> tuple[str, str] | None:
        """The run whose earlier steps it takes over, and the first step that it does itself."""
        origin: dict[str, str] | None = self.detail.get("fork")
        return None if origin is None else (origin["run"], origin["step"])

    @property
    def is_forced(self) -> bool:
        return bool(self.detail.get("is_forced"))


@dataclass(frozen=True)
class RunStep:
    """One step of a run in one attempt."""

    name: str
    attempt: int
    status: Status
    started_at: datetime
    finished_at: datetime | None
    output: Mapping[str, Any] = field(default_factory=dict)


class PipelineRuns:
    """The recorded pipeline runs of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def request(
        self, request: RunRequest, *, clock: Clock, is_only: bool = False, held_ids: Collection[str] = ()
    ) -> tuple[Run, bool]:
        """The run of this request, and whether the request made it.

        With `is_only`, raises `RunWaits` where another run of the job waits or goes on, unless the request has a run
        already; those of `held_ids`, which a pause holds, do not count. Raises `KeyReused` where its key has the run of
        another request.
        """
        try:
            with self._database.begin() as connection:
                if is_only and not self._is_known(connection, request):
                    self._require_only(connection, request, held_ids)
                run_id = self.write_request(connection, request, clock=clock)
        except sa.exc.IntegrityError:
            earlier = self._one(_RUNS.request_key == request.key)
            if earlier is None:
                raise
            if (earlier.job, earlier.reason, earlier.is_forced) != (request.job, request.reason, request.is_forced):
                raise KeyReused(self._project, earlier.id) from None
            return earlier, False
        return self.find(run_id), True

    def write_request(self, connection: sa.Connection, request: RunRequest, *, clock: Clock) -> str:
        """`request` in a transaction of the caller's. Raises `IntegrityError` where the key has a run."""
        at = clock.wall()
        run_id = ulid_at(at)
        row = {
            "id": run_id,
            "project": self._project,
            "job": request.job,
            "trigger": request.trigger,
            "request_key": request.key or run_id,
            "actor": request.actor,
            "reason": request.reason,
            "requested_at": at,
            "project_time": clock.now(),
            "status": "queued",
            "attempts": 0,
            "detail": request.detail,
        }
        connection.execute(sa.insert(pipeline_runs).values(row))
        return run_id

    def find(self, run_id: str) -> Run:
        """A run by its id. Raises `UnknownRun`."""
        run = self._one(_RUNS.id == run_id)
        if run is None:
            raise UnknownRun(self._project, run_id)
        return run

    def newest(self, limit: int = 20, *, job: str | None = None) -> list[Run]:
        """The newest runs first, of one job or of all."""
        return self._read(_RUNS.id.desc(), where=None if job is None else _RUNS.job == job, limit=limit)

    def waiting(
        self, limit: int | None = None, *, job: str | None = None, statuses: Sequence[Status] = WAITING
    ) -> list[Run]:
        """The runs that are not ended, those that have begun first, then in the order of their requests.

        Of one instant the day's work comes first: ids of one millisecond have no order, and open examples cannot wait.
        """
        where = _RUNS.status.in_(statuses)
        order = (_RUNS.status.desc(), _RUNS.requested_at, _RUNS.job, _RUNS.id)
        return self._read(*order, where=where if job is None else where & (_RUNS.job == job), limit=limit)

    def steps(self, run_id: str) -> list[RunStep]:
        """The steps of a run by attempt, in the order in which they began."""
        query = sa.select(pipeline_steps).where(_STEPS.run_id == run_id).order_by(_STEPS.attempt, _STEPS.started_at)
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [RunStep(**{name: row[name] for name in RunStep.__dataclass_fields__}) for row in rows]

    def begin(self, run: Run, *, code_hash: str, lease: Lease, clock: Clock) -> RunRecord:
        """Go on with a run under the lease of its project.

        Raises `LeaseLost` where another process holds that, `RunStopped` where the run was ended, as by `cancel_runs`.
        """
        values: dict[str, Any] = {"status": "running", "attempts": run.attempts + 1, "token": lease.token}
        values |= {"started_at": run.started_at or clock.wall(), "code_hash": code_hash}
        waits = (_RUNS.id == run.id) & _RUNS.status.in_(WAITING)
        with self._database.begin() as connection:
            lease.require(connection)
            has_begun = connection.execute(sa.update(pipeline_runs).where(waits).values(values)).rowcount == 1
        if not has_begun:
            raise RunStopped(self._project, run.id, self.find(run.id).failure or "it has ended meanwhile")
        return RunRecord(self._database, self.find(run.id), lease=lease, clock=clock)

    def end(self, run_id: str, status: Status, error: str, *, clock: Clock) -> bool:
        """End a run that nobody works on; False where it has ended by itself."""
        run = self.find(run_id)
        ended = {"status": status, "finished_at": clock.wall(), "detail": {**run.detail, "error": error}}
        this_run = (_RUNS.id == run_id) & _RUNS.status.in_(WAITING)
        with self._database.begin() as connection:
            return connection.execute(sa.update(pipeline_runs).where(this_run).values(ended)).rowcount == 1

    def last_declaration(self) -> dict[str, dict[str, str]] | None:
        """The declared state that the newest finished training recorded; None before the first."""
        for run in self._read(_RUNS.id.desc(), where=_RUNS.status.in_(["done", "refused"])):
            if "declaration" in run.detail:
                declared: dict[str, dict[str, str]] = run.detail["declaration"]
                return declared
        return None

    def finished_since(self, instant: datetime, *, job: str = "retrain") -> list[Run]:
        """The runs of a job that ended after an instant of wall time and the newest one before, in the order of ids.

        Those that were stopped are left out: they neither failed nor did their work.
        """
        ended = (_RUNS.job == job) & _RUNS.finished_at.is_not(None) & (_RUNS.status != "stopped")
        later = self._read(_RUNS.id, where=ended & (_RUNS.finished_at > instant))
        return [*self._read(_RUNS.id.desc(), where=ended & (_RUNS.finished_at <= instant), limit=1), *later]

    def counts(self) -> dict[str, int]:
        """The number of runs by status."""
        query = sa.select(_RUNS.status, sa.func.count()).where(_RUNS.project == self._project).group_by(_RUNS.status)
        with self._database.connect() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def with_detail(self, *path: str, value: str) -> list[Run]:
        """The runs whose detail holds this text at a path of names, newest first."""
        detail: Any = _RUNS.detail
        for name in path:
            detail = detail[name]
        return self._read(_RUNS.id.desc(), where=detail.as_string() == value)

    def _is_known(self, connection: sa.Connection, request: RunRequest) -> bool:
        mine = (_RUNS.project == self._project) & (_RUNS.request_key == request.key)
        return connection.execute(sa.select(_RUNS.id).where(mine)).first() is not None

    def _require_only(self, connection: sa.Connection, request: RunRequest, held_ids: Collection[str]) -> None:
        of_job = (_RUNS.project == self._project) & (_RUNS.job == request.job) & _RUNS.status.in_(WAITING)
        query = sa.select(_RUNS.id, _RUNS.status).where(of_job)
        found = next((row for row in connection.execute(query) if row.id not in held_ids), None)
        if found is not None:
            raise RunWaits(self._project, request.job, found.id, found.status)

    def _one(self, condition: sa.ColumnElement[bool]) -> Run | None:
        return next(iter(self._read(_RUNS.id, where=condition, limit=1)), None)

    def _read(
        self, *order: sa.ColumnElement[Any], where: sa.ColumnElement[bool] | None = None, limit: int | None = None
    ) -> list[Run]:
        columns = [_RUNS[name] for name in Run.__dataclass_fields__]
        query = sa.select(*columns).where(_RUNS.project == self._project).order_by(*order).limit(limit)
        if where is not None:
            query = query.where(where)
        with self._database.connect() as connection:
            return [Run(**row) for row in connection.execute(query).mappings()]


def cancel_runs(database: Database, runs: Sequence[Run], error: str, *, clock: Clock) -> list[Run]:
    """End those of these runs that nobody has begun or gone on with since they were read: they are `stopped`."""
    cancelled = []
    with database.begin() as connection:
        for run in runs:
            ended = {"status": "stopped", "finished_at": clock.wall(), "detail": {**run.detail, "error": error}}
            untouched = (_RUNS.id == run.id) & _RUNS.status.in_(WAITING) & (_RUNS.attempts == run.attempts)
            if connection.execute(sa.update(pipeline_runs).where(untouched).values(ended)).rowcount == 1:
                cancelled.append(run)
    return cancelled


def note_interruption(database: Database, run: Run) -> bool:
    """Note that the process of a run's attempt was ended in order, so that it is no death; False where another began.

    The run waits for whoever goes on with it.
    """
    earlier = run.detail.get("interrupted", [])
    detail = {**run.detail, "interrupted": sorted({*earlier, run.attempts})}
    attempt = (_RUNS.id == run.id) & (_RUNS.attempts == run.attempts) & (_RUNS.status == "running")
    of_steps = (_STEPS.run_id == run.id) & (_STEPS.attempt == run.attempts) & (_STEPS.status == "running")
    with database.begin() as connection:
        is_current = connection.execute(sa.update(pipeline_runs).where(attempt).values(detail=detail)).rowcount == 1
        if is_current:
            connection.execute(sa.update(pipeline_steps).where(of_steps).values(status="stopped"))
    return is_current


def _storable(detail: Mapping[str, Any]) -> dict[str, Any]:
    """An error may name a file whose name is no Unicode, and no database takes half of a surrogate pair."""
    error = detail.get("error")
    return dict(detail) if error is None else {**detail, "error": str(error).encode(errors="backslashreplace").decode()}


class RunRecord:
    """Writes one attempt of a pipeline run: each step is a row when it starts, updated when it ends."""

    def __init__(self, database: Database, run: Run, *, lease: Lease, clock: Clock) -> None:
        self.run, self.id, self.trigger = run, run.id, run.trigger
        self._database, self._lease, self._clock = database, lease, clock
        self._detail: dict[str, Any] = dict(run.detail)

    def require_lease(self, connection: sa.Connection) -> None:
        """Raise `LeaseLost` where another process has taken the run over: call it in the transaction that writes."""
        self._lease.require(connection)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Record a step around its work, which fills the yielded output.

        Raises `LeaseLost`, before the step starts and before it counts as done, where another process has taken over.
        """
        output: dict[str, Any] = {}
        step = {"run_id": self.id, "attempt": self.run.attempts, "name": name, "started_at": self._clock.wall()}
        with self._database.begin() as connection:
            self._lease.require(connection)
            connection.execute(sa.insert(pipeline_steps).values(**step, status="running", output={}))
        try:
            yield output
        except (LeaseLost, EndedInOrder):
            raise
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
        self._detail |= _storable(detail)
        self._update(finished_at=self._clock.wall(), status=status, detail=dict(self._detail))

    def interrupt(self) -> None:
        """Leave the run to whoever goes on with it: this process is ended in order."""
        note_interruption(self._database, replace(self.run, detail=self._detail))

    def stop_in_order(self) -> None:
        """End a run that a person began in this process, which SIGTERM ends: nobody goes on with it."""
        self.interrupt()
        command = "daily" if self.run.job == "daily" else "retrain"
        with suppress(LeaseLost):
            self.finish("stopped", {"error": f"its process was ended (SIGTERM); to start anew: touchline {command}"})

    def _update(self, **values: Any) -> None:
        with self._database.begin() as connection:
            self._lease.require(connection)
            connection.execute(sa.update(pipeline_runs).where(_RUNS.id == self.id).values(values))

    def _end_step(self, name: str, status: Status, output: Mapping[str, Any]) -> None:
        of_run = (_STEPS.run_id == self.id) & (_STEPS.attempt == self.run.attempts)
        values = {"finished_at": self._clock.wall(), "status": status, "output": _storable(output)}
        with self._database.begin() as connection:
            self._lease.require(connection)
            connection.execute(sa.update(pipeline_steps).where(of_run & (_STEPS.name == name)).values(values))
