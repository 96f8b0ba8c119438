"""Stores for tests: the database and objects alone, or all that a pipeline has."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.databases import empty_database
from touchline.automation import Stores
from touchline.clock import Clock
from touchline.features import open_online_store
from touchline.registry import Tracking, open_tracking
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


@cache
def empty_mlflow() -> Path:
    """A database with MLflow's tables, which take MLflow seconds to make: made once a process, to be copied."""
    folder = Path(mkdtemp(prefix="touchline-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tracking = open_tracking(f"sqlite:///{folder / 'mlflow.db'}", artifacts=folder / "artifacts")
    tracking.attempt(lambda: tracking.client.search_experiments())
    return folder / "mlflow.db"


def with_tables(home: Path) -> Path:
    """The home, made where it is missing, with the tables of touchline and of MLflow where it had none."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        shutil.copy(empty_mlflow(), home / "mlflow.db")
    if not (home / "touchline.db").exists():
        (home / "touchline.db").write_bytes(empty_database())
    return home


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that costs seconds to make, to be copied: the first worker of a run makes it, the others wait."""
    own = factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            building = factory.mktemp(name)
            build(building)
            building.rename(place)
    return place
