"""Opens what a command needs: settings, the project, the metadata database, objects, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.ingest import IngestStores
    from touchline.project import LoadedProject, Project
    from touchline.settings import Settings
    from touchline.storage import Database, ObjectStore

ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "-p", help="Project folder or name; default: TOUCHLINE_PROJECT, else the only one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]


@dataclass(frozen=True)
class House:
    """What all projects of one home share: settings, the database and the objects, opened when first used."""

    settings: Settings
    base: Path

    @cached_property
    def database(self) -> Database:
        from touchline.storage import Database

        database = Database.open(self.settings.database)
        database.migrate()
        return database

    @cached_property
    def objects(self) -> ObjectStore:
        from touchline.storage import open_objects

        return open_objects(self.settings.objects_url or str(self.settings.home.absolute() / "objects"))

    @cached_property
    def stores(self) -> IngestStores:
        from touchline.ingest import IngestStores

        return IngestStores(self.database, self.objects)

    def clock(self, project: Project) -> Clock:
        from touchline.project import project_clock

        return project_clock(project, self.database)


@dataclass(frozen=True)
class Door:
    """One project's door: the house and the loaded project."""

    house: House
    loaded: LoadedProject

    @property
    def project(self) -> Project:
        return self.loaded.project

    @cached_property
    def clock(self) -> Clock:
        return self.house.clock(self.project)


def open_house() -> House:
    """Settings from the environment; a project's folder is looked up from the working directory."""
    from touchline.settings import Settings

    return House(Settings.from_environment(), Path.cwd())


def open_project(place: str | None) -> Door:
    """The door of one project: the one named, else the default one."""
    house = open_house()
    return Door(house, load_default(house, place))


def load_default(house: House, place: str | None) -> LoadedProject:
    """The project a command means: `-p`, else TOUCHLINE_PROJECT, else the only (or first) one found."""
    from touchline.errors import ProjectNotFound
    from touchline.project import find_projects, load_project

    wanted = place or house.settings.project
    if wanted:
        return load_project(wanted, base=house.base)
    folders = find_projects(house.settings.projects, base=house.base)
    if not folders:
        raise ProjectNotFound("any project", house.base, [])
    return load_project(folders[0], base=house.base)


def load_all(house: House, places: list[str]) -> list[LoadedProject]:
    """The projects that `up` and `serve` serve: those named, else TOUCHLINE_PROJECTS, else all under `projects/`."""
    from touchline.errors import ProjectNotFound
    from touchline.project import find_projects, load_project

    folders = find_projects(places or list(house.settings.projects), base=house.base)
    if not folders:
        raise ProjectNotFound("any project", house.base, [])
    return [load_project(folder, base=house.base) for folder in folders]
