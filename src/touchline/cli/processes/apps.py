"""The application of an API process: the serving routes, and beside them `/api`.

Serving reads releases, so a project's own code is imported only when it is needed: for its routes, its own
estimators, a view that has to be computed, or `/api`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from touchline import features, registry, rollout, serving
from touchline import project as projects
from touchline.cli.opening import Home, OpenedProject, open_home, pipeline_context, release_reader
from touchline.cli.server_client import mlflow_url
from touchline.serving.telemetry.open_telemetry import tracer_from_environment
from touchline.serving.telemetry.worker_metrics import figures_folder

if TYPE_CHECKING:
    from fastapi import FastAPI

    from touchline.automation import PipelineContext
    from touchline.features import FeatureReader, FeatureView
    from touchline.project import LoadedProject, Project
    from touchline.registry import LoadedRelease
    from touchline.serving import ServedProject, Server
    from touchline.storage import Database


class Declarations:
    """The declarations of the served projects; each is imported when it is first needed, once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = {folder.name: folder for folder in folders}
        self._loaded: dict[str, LoadedProject] = {}
        self._lock = Lock()

    def folder(self, name: str) -> Path:
        """The folder of the project of that name."""
        return self._folders[name].absolute()

    def loaded(self, name: str) -> LoadedProject:
        """The project of that name. The first call imports its code, and Polars with it, so it belongs in a thread."""
        with self._lock:
            if name not in self._loaded:
                folder = self._folders[name]
                self._loaded[name] = projects.load_project(folder, base=folder)
            return self._loaded[name]

    def of(self, name: str) -> Project:
        """The declared project of that name."""
        return self.loaded(name).project

    def views(self, name: str) -> Mapping[str, FeatureView]:
        return {view.name: view for view in self.of(name).feature_views}

    def routers(self, name: str) -> Sequence[Callable[..., Any]]:
        """The project's routers; its code is not imported where it visibly declares none."""
        return self.of(name).routers if projects.may_declare_routers(self._folders[name]) else ()


def create_serving_app(
    home: Home, folders: Sequence[Path], *, host: str, extend: Callable[[FastAPI], None] | None = None
) -> Server:
    """The serving routes of these projects. Any `host` but loopback needs an API key."""
    return _create_app(home, Declarations(folders), folders, host=host, extend=extend)


def create_full_app(home: Home, folders: Sequence[Path], *, host: str) -> Server:
    """The serving routes and `/api` in one process."""
    declarations = Declarations(folders)

    def context(name: str) -> PipelineContext:
        return pipeline_context(OpenedProject(home, declarations.loaded(name)))

    def extend(app: FastAPI) -> None:
        from touchline.api.app import add_api

        add_api(app, home.stores, declared=declarations.of, context=context, mlflow_url=mlflow_url(home))

    return _create_app(home, declarations, folders, host=host, extend=extend)


def _create_app(
    home: Home,
    declarations: Declarations,
    folders: Sequence[Path],
    *,
    host: str,
    extend: Callable[[FastAPI], None] | None,
) -> Server:
    served = [_served_project(home, declarations, folder.name) for folder in folders]
    names = {project.name for project in served}
    return serving.create_app(
        served,
        database=home.database,
        spool=home.folder / "spool",
        default=home.settings.project if home.settings.project in names else None,
        host=host,
        options=serving.ServerOptions(
            limits=serving.Limits(
                requests_per_second=home.settings.requests_per_second, origins=home.settings.cors_origins
            ),
            tracer=tracer_from_environment(),
            extend=extend,
            figures=figures_folder(),
        ),
    )


def _served_project(home: Home, declarations: Declarations, name: str) -> ServedProject:
    clock = projects.clock_of(name, home.database)

    def open_reader(release: LoadedRelease) -> FeatureReader | None:
        return release_reader(home, release, clock=clock, declared_views=lambda: declarations.views(name))

    return serving.ServedProject(
        name=name,
        releases=serving.JournalReleases(
            name,
            registry.Journal(home.database, clock),
            registry.Releases(
                home, lambda project: registry.declared_families(declarations.of(project).training), home.signing
            ),
            rollouts=rollout.RolloutRecords(home.database, name),
            newest_copy=lambda: registry.newest_copy(home.objects, name),
        ),
        clock=clock,
        open_reader=open_reader,
        load_routers=lambda: declarations.routers(name),
        is_store_remote=home.settings.online_store != "sqlite",
        start_check=lambda: _start_rollout_check(name),
        skew_proof=lambda release: features.read_skew_proof(name, release, home.objects),
        shadow_drains=lambda root, limits: serving.ShadowProcess(
            root, f"{__name__}:{open_shadow.__name__}", [str(declarations.folder(name))], limits
        ),
    )


def open_shadow(folder: str) -> tuple[ServedProject, Database]:
    """What the process that predicts beside the answers of a project needs, opened from its environment."""
    home, place = open_home(), Path(folder)
    return _served_project(home, Declarations([place]), place.name), home.database


def _start_rollout_check(project: str) -> None:
    """Weigh the outcomes of a rollout in a process of its own: promoting imports MLflow, which serving never does."""
    command = [sys.executable, "-m", "touchline.cli.main", "rollout", "check", "--project", project]
    checks = [check for check in _checks if check.poll() is None]
    _checks[:] = checks
    if not checks:
        _checks.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))


_checks: list[subprocess.Popen[bytes]] = []
