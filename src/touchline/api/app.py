"""`/api`, the routes for the dashboard and for automation. Only `cli/` imports this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from touchline.api import alerts, feature_store, freshness, model_health, push, rollouts, system_health, training_runs
from touchline.api.state import Api, project_name
from touchline.api.stored_gauges import StoredGauges

if TYPE_CHECKING:
    from touchline.automation import Stores
    from touchline.clock import Clock
    from touchline.project import Project

_ROUTERS = (
    system_health.router,
    freshness.router,
    model_health.router,
    feature_store.router,
    push.router,
    rollouts.router,
    alerts.router,
    training_runs.router,
)


def add_api(app: FastAPI, stores_at: Callable[[Clock], Stores], *, declared: Callable[[str], Project]) -> None:
    """Mount `/api` on the serving application: each route for the default project, and for every project by name."""
    app.state.api = Api(stores_at, app.state.serving, declared)
    app.state.serving.stored_gauges = StoredGauges(app.state.api).read
    app.include_router(system_health.root, prefix="/api")
    for router in _ROUTERS:
        app.include_router(router, prefix="/api")
        app.include_router(router, prefix="/api/projects/{name}", dependencies=[Depends(project_name)])
