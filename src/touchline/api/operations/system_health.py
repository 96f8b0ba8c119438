"""`/system/health`: the state of the stores that this process uses; `/projects`: the projects that it serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from shutil import disk_usage
from time import perf_counter
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from touchline import automation
from touchline.api.state import Api, ProjectOfRequest, RequestedProject, api_of
from touchline.registry import is_server

router = APIRouter(tags=["system"])
root = APIRouter(tags=["system"])
_SERVER_SECONDS = 2.0
_LITTLE_SPACE, _NO_SPACE = 1_000_000_000, 20_000_000

Status = Literal["ok", "degraded", "unavailable"]


class ComponentHealth(BaseModel):
    """One component: its status, since when, and its response time."""

    name: str
    status: Status
    detail: str
    # Annotated, not `= Field(None, …)`, so that type checkers see that it is optional.
    seconds: Annotated[float | None, Field(description="response time")] = None
    since: Annotated[datetime | None, Field(description="first seen in this status by this process, wall time")] = None


class SystemHealth(BaseModel):
    """`degraded`: predictions are answered, but a person should look; `unavailable`: none are answered."""

    status: Status
    sentence: str
    version: str
    project: str
    components: list[ComponentHealth]


class ProjectListing(BaseModel):
    """One served project."""

    name: str
    is_default: bool
    release: str | None = Field(description="the release in use")


@root.get("/projects", summary="The projects that this server serves")
def get_projects(request: Request) -> list[ProjectListing]:
    serving = api_of(request).serving
    return [
        ProjectListing(
            name=name, is_default=name == serving.default, release=slot.current.release.id if slot.current else None
        )
        for name, slot in serving.slots.items()
    ]


@router.get("/system/health", summary="The state of database, stores, prediction log and model")
def get_system_health(project: ProjectOfRequest) -> SystemHealth:
    api = project.api
    components = [
        _timed("database", lambda: _check_database(project)),
        _timed("objects", lambda: _check_objects(project)),
        _timed("online store", lambda: _check_online(project)),
        _mlflow(project),
        _scheduler(project),
        _disk(api),
        _prediction_log(api),
        _model(project),
    ]
    components = [
        one.model_copy(update={"since": api.states.since(project.name, one.name, one.status, at=project.wall())})
        for one in components
    ]
    states = {component.status for component in components}
    worst: Status = "unavailable" if "unavailable" in states else "degraded" if "degraded" in states else "ok"
    return SystemHealth(
        status=worst,
        sentence=_sentence(components),
        version=version("touchline"),
        project=project.name,
        components=components,
    )


def _sentence(components: list[ComponentHealth]) -> str:
    """The verdict on all components: those that do not work, else that all do."""
    wrong = [f"{one.name} is {one.status}: {one.detail}" for one in components if one.status != "ok"]
    return f"{'; '.join(wrong)}." if wrong else f"All {len(components)} components work."


def _timed(name: str, check: Callable[[], str]) -> ComponentHealth:
    started = perf_counter()
    try:
        detail = check()
    except Exception as error:  # noqa: BLE001  health reports any failure and never fails itself
        return ComponentHealth(name=name, status="unavailable", detail=f"{type(error).__name__}: {error}"[:500])
    return ComponentHealth(name=name, status="ok", detail=detail, seconds=perf_counter() - started)


def _check_database(project: RequestedProject) -> str:
    with project.stores.database.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    return "answers"


def _check_objects(project: RequestedProject) -> str:
    current = project.slot.current
    release_id = current.release.id if current else "none"
    project.stores.objects.exists(f"{project.name}/releases/{release_id}/release.json")
    return "answers"


def _check_online(project: RequestedProject) -> str:
    project.stores.online.read([b"tlm:"])
    return "answers"


def _mlflow(project: RequestedProject) -> ComponentHealth:
    """Only `degraded` when it is unreachable: predictions are answered without it, training is not possible."""
    uri = project.stores.tracking.uri
    if not is_server(uri):
        return ComponentHealth(name="mlflow", status="ok", detail="embedded")
    health = _timed("mlflow", lambda: _check_server(uri))
    return health if health.status == "ok" else health.model_copy(update={"status": "degraded"})


def _check_server(uri: str) -> str:
    import httpx

    httpx.get(f"{uri.rstrip('/')}/health", timeout=_SERVER_SECONDS).raise_for_status()
    return "answers"


def _scheduler(project: RequestedProject) -> ComponentHealth:
    """`degraded` where due work is left undone: predictions are answered all the same."""
    started = perf_counter()
    try:
        state = automation.schedule_state(project.declared, project.stores)
    except Exception as error:  # noqa: BLE001  health reports any failure and never fails itself
        return ComponentHealth(name="scheduler", status="degraded", detail=f"{type(error).__name__}: {error}"[:500])
    status: Status = "degraded" if state.problem else "ok"
    detail, seconds = state.problem or state.sentence, perf_counter() - started
    return ComponentHealth(name="scheduler", status=status, detail=detail, seconds=seconds)


def _disk(api: Api) -> ComponentHealth:
    """`unavailable` where a full disk refuses the prediction log its next rows."""
    try:
        folder = api.serving.log.folder  # made with the first row
        free = disk_usage(folder if folder.exists() else folder.parent).free
    except OSError as error:
        return ComponentHealth(name="disk", status="unavailable", detail=str(error))
    status: Status = "unavailable" if free < _NO_SPACE else "degraded" if free < _LITTLE_SPACE else "ok"
    return ComponentHealth(name="disk", status=status, detail=f"{free / 1e9:.1f} GB free")


def _prediction_log(api: Api) -> ComponentHealth:
    log = api.serving.log.status()
    waiting = f"{log.rows_in_memory} rows in memory, {log.spool_bytes} bytes on disk, {log.written} written"
    if log.failure is not None:
        return ComponentHealth(name="prediction log", status="degraded", detail=f"{log.failure}; waiting: {waiting}")
    return ComponentHealth(name="prediction log", status="ok", detail=waiting)


def _model(project: RequestedProject) -> ComponentHealth:
    slot = project.slot
    name = f"model {project.name}"
    if slot.current is None:
        reason = slot.refused.reason if slot.refused else "nothing is in Production"
        return ComponentHealth(name=name, status="unavailable", detail=reason)
    problem = slot.unreachable or (slot.refused.reason if slot.refused else None)
    if problem is not None:
        detail = f"{slot.current.release.id} stays in use: {problem}"
        return ComponentHealth(name=name, status="degraded", detail=detail)
    return ComponentHealth(name=name, status="ok", detail=f"{slot.current.release.id} answers")
