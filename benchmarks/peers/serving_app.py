"""The server under measurement, as `touchline serve` makes it, over the home in the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from touchline.clock import SystemClock
from touchline.features import FeatureReader, open_online_store
from touchline.predictions.spool_drain import DrainLimits
from touchline.registry import Journal, LoadedRelease, Releases
from touchline.rollout import RolloutRecords
from touchline.serving import JournalReleases, ServedProject, Server, ShadowProcess, create_app
from touchline.storage import Database, ObjectStore, open_objects

HOME = Path(os.environ.get("BENCH_HOME", "."))


class Stores(NamedTuple):
    """The database and the objects of the home."""

    database: Database
    objects: ObjectStore


def _reader(release: LoadedRelease) -> FeatureReader | None:
    if not release.views:
        return None
    store = open_online_store("sqlite", str(HOME / "online.db"))
    return FeatureReader(release.views, release.columns, store)


def make() -> Server:
    """One worker's application."""
    project, database = opened()
    return create_app([project], database=database, spool=HOME / "spool")


def opened() -> tuple[ServedProject, Database]:
    """The project and its database, for a worker and for the process of a shadow."""
    database = Database.open(f"sqlite:///{HOME / 'touchline.db'}")
    clock = SystemClock()
    stores = Stores(database, open_objects(str(HOME / "objects")))
    rollouts = RolloutRecords(database, "bench")
    releases = JournalReleases("bench", Journal(database, clock), Releases(stores), rollouts=rollouts)
    return ServedProject("bench", releases, clock, _reader, shadow_drains=_shadow_drains), database


def _shadow_drains(root: Path, limits: DrainLimits) -> ShadowProcess:
    return ShadowProcess(root, f"{__name__}:opened", [], limits)
