"""The state of the API in one process, and the project that a request names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path, Request

from touchline.api.features.statistics_cache import StatisticsCache
from touchline.api.models.distributions import DistributionCache
from touchline.api.operations.component_states import ComponentStates
from touchline.errors import UnknownName

if TYPE_CHECKING:
    from touchline.automation import PipelineContext, Stores
    from touchline.clock import Clock
    from touchline.project import Project
    from touchline.serving.http.state import Serving
    from touchline.serving.releases.release_slot import ReleaseSlot


@dataclass(frozen=True)
class Api:
    """The home's stores at a project's clock, the serving state of the process, and the projects' declarations.

    `context` is that of a project's steps, for changes of stages; `mlflow_url` the address of the MLflow UI.

    The first request for a declaration imports the project's code, and Polars with it, so it belongs in a thread.
    """

    stores_at: Callable[[Clock], Stores]
    serving: Serving
    declared: Callable[[str], Project]
    context: Callable[[str], PipelineContext]
    mlflow_url: str
    statistics: StatisticsCache = field(default_factory=StatisticsCache)
    states: ComponentStates = field(default_factory=ComponentStates)
    distributions: DistributionCache = field(default_factory=DistributionCache)


@dataclass(frozen=True)
class RequestedProject:
    """The project of a request."""

    api: Api
    name: str

    @property
    def declared(self) -> Project:
        return self.api.declared(self.name)

    @cached_property
    def stores(self) -> Stores:
        return self.api.stores_at(self.slot)

    @property
    def context(self) -> PipelineContext:
        return self.api.context(self.name)

    @property
    def slot(self) -> ReleaseSlot:
        return self.api.serving.slots[self.name]

    def now(self) -> datetime:
        """Project time."""
        return self.slot.now()

    def wall(self) -> datetime:
        return self.slot.wall()


def api_of(request: Request) -> Api:
    """The state of the API that answers a request."""
    api: Api = request.app.state.api
    return api


def requested_project(request: Request) -> RequestedProject:
    """The project in the path, or the default one. Raises `UnknownName`."""
    api = api_of(request)
    name = request.path_params.get("name", api.serving.default)
    if name not in api.serving.slots:
        raise UnknownName("project", name, list(api.serving.slots))
    return RequestedProject(api, name)


def project_name(name: Annotated[str, Path(description="project")]) -> str:
    """The path parameter of each route with a project, so that the API's document has it."""
    return name


ProjectOfRequest = Annotated[RequestedProject, Depends(requested_project)]
