"""The server under measurement, as `touchline serve` makes it, over the home in the environment."""

from __future__ import annotations

import os
from pathlib import Path

from touchline.clock import SystemClock
from touchline.features import FeatureReader, open_online_store
from touchline.registry import ServedRelease
from touchline.serving import JournalReleases, ServedProject, Server, create_app
from touchline.storage import Database, open_objects

HOME = Path(os.environ.get("BENCH_HOME", "."))


def _reader(release: ServedRelease) -> FeatureReader | None:
    if not release.views:
        return None
    store = open_online_store("sqlite", str(HOME / "online.db"))
    return FeatureReader(release.views, release.columns, store)


def make() -> Server:
    """One worker's application."""
    database = Database.open(f"sqlite:///{HOME / 'touchline.db'}")
    clock = SystemClock()
    releases = JournalReleases("bench", database, open_objects(str(HOME / "objects")), clock)
    return create_app([ServedProject("bench", releases, clock, _reader)], database=database, spool=HOME / "spool")
