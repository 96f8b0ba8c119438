"""The processes' applications: the serving routes, and beside them `/api` on the embedded default.

A project's own code is imported only where it brings routes: serving reads releases and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.cli.opening import Home

if TYPE_CHECKING:
    from fastapi import FastAPI

    from touchline.clock import Clock
    from touchline.features import FeatureReader, FeatureView, SkewProof
    from touchline.registry import ServedRelease
    from touchline.serving import ServedProject, Server
    from touchline.training import Family


def create_serving_app(
    home: Home, folders: Sequence[Path], *, host: str, extend: Callable[[FastAPI], None] | None = None
) -> Server:
    """The serving routes of these projects. Any `host` but loopback needs a key to have been made."""
    from touchline.serving import ServerOptions, create_app
    from touchline.serving.telemetry.open_telemetry import tracer_from_environment
    from touchline.serving.telemetry.worker_metrics import figures_folder

    projects = [_served(home, folder) for folder in folders]
    default = home.settings.project if home.settings.project in {project.name for project in projects} else None
    return create_app(
        projects,
        database=home.database,
        spool=home.settings.home.absolute() / "spool",
        default=default,
        host=host,
        options=ServerOptions(tracer=tracer_from_environment(), extend=extend, figures=figures_folder()),
    )


def create_full_app(home: Home, folders: Sequence[Path], *, host: str) -> Server:
    """The serving routes and `/api` in one process."""

    def extend(app: FastAPI) -> None:
        from touchline.api.app import add_api

        add_api(app, home.stores, load=lambda name: _load(home, folders, name))

    return create_serving_app(home, folders, host=host, extend=extend)


def _served(home: Home, folder: Path) -> ServedProject:
    from touchline.serving import JournalReleases, ServedProject

    name = folder.name
    clock = _clock(home, name)
    return ServedProject(
        name=name,
        releases=JournalReleases(
            name, home.database, home.objects, clock, families=lambda: _own_families(home, folder)
        ),
        clock=clock,
        open_reader=_reader_opener(home, folder, clock),
        routers=_routers(home, folder),
        is_store_remote=home.settings.online_store != "sqlite",
        skew_proof=lambda release: _skew_proof(home, name, release),
    )


def _own_families(home: Home, folder: Path) -> Mapping[str, Family]:
    from touchline.registry import declared_families

    return declared_families(_load(home, [folder], folder.name).project.training)


def _clock(home: Home, name: str) -> Any:
    """The stored clock of a sample, without importing its declaration."""
    from touchline.project import clock_of

    return clock_of(name, home.database)


def _reader_opener(home: Home, folder: Path, clock: Clock) -> Callable[[ServedRelease], FeatureReader | None]:
    from touchline.cli.open_reader import reader_of

    @cache
    def declared() -> Mapping[str, FeatureView]:
        views = _load(home, [folder], folder.name).project.feature_views
        return {view.name: view for view in views}

    def open_reader(release: ServedRelease) -> FeatureReader | None:
        return reader_of(home, release, clock=clock, declared=declared)

    return open_reader


def _skew_proof(home: Home, project: str, release: str) -> SkewProof | None:
    from touchline.features import read_skew_proof

    return read_skew_proof(project, release, home.objects)


def _routers(home: Home, folder: Path) -> tuple[Callable[..., Any], ...]:
    from touchline.automation import last_declaration
    from touchline.project import load_project

    declared = last_declaration(home.database, folder.name) or {}
    if declared.get("serving", {"routers": "unknown"}).get("routers"):
        return tuple(load_project(folder, base=folder).project.routers)
    return ()


def _load(home: Home, folders: Sequence[Path], name: str) -> Any:
    from touchline.project import load_project

    folder = next(folder for folder in folders if folder.name == name)
    return load_project(folder, base=home.base)
