"""Opens the stores a pipeline needs and runs it for a command."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING

from touchline.cli.opening import Door, House

if TYPE_CHECKING:
    from touchline.automation import PipelineReport, Workplace
    from touchline.features import OnlineStore, PartitionRunner
    from touchline.registry import Registry, Tracking
    from touchline.settings import Settings
    from touchline.training import Workshop


def open_online(house: House) -> OnlineStore:
    """The online store that the settings name; what is written goes to its copy as well, where they want one."""
    from touchline.features import MirroredStore

    copy = open_copy(house)
    return open_main(house) if copy is None else MirroredStore(open_main(house), copy)


def open_main(house: House) -> OnlineStore:
    """The online store without its copy."""
    from touchline.errors import InvalidSetting
    from touchline.features import open_online_store

    settings = house.settings
    if settings.online_store == "sqlite":
        return open_online_store("sqlite", str(settings.home.absolute() / "online.db"))
    if settings.redis_url is None:
        raise InvalidSetting("TOUCHLINE_REDIS_URL", "not set", f"online store {settings.online_store!r} needs it")
    return open_online_store(settings.online_store, settings.redis_url)


def open_copy(house: House) -> OnlineStore | None:
    """The file that stands in for Redis, where the settings want one."""
    from touchline.features import open_online_store

    if house.settings.online_store == "sqlite" or house.settings.online_away != "copy":
        return None
    return open_online_store("sqlite", str(house.settings.home.absolute() / "online_copy.db"))


def open_runs(house: House) -> Tracking:
    """The MLflow that the settings name."""
    from touchline.registry import open_tracking

    return open_tracking(house.settings.tracking_uri, artifacts=house.settings.home.absolute() / "mlartifacts")


def open_registry(door: Door) -> Registry:
    """The registry of the project's home."""
    from touchline.registry import Registry

    return Registry(door.house.database, door.house.objects, open_runs(door.house), door.clock)


def workplace(door: Door, say: Callable[[str], None] = lambda _: None) -> Workplace:
    """The project with all its stores."""
    from touchline.automation import PipelineStores, Workplace

    house = door.house
    stores = PipelineStores(house.database, house.objects, open_online(house), open_runs(house))
    return Workplace(door.loaded, stores, door.clock, say, open_workshop(door), lambda: open_joins(house.settings))


def open_joins(settings: Settings) -> PartitionRunner | None:
    """Who joins features to examples, as the settings say; None for this process."""
    from touchline.features import open_runner

    if settings.joins == "local":
        return None
    return open_runner(settings.joins, settings.ray_address if settings.joins == "ray" else settings.spark_master)


def open_workshop(door: Door) -> Workshop:
    """Who does the fits of a training, as the settings say; its searches are kept in the home."""
    from touchline.training import Workshop, open_workers

    settings = door.house.settings
    workers = open_workers(settings.training_workers, settings.ray_address)
    return Workshop(studies=settings.home.absolute() / "studies" / door.project.name, workers=workers)


def prepare(door: Door, *, trigger: str, say: Callable[[str], None], is_forced: bool = False) -> PipelineReport:
    """Run the pipeline from ingest to promotion, one run of a project at a time."""
    import os
    import socket
    from datetime import timedelta

    from touchline.automation import run_pipeline
    from touchline.storage import hold_lease

    holder = f"{actor()}@{socket.gethostname()}:{os.getpid()}"
    lease = hold_lease(
        door.house.database,
        f"{door.project.name}:pipeline",
        holder=holder,
        ttl=timedelta(minutes=10),
        clock=door.clock,
    )
    with lease:
        return run_pipeline(workplace(door, say), trigger=trigger, actor=actor(), is_forced=is_forced)


def actor() -> str:
    """Who types: the name that the journal keeps."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
