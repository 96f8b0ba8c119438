"""Opens the settings, the projects and the stores that a command hands down."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, errors, features, registry, storage, training
from touchline import project as projects

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features import FeatureReader, FeatureView, OnlineStore, PartitionRunner
    from touchline.features.online.store_outage import StandIn
    from touchline.project import LoadedProject, Project
    from touchline.registry import LoadedRelease, Tracking
    from touchline.settings import Settings
    from touchline.storage import Database, ObjectStore

ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "-p", help="Project name or folder; default: TOUCHLINE_PROJECT, else the first found."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True)
class Home:
    """The settings and stores that all projects of one home share. Each store is opened when it is first used."""

    settings: Settings
    base: Path

    @cached_property
    def folder(self) -> Path:
        """The folder that holds all state. A new one is for its user alone: it has predictions and hashes of keys."""
        folder = self.settings.home.absolute()
        with suppress(OSError):  # the first write says what is wrong
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @cached_property
    def database(self) -> Database:
        if (lost := self.lost_database) is not None:  # also makes the folder, before the database does for all to read
            raise lost
        database = storage.Database.open(self.settings.database)
        database.migrate()
        return database

    @property
    def lost_database(self) -> errors.BackendUnavailable | None:
        """The error where the database of a home that has files is gone.

        Predictions, outcomes and API keys are nowhere else, so an empty database must not take its place unnoticed.
        """
        file, objects = self.folder / "touchline.db", self.folder / "objects"
        is_lost = self.settings.database_url is None and not (file.exists() and file.stat().st_size)
        if not is_lost or not any(path.is_file() for path in objects.rglob("*")):
            return None
        return errors.BackendUnavailable(
            f"Database {file}",
            f"it is missing or empty, and {objects} has files that it described",
            "Restore it from a backup. Without one, touchline doctor --repair begins a new one with the versions and "
            "their stages; predictions, outcomes and API keys are lost then.",
        )

    def begin_database(self) -> None:
        """Make an empty database in place of a lost one."""
        database = storage.Database.open(self.settings.database)
        database.migrate()
        database.close()

    @cached_property
    def objects(self) -> ObjectStore:
        place = self.settings.objects_url or str(self.folder / "objects")
        return storage.open_objects(place, cache=self.folder / "object_copies")

    @cached_property
    def tracking(self) -> Tracking:
        return registry.open_tracking(self.settings.tracking_uri, artifacts=self.folder / "mlartifacts")

    @cached_property
    def online(self) -> OnlineStore:
        """The online store of the settings. Each write also goes to its copy, where the settings ask for one."""
        copy = self.online_copy
        return self.main_online if copy is None else features.MirroredStore(self.main_online, copy)

    @cached_property
    def main_online(self) -> OnlineStore:
        """The online store without its copy."""
        settings = self.settings
        if settings.online_store == "sqlite":
            return features.open_online_store("sqlite", str(self.folder / "online.db"))
        if settings.redis_url is None:
            raise errors.InvalidSetting(
                "TOUCHLINE_REDIS_URL", "not set", f"online store {settings.online_store!r} needs it"
            )
        return features.open_online_store(settings.online_store, settings.redis_url)

    @cached_property
    def online_copy(self) -> OnlineStore | None:
        """The SQLite copy to read while Redis is unreachable, if the settings ask for one."""
        if self.settings.online_store == "sqlite" or self.settings.online_away != "copy":
            return None
        return features.open_online_store("sqlite", str(self.folder / "online_copy.db"))

    @property
    def signing(self) -> registry.ReleaseKeys:
        """The keys that releases are signed with and verified by."""
        settings = self.settings
        folder = settings.release_keys or self.folder / "keys"
        return registry.ReleaseKeys(folder, is_required=settings.release_signatures == "required")

    def stores(self, clock: Clock) -> automation.Stores:
        """The home's stores with a project's clock."""
        return automation.Stores(
            self.database, self.objects, clock, lambda: self.online, lambda: self.tracking, self.signing
        )


@dataclass(frozen=True)
class OpenedProject:
    """A loaded project and the stores of its home."""

    home: Home
    loaded: LoadedProject

    @property
    def project(self) -> Project:
        return self.loaded.project

    @property
    def name(self) -> str:
        return self.loaded.name

    @cached_property
    def stores(self) -> automation.Stores:
        return self.home.stores(projects.project_clock(self.project, self.home.database))

    @property
    def clock(self) -> Clock:
        return self.stores.clock


def open_home() -> Home:
    """The home that the environment names; project folders are looked up from the working directory."""
    from touchline.settings import Settings

    return Home(Settings.from_environment(), Path.cwd())


def open_project(place: str | None) -> OpenedProject:
    """The named project, else the default one."""
    return find_project(place).load()


@dataclass(frozen=True)
class FoundProject:
    """A project whose code is not imported, which takes longer than a rollback may."""

    home: Home
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def stores(self) -> automation.Stores:
        return self.home.stores(projects.clock_of(self.name, self.home.database))

    def load(self) -> OpenedProject:
        """The project with its declaration. Raises `InvalidProject`."""
        return OpenedProject(self.home, projects.load_project(self.folder, base=self.home.base))


def find_project(place: str | None) -> FoundProject:
    """The folder of the named project, else of the default one."""
    home = open_home()
    return FoundProject(home, _default_folder(home, place))


def open_releases(home: Home) -> registry.Releases:
    """The releases of a home, with the estimators that the code of each project brings."""
    return registry.Releases(
        home, lambda name: registry.declared_families(load_default(home, name).project.training), home.signing
    )


def open_version(opened: OpenedProject, version: str) -> LoadedRelease:
    """The release of a version. Raises `VersionNotFound` or `ReleaseNotFound`."""
    record = registry.read_version(opened.stores, opened.name, version)
    if record.release_id is None:
        raise errors.ReleaseNotFound(opened.name, f"of version {record.version}")
    return open_releases(opened.home).open(record.release_id)


def load_default(home: Home, place: str | None) -> LoadedProject:
    """The project of a command: `-p`, else TOUCHLINE_PROJECT, else the first one found."""
    return projects.load_project(_default_folder(home, place), base=home.base)


def _default_folder(home: Home, place: str | None) -> Path:
    requested = place or home.settings.project
    return projects.find_projects([requested], base=home.base)[0] if requested else project_folders(home, [])[0]


def project_folders(home: Home, places: list[str]) -> list[Path]:
    """The folders of the projects to serve: the named ones, else TOUCHLINE_PROJECTS, else all under `projects/`."""
    folders = projects.find_projects(places or list(home.settings.projects), base=home.base)
    if not folders:
        raise errors.ProjectNotFound("any project", home.base, [])
    if home.settings.project is not None:
        projects.find_projects([home.settings.project], base=home.base)  # raises where there is none of that name
    return folders


def load_all(home: Home, places: list[str]) -> list[LoadedProject]:
    """The projects that `up` serves, loaded."""
    return [projects.load_project(folder, base=home.base) for folder in project_folders(home, places)]


def load_sound(home: Home, places: list[str]) -> tuple[list[LoadedProject], list[errors.InvalidProject]]:
    """The same, without those whose declaration cannot be used. Raises `InvalidProject` where that is all of them."""
    loaded, broken = [], []
    for folder in project_folders(home, places):
        try:
            loaded.append(projects.load_project(folder, base=home.base))
        except errors.InvalidProject as wrong:
            broken.append(wrong)
    if broken and not loaded:
        raise broken[0]
    return loaded, broken


def pipeline_context(
    opened: OpenedProject, on_progress: Callable[[str], None] = lambda _: None
) -> automation.PipelineContext:
    """The project with its stores and the places where its fits and joins run."""
    return automation.PipelineContext(
        opened.loaded, opened.stores, on_progress, training_options(opened), lambda: open_joins(opened.home.settings)
    )


def open_joins(settings: Settings) -> PartitionRunner | None:
    """The cluster that joins features to examples, per the settings; None for this process."""
    if settings.joins == "local":
        return None
    address = settings.ray_address if settings.joins == "ray" else settings.spark_master
    return features.open_runner(settings.joins, address)


def training_options(opened: OpenedProject) -> training.TrainingOptions:
    """The workers that fit models, per the settings, and the folder where searches are stored."""
    settings = opened.home.settings
    workers = training.open_workers(settings.training_workers, settings.ray_address)
    return training.TrainingOptions(studies=opened.home.folder / "studies" / opened.name, workers=workers)


def release_reader(
    home: Home, release: LoadedRelease, *, clock: Clock, declared_views: Callable[[], Mapping[str, FeatureView]]
) -> FeatureReader | None:
    """Reads a release's features online; None where its model takes none. `declared_views` gives views by name."""
    if not release.views:
        return None
    return features.open_reader(
        release, online=home.main_online, stores=home, clock=clock, declared=declared_views, stand_in=_stand_in(home)
    )


def _stand_in(home: Home) -> StandIn | None:
    """The values to read while Redis is unreachable, per the settings."""
    if home.settings.online_store == "sqlite" or home.settings.online_away == "refuse":
        return None
    copy = home.online_copy
    return features.LastValues() if copy is None else features.StoreCopy(copy)


def actor() -> str:
    """The name of the person who runs the command, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
