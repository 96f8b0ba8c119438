"""Stores for tests: the database and objects alone, or all that a pipeline has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from touchline.automation import Stores
from touchline.clock import Clock
from touchline.features import open_online_store
from touchline.registry import Tracking
from touchline.storage import Database, ObjectStore, open_objects


@dataclass(frozen=True)
class SomeStores:
    """A database and objects: all that ingest and features need."""

    database: Database
    objects: ObjectStore


def some_stores(database: Database, folder: Path) -> SomeStores:
    """The database, and objects in a folder."""
    return SomeStores(database, open_objects(folder / "objects"))


def all_stores(database: Database, folder: Path, *, clock: Clock, tracking: Tracking) -> Stores:
    """All stores of a project, with the objects and the online store in a folder."""
    objects = open_objects(folder / "objects")
    return Stores(
        database, objects, clock, lambda: open_online_store("sqlite", str(folder / "online.db")), lambda: tracking
    )
