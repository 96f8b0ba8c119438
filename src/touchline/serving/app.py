"""The serving application. Only `cli/` imports this file, so that loading the room stays light."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from touchline.errors import TouchlineError
from touchline.serving.admission import Admission
from touchline.serving.answering import PredictHere
from touchline.serving.docs_page import docs_router
from touchline.serving.front import Front
from touchline.serving.job_routes import job_router
from touchline.serving.jobs import Jobs
from touchline.serving.keys import KeyRing, is_loopback, require_key
from touchline.serving.openapi import document_of
from touchline.serving.outcome_bodies import TAGS
from touchline.serving.prediction_log import PredictionLog
from touchline.serving.problems import FieldProblem, InternalError, InvalidRequest, Problem, problem_of_status, respond
from touchline.serving.releases import ReleaseSlot
from touchline.serving.routes import project_router, system_router
from touchline.serving.sink import DatabaseSink
from touchline.serving.state import ServedProject, ServerOptions, Serving
from touchline.storage import Database

_log = logging.getLogger("touchline.serving")
_TICK_SECONDS = 0.05


class _Server(FastAPI):
    """FastAPI behind the front, which comes before all of its layers: they cost more than a prediction does."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.front(scope, receive, send)


def create_app(
    projects: Sequence[ServedProject],
    *,
    database: Database,
    spool: Path,
    default: str | None = None,
    host: str = "127.0.0.1",
    options: ServerOptions | None = None,
) -> FastAPI:
    """The server of these projects. `spool` is the folder where logged predictions wait for the database.

    `default` is the project that the unscoped routes mean; the first one if not said. `host` is the address it will
    listen on: any but loopback needs an API key, else `KeyRequired`.
    """
    require_key(database, host)
    options = options or ServerOptions()
    slots = {project.name: _slot(project) for project in projects}
    log = PredictionLog(spool, DatabaseSink(database), options.log_limits)
    serving = Serving(slots, default or projects[0].name, log, database, options.limits, tracer=options.tracer)
    jobs = Jobs(spool.parent / "jobs", serving)
    keys = KeyRing(database, is_open=is_loopback(host))
    app = _Server(
        title="touchline",
        version=version("touchline"),
        summary="Predictions, and what became of them",
        lifespan=_lifespan(serving, keys, jobs),
        docs_url=None,
        redoc_url=None,
    )
    app.state.serving = serving
    app.front = Front(super(_Server, app).__call__, serving, Admission(serving, keys))
    app.include_router(system_router(serving))
    app.include_router(docs_router(app.title))
    for name in slots:
        _add_project(app, serving, jobs, name)
    _mount_own_routers(app, serving, projects)
    _add_problem_handlers(app)
    _document(app, serving)
    return app


def _slot(project: ServedProject) -> ReleaseSlot:
    slot = ReleaseSlot(
        project.name, project.releases, project.clock, project.open_reader, is_store_remote=project.is_store_remote
    )
    slot.skew_proof = project.skew_proof
    return slot


def _add_project(app: FastAPI, serving: Serving, jobs: Jobs, name: str) -> None:
    slot = serving.slots[name]
    for prefix in ["", f"/projects/{name}"] if name == serving.default else [f"/projects/{name}"]:
        app.include_router(project_router(serving, slot, prefix=prefix, tag=name))
        app.include_router(job_router(serving, slot, jobs, prefix=prefix, tag=name))


def _lifespan(serving: Serving, keys: KeyRing, jobs: Jobs) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        serving.log.start()
        jobs.start()
        await asyncio.to_thread(keys.refresh)
        if keys.is_open:
            _log.warning("no API key is made yet: requests from this machine are open")
        for slot in serving.slots.values():
            await asyncio.to_thread(slot.refresh)
        tasks = [asyncio.create_task(_watch(serving, keys)), asyncio.create_task(_measure_lag(serving))]
        try:
            yield
        finally:
            serving.is_draining = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(jobs.stop)
            await asyncio.to_thread(serving.log.stop)

    return lifespan


async def _measure_lag(serving: Serving) -> None:
    """How late the loop is: what a request waits before anybody looks at it. Bodies that never come end here too."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        await asyncio.sleep(_TICK_SECONDS)
        serving.lag_seconds = loop.time() - started - _TICK_SECONDS
        serving.bodies.give_up_late()


async def _watch(serving: Serving, keys: KeyRing) -> None:
    """Follow the journal of every project and the keys, away from the requests."""
    while True:
        with suppress(TouchlineError):  # the database is away: the keys in memory stay valid
            await asyncio.to_thread(keys.refresh)
        for slot in serving.slots.values():
            await asyncio.to_thread(slot.refresh)
            await asyncio.to_thread(slot.warm_previous)
        await asyncio.sleep(serving.limits.poll_seconds)


def _mount_own_routers(app: FastAPI, serving: Serving, projects: Sequence[ServedProject]) -> None:
    """A project's routes at the root and under `/projects/NAME`; at the root the default project goes first."""
    for project in sorted(projects, key=lambda project: project.name != serving.default):
        for make in project.routers:
            here = PredictHere(serving, project.name)
            router: APIRouter = make(here) if inspect.signature(make).parameters else make()
            app.include_router(router, tags=[project.name])
            app.include_router(router, prefix=f"/projects/{project.name}", tags=[project.name], include_in_schema=False)


def _add_problem_handlers(app: FastAPI) -> None:
    def reply(request: Request, problem: Problem) -> Response:
        found = respond(problem, getattr(request.state, "correlation_id", None))
        return Response(found.body, found.status, found.headers)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return reply(request, problem)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, wrong: HTTPException) -> Response:
        return reply(request, problem_of_status(wrong.status_code, str(wrong.detail), wrong.headers))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, wrong: RequestValidationError) -> Response:
        problems = [
            FieldProblem(
                ".".join(str(part) for part in error["loc"][1:] if part not in TAGS), str(error["msg"]), None, None
            )
            for error in wrong.errors()[:50]
        ]
        return reply(request, InvalidRequest(problems))

    @app.exception_handler(Exception)
    async def on_anything(request: Request, wrong: Exception) -> Response:  # noqa: ARG001  starlette logs it
        return reply(request, InternalError())


def _document(app: FastAPI, serving: Serving) -> None:
    """`/docs` shows the fields of the releases that answer now."""
    routes_alone = app.openapi
    made: dict[tuple[str | None, ...], dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        key = tuple(slot.current.release.id if slot.current else None for slot in serving.slots.values())
        if key not in made:
            made.clear()
            made[key] = document_of(serving, routes_alone())
        return made[key]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
