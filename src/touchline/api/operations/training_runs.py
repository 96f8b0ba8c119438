"""`/training/automated`: ask for a training, and see what runs, ran and comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from touchline import automation
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.api.stored_fields import OptionalReason
from touchline.http.callers import ActorOfRequest
from touchline.http.statuses import ACCEPTED

router = APIRouter(tags=["automation"])
_LOOK_SECONDS = 1.0


class TrainingRequest(BaseModel):
    """A training asked for by a person or a program."""

    model_config = ConfigDict(extra="forbid")

    force: Annotated[bool, Field(description="train even if nothing changed")] = False
    reason: OptionalReason = ""


class RunDocument(BaseModel):
    """A run of the pipeline. `status`: queued, running, done, refused by a gate, failed, or stopped."""

    id: str
    job: str
    trigger: str
    actor: str
    reason: str
    status: str
    attempts: int
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure: str | None
    version: int | None = Field(description="the model version that it recorded, or found where nothing had changed")
    is_new: bool | None = Field(description="whether it recorded the version; null before its end")

    @classmethod
    def of(cls, run: automation.Run) -> RunDocument:
        known = {name: getattr(run, name) for name in cls.model_fields if name not in ("version", "is_new")}
        return cls(**known, version=run.detail.get("version"), is_new=run.detail.get("is_new"))


class RunStepDocument(BaseModel):
    """A step of a run, in one attempt."""

    name: str
    attempt: int
    status: str
    started_at: datetime
    finished_at: datetime | None
    output: dict[str, Any]


class RunWithSteps(BaseModel):
    """A run with its steps."""

    run: RunDocument
    steps: list[RunStepDocument]


class AutomationStatus(BaseModel):
    """What runs or waits, the newest runs, and when the next training is due."""

    project: str
    sentence: str
    now: datetime
    schedule: str | None
    next_at: datetime | None
    is_paused: bool
    has_scheduler: bool = Field(description="whether a scheduler runs that takes what waits")
    waiting: list[RunDocument]
    newest: list[RunDocument]


@router.post("/training/automated/run", status_code=ACCEPTED, summary="Ask for a training")
def post_run(
    project: ProjectOfRequest,
    actor: ActorOfRequest,
    body: TrainingRequest | None = None,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="one key asks once")
    ] = None,
) -> RunDocument:
    """A worker (`touchline up`, `touchline schedule run`) does it. 409 while another training waits or runs."""
    body = body or TrainingRequest()
    request = automation.RunRequest(
        trigger="manual",
        actor=actor,
        reason=body.reason,
        key=None if idempotency_key is None else f"api:{idempotency_key}",
        is_forced=body.force,
    )
    held = automation.read_waiting(project.name, project.stores).held_ids
    run, _ = _runs(project).request(request, clock=project.slot, is_only=True, held_ids=held)
    return RunDocument.of(run)


@router.get("/training/automated/status", summary="What trains, trained and comes next")
def get_status(project: ProjectOfRequest, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> AutomationStatus:
    runs, stores, policy = _runs(project), project.stores, project.declared.retrain
    pause = automation.ScheduleRecords(stores.database, project.name).paused().get("retrain")
    waiting, next_at = (
        automation.read_waiting(project.name, stores),
        automation.upcoming(project.declared, stores, "retrain"),
    )
    has_scheduler = automation.has_scheduler(project.name, stores)
    return AutomationStatus(
        project=project.name,
        sentence=automation.schedule_sentence(waiting, next_at, pause=pause, has_scheduler=has_scheduler),
        now=project.now(),
        schedule=policy.schedule,
        next_at=next_at,
        is_paused=pause is not None,
        has_scheduler=has_scheduler,
        waiting=[RunDocument.of(run) for run in waiting.as_shown(runs.waiting())],
        newest=[RunDocument.of(run) for run in waiting.as_shown(runs.newest(limit))],
    )


@router.get("/training/runs/{run_id}", summary="A run with its steps")
def get_run(project: ProjectOfRequest, run_id: str) -> RunWithSteps:
    return _with_steps(project, run_id)


@router.get("/training/runs/{run_id}/events", summary="A run while it goes on, as server-sent events")
async def get_run_events(project: ProjectOfRequest, run_id: str) -> StreamingResponse:
    """An event each time that the run or a step changes; the last one has `finished_at`."""
    await run_in_threadpool(_runs(project).find, run_id)
    return StreamingResponse(_events(project, run_id), media_type="text/event-stream")


async def _events(project: RequestedProject, run_id: str) -> AsyncIterator[bytes]:
    before: RunWithSteps | None = None
    while before is None or before.run.finished_at is None:
        current = await run_in_threadpool(_with_steps, project, run_id)
        if current != before:
            yield b"data: " + current.model_dump_json().encode() + b"\n\n"
        before = current
        if current.run.finished_at is None:
            await asyncio.sleep(_LOOK_SECONDS)


def _with_steps(project: RequestedProject, run_id: str) -> RunWithSteps:
    runs, waiting = _runs(project), automation.read_waiting(project.name, project.stores)
    steps = [RunStepDocument(**vars(step)) for step in runs.steps(run_id)]
    [run] = waiting.as_shown([runs.find(run_id)])
    return RunWithSteps(run=RunDocument.of(run), steps=steps)


def _runs(project: RequestedProject) -> automation.PipelineRuns:
    return automation.PipelineRuns(project.stores.database, project.name)
