"""`/system/health`: the parts that this process stands on, and `/projects`: what it serves."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from time import perf_counter
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from touchline.api.state import Api, Chosen, ChosenProject, api_of
from touchline.registry import is_server

router = APIRouter(tags=["system"])
root = APIRouter(tags=["system"])
_SERVER_SECONDS = 2.0

Status = Literal["ok", "degraded", "unavailable"]


class ComponentHealth(BaseModel):
    """One part: whether it answers, and how fast."""

    name: str
    status: Status
    detail: str
    # Annotated, not `= Field(None, …)`: type checkers then see that it may be left out.
    seconds: Annotated[float | None, Field(description="how long it took to answer")] = None


class SystemHealth(BaseModel):
    """`degraded` where something needs a person though answers go on, `unavailable` where there are none."""

    status: Status
    version: str
    project: str
    components: list[ComponentHealth]


class ProjectListing(BaseModel):
    """One served project."""

    name: str
    is_default: bool
    release: str | None = Field(description="the release that answers")


@root.get("/projects", summary="The projects that this server serves")
def get_projects(request: Request) -> list[ProjectListing]:
    serving = api_of(request).serving
    return [
        ProjectListing(
            name=name, is_default=name == serving.default, release=slot.current.release.id if slot.current else None
        )
        for name, slot in serving.slots.items()
    ]


@router.get("/system/health", summary="Whether database, stores, prediction log and model work")
def get_system_health(chosen: ChosenProject) -> SystemHealth:
    api = chosen.api
    components = [
        _timed("database", lambda: _ask_database(chosen)),
        _timed("objects", lambda: _ask_objects(chosen)),
        _timed("online store", lambda: _ask_online(chosen)),
        _mlflow(chosen),
        _prediction_log(api),
        _model(chosen),
    ]
    states = {component.status for component in components}
    worst: Status = "unavailable" if "unavailable" in states else "degraded" if "degraded" in states else "ok"
    return SystemHealth(status=worst, version=version("touchline"), project=chosen.name, components=components)


def _timed(name: str, ask: Callable[[], str]) -> ComponentHealth:
    started = perf_counter()
    try:
        detail = ask()
    except Exception as away:  # noqa: BLE001  health tells of whatever is wrong, it never fails itself
        return ComponentHealth(name=name, status="unavailable", detail=f"{type(away).__name__}: {away}"[:500])
    return ComponentHealth(name=name, status="ok", detail=detail, seconds=perf_counter() - started)


def _ask_database(chosen: Chosen) -> str:
    with chosen.stores.database.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    return "answers"


def _ask_objects(chosen: Chosen) -> str:
    current = chosen.slot.current
    chosen.stores.objects.exists(f"{chosen.name}/releases/{current.release.id if current else ''}/release.json")
    return "answers"


def _ask_online(chosen: Chosen) -> str:
    chosen.stores.online.read([b"tlm:"])
    return "answers"


def _mlflow(chosen: Chosen) -> ComponentHealth:
    """Answers go on without it; training and promotion do not."""
    uri = chosen.stores.tracking.uri
    if not is_server(uri):
        return ComponentHealth(name="mlflow", status="ok", detail="embedded")
    found = _timed("mlflow", lambda: _ask_server(uri))
    return found if found.status == "ok" else found.model_copy(update={"status": "degraded"})


def _ask_server(uri: str) -> str:
    import httpx

    httpx.get(f"{uri.rstrip('/')}/health", timeout=_SERVER_SECONDS).raise_for_status()
    return "answers"


def _prediction_log(api: Api) -> ComponentHealth:
    log = api.serving.log.status()
    waiting = f"{log.rows_in_memory} rows in memory, {log.spool_bytes} bytes on disk, {log.written} written"
    if log.failure is not None:
        return ComponentHealth(name="prediction log", status="degraded", detail=f"{log.failure}; waiting: {waiting}")
    return ComponentHealth(name="prediction log", status="ok", detail=waiting)


def _model(chosen: Chosen) -> ComponentHealth:
    slot = chosen.slot
    name = f"model {chosen.name}"
    if slot.current is None:
        reason = slot.refused.reason if slot.refused else "nothing is in Production"
        return ComponentHealth(name=name, status="unavailable", detail=reason)
    trouble = slot.unreachable or (slot.refused.reason if slot.refused else None)
    if trouble is not None:
        detail = f"{slot.current.release.id} goes on: {trouble}"
        return ComponentHealth(name=name, status="degraded", detail=detail)
    return ComponentHealth(name=name, status="ok", detail=f"{slot.current.release.id} answers")
