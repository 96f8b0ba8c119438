"""What the API of one process holds, and the project that a request means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path, Request

from touchline.api.statistics_cache import KeptStatistics
from touchline.errors import UnknownName

if TYPE_CHECKING:
    from touchline.automation import Stores
    from touchline.clock import Clock
    from touchline.project import Project
    from touchline.serving.http.state import Serving
    from touchline.serving.releases.release_slot import ReleaseSlot


@dataclass
class Api:
    """The home's stores at a project's clock, the serving state of the process, and the declarations loaded so far."""

    stores_at: Callable[[Clock], Stores]
    serving: Serving
    declared: Callable[[str], Project]
    kept: KeptStatistics = field(default_factory=KeptStatistics)

    @property
    def names(self) -> list[str]:
        return list(self.serving.slots)


@dataclass(frozen=True)
class Chosen:
    """The project that a request means."""

    api: Api
    name: str

    @property
    def declared(self) -> Project:
        return self.api.declared(self.name)

    @property
    def stores(self) -> Stores:
        return self.api.stores_at(self.slot)

    @property
    def slot(self) -> ReleaseSlot:
        return self.api.serving.slots[self.name]

    def now(self) -> datetime:
        """Project time."""
        return self.slot.now()

    def wall(self) -> datetime:
        return self.slot.wall()


def api_of(request: Request) -> Api:
    """The API that this application was given."""
    api: Api = request.app.state.api
    return api


def chosen_project(request: Request) -> Chosen:
    """The project named in the path, or the default one. Raises `UnknownName`."""
    api = api_of(request)
    name = request.path_params.get("name", api.serving.default)
    if name not in api.serving.slots:
        raise UnknownName("project", name, api.names)
    return Chosen(api, name)


def named(name: Annotated[str, Path(description="project")]) -> str:
    """The path parameter of every scoped route, so that the API's document has it."""
    return name


ChosenProject = Annotated[Chosen, Depends(chosen_project)]
