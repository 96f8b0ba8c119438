"""`/api`, the routes for the dashboard and for automation. Only `cli/` imports this file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from touchline.api import dashboard, project_pages, session
from touchline.api.data import freshness, stored_sources
from touchline.api.features import feature_store, push, skew
from touchline.api.models import (
    model_health,
    overview,
    performance,
    predictions,
    rollouts,
    trainings,
    version_decisions,
    versions,
)
from touchline.api.operations import alerts, keys, rehearsals, request_figures, system_health, training_runs
from touchline.api.operations.stored_gauges import StoredGauges, all_gauges
from touchline.api.state import Api, project_name
from touchline.http.query import validate_query

if TYPE_CHECKING:
    from touchline.automation import PipelineContext, Stores
    from touchline.clock import Clock
    from touchline.project import Project

_ROUTERS = (
    system_health.router,
    request_figures.router,
    freshness.router,
    stored_sources.router,
    skew.router,
    model_health.router,
    feature_store.router,
    push.router,
    rollouts.router,
    alerts.router,
    training_runs.router,
    versions.router,
    version_decisions.router,
    predictions.router,
    performance.router,
    trainings.router,
    rehearsals.router,
    project_pages.router,
)
_ROOTS = (system_health.root, session.root, overview.root, keys.root)


def add_api(
    app: FastAPI,
    stores_at: Callable[[Clock], Stores],
    *,
    declared: Callable[[str], Project],
    context: Callable[[str], PipelineContext],
    mlflow_url: str,
) -> None:
    """Mount `/api` on the serving application: each route for the default project, and for every project by name.

    The dashboard's files are served at `/`, where they are built.
    """
    app.state.api = Api(stores_at, app.state.serving, declared, context, mlflow_url)
    app.state.serving.stored_gauges = StoredGauges(partial(all_gauges, app.state.api)).read
    for router in _ROUTERS:
        app.include_router(router, prefix="/api", dependencies=[Depends(validate_query)])
    include_named_routes(app)
    app.state.serving.start_page = dashboard.start_page
    app.include_router(dashboard.router)


def include_named_routes(app: FastAPI) -> None:
    """The routes of the server, and those of a project under its name: all that the dashboard calls."""
    for root in _ROOTS:
        app.include_router(root, prefix="/api", dependencies=[Depends(validate_query)])
    for router in _ROUTERS:
        named = [Depends(project_name), Depends(validate_query)]
        app.include_router(router, prefix="/api/projects/{name}", dependencies=named)
