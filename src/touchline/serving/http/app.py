"""The routes behind the predictions, as one FastAPI application. Imported late: see `server`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from touchline.errors import TouchlineError
from touchline.http.problems import (
    FieldProblem,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NoRoute,
    NotFound,
    Problem,
    problem_of_status,
    respond,
)
from touchline.http.query import validate_query
from touchline.http.statuses import problem_of
from touchline.http.validation_words import MOST_FAULTS, field_names, problem_in_words, without_shortened
from touchline.serving.http.docs_page import docs_router
from touchline.serving.http.jobs import Jobs
from touchline.serving.http.openapi import FAILURES, document_of
from touchline.serving.http.outcome_bodies import is_tag
from touchline.serving.http.project_routes import project_router
from touchline.serving.http.response_bodies import ReleaseBodies
from touchline.serving.http.route_context import RouteContext
from touchline.serving.http.state import ServedProject, Serving
from touchline.serving.http.system_routes import system_router
from touchline.serving.predicting.predict import Predictor
from touchline.serving.releases.release_slot import ReleaseSlot

_log = logging.getLogger("touchline.serving")
# The detail that Starlette gives where no route has the path; a route's own 404 says another thing.
_NO_ROUTE = "Not Found"


def routes_app(serving: Serving, jobs: Jobs, projects: Sequence[ServedProject]) -> FastAPI:
    """All routes: predictions, explanations, jobs, outcomes, health, metrics, documentation, the projects' own."""
    app = FastAPI(
        title="touchline",
        version=version("touchline"),
        summary="Predictions and their outcomes",
        docs_url=None,
        redoc_url=None,
        responses=FAILURES,
    )
    app.state.serving = serving
    app.include_router(system_router(serving), dependencies=[Depends(validate_query)])
    app.include_router(docs_router(app.title))
    for router in _project_routers(serving, jobs, lambda _: None):
        app.include_router(router, include_in_schema=False, dependencies=[Depends(validate_query)])
    _mount_own_routers(app, serving, projects)
    _add_problem_handlers(app)
    _document(app, serving, lambda: _project_routers(serving, jobs, lambda slot: slot.current))
    return app


def _project_routers(
    serving: Serving, jobs: Jobs, predictor_of: Callable[[ReleaseSlot], Predictor | None]
) -> list[APIRouter]:
    """The routers of all projects under `/projects/NAME`, and of the default project also at the root."""
    routers = []
    for name, slot in serving.slots.items():
        bodies = ReleaseBodies.of(predictor_of(slot), serving.limits.rows)
        prefixes = ["", f"/projects/{name}"] if name == serving.default else [f"/projects/{name}"]
        routers += [project_router(serving, slot, jobs, prefix=prefix, bodies=bodies) for prefix in prefixes]
    return routers


def _mount_own_routers(app: FastAPI, serving: Serving, projects: Sequence[ServedProject]) -> None:
    """A project's routes at the root and under `/projects/NAME`; at the root the default project goes first."""
    for project in sorted(projects, key=lambda project: project.name != serving.default):
        for make in _routers(project):
            context = RouteContext(serving, project.name)
            router: APIRouter = make(context) if inspect.signature(make).parameters else make()
            checked = [Depends(validate_query)]
            app.include_router(router, tags=[project.name], dependencies=checked)
            app.include_router(
                router,
                prefix=f"/projects/{project.name}",
                tags=[project.name],
                include_in_schema=False,
                dependencies=checked,
            )


def _routers(project: ServedProject) -> Sequence[Callable[..., Any]]:
    """The project's routers; a declaration that cannot be loaded, for whatever reason, costs no other route."""
    try:
        return project.load_routers()
    except Exception:  # noqa: BLE001  the code of a project may raise anything, and health must be answered
        _log.exception("the routes of project %s are not served: its declaration cannot be loaded", project.name)
        return ()


def _add_problem_handlers(app: FastAPI) -> None:
    def reply(request: Request, problem: Problem) -> Response:
        found = respond(problem, getattr(request.state, "correlation_id", None))
        return Response(found.body, found.status, found.headers)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return reply(request, problem)

    @app.exception_handler(TouchlineError)
    async def on_error(request: Request, error: TouchlineError) -> Response:
        return reply(request, problem_of(error))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, wrong: HTTPException) -> Response:
        if wrong.status_code == MethodNotAllowed.status:
            return reply(
                request, MethodNotAllowed(request.method, (wrong.headers or {}).get("Allow", "another method"))
            )
        if wrong.status_code == NotFound.status and wrong.detail == _NO_ROUTE:
            # FastAPI keeps included routers whole, so the document is the list of the routes.
            page = _page_for_a_browser(request, app)
            document = await asyncio.to_thread(app.openapi)
            return page or reply(request, NoRoute(request.url.path, document["paths"]))
        return reply(request, problem_of_status(wrong.status_code, str(wrong.detail), wrong.headers))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, wrong: RequestValidationError) -> Response:
        return reply(request, InvalidRequest(_field_problems(request, wrong)[:50]))

    @app.exception_handler(Exception)
    async def on_anything(request: Request, wrong: Exception) -> Response:  # noqa: ARG001  starlette logs it
        return reply(request, InternalError())


def _field_problems(request: Request, wrong: RequestValidationError) -> list[FieldProblem]:
    """One problem a field, with the faults of all types that it may have."""
    messages: dict[str, dict[str, None]] = {}
    values: dict[str, object] = {}
    errors, fields = without_shortened(wrong.errors()[:MOST_FAULTS]), set[str]()
    if any(error["type"] == "extra_forbidden" for error in errors):
        fields = _body_fields(request)
    for error in errors:
        field = ".".join(str(part) for part in error["loc"][1:] if not is_tag(part))
        messages.setdefault(field, {})[problem_in_words(error, fields)] = None
        values.setdefault(field, _shown(error.get("input")))
    return [FieldProblem(field, "; or: ".join(told), values[field], None) for field, told in messages.items()]


def _body_fields(request: Request) -> set[str]:
    """The fields that the body of a request may have."""
    bodies = request.scope["route"].dependant.body_params
    return set().union(*(field_names(body.field_info.annotation) for body in bodies))


def _page_for_a_browser(request: Request, app: FastAPI) -> Response | None:
    """The start page, which says that there is no such page; None for a client of the API, whatever it accepts."""
    is_page = not request.url.path.startswith(("/api/", "/assets/", "/projects/"))
    if request.method != "GET" or not is_page or "text/html" not in request.headers.get("accept", ""):
        return None
    page: Response | None = app.state.serving.start_page()
    if page is not None:
        page.status_code = NotFound.status
    return page


def _shown(value: object) -> object:
    """The value found, where it is short enough to be read; a whole body is not."""
    if isinstance(value, str):
        return value[:200]
    return value if isinstance(value, bool | int | float) else None


def _document(app: FastAPI, serving: Serving, routers: Callable[[], Sequence[APIRouter]]) -> None:
    """Show the fields of the releases in Production; made again after each promotion."""
    documents: dict[tuple[str | None, ...], dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        key = tuple(slot.current.release.id if slot.current else None for slot in serving.slots.values())
        if key not in documents:
            documents.clear()
            documents[key] = document_of(app, routers())
        return documents[key]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
