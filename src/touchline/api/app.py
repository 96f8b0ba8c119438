"""`/api`: what the dashboard and automation ask. Only `cli/` imports this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from touchline.api import feature_store, freshness, model_health, push, system_health
from touchline.api.errors import add_error_handler
from touchline.api.state import Api, named

if TYPE_CHECKING:
    from touchline.automation import Stores
    from touchline.clock import Clock
    from touchline.project import Project

_ROUTERS = (system_health.router, freshness.router, model_health.router, feature_store.router, push.router)


def add_api(app: FastAPI, stores_at: Callable[[Clock], Stores], *, declared: Callable[[str], Project]) -> None:
    """Mount `/api` on the serving application: every route for the default project, and for each by its name."""
    app.state.api = Api(stores_at, app.state.serving, declared)
    app.include_router(system_health.root, prefix="/api")
    for router in _ROUTERS:
        app.include_router(router, prefix="/api")
        app.include_router(router, prefix="/api/projects/{name}", dependencies=[Depends(named)])
    add_error_handler(app)
