"""A registry per test. What costs seconds, MLflow's tables and two recorded versions, is made once and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.registry.builders import a_registry, a_trained
from tests.stores import empty_mlflow
from touchline.registry import Registry, record_version
from touchline.storage import Database


@pytest.fixture(scope="session")
def _empty_mlflow() -> Path:
    return empty_mlflow()


@pytest.fixture(scope="session")
def _two_versions(tmp_path_factory: pytest.TempPathFactory, _empty_mlflow: Path, _empty_sqlite: Path) -> Path:
    folder = tmp_path_factory.mktemp("two-versions")
    shutil.copy(_empty_mlflow, folder / "mlflow.db")
    database = Database.open(f"sqlite:///{shutil.copy(_empty_sqlite, folder / 'touchline.db')}")
    registry = a_registry(database, folder)
    record_version(registry, a_trained())
    record_version(registry, a_trained(seed=2))
    database.close()
    return folder


@pytest.fixture
def registry(database: Database, tmp_path: Path, _empty_mlflow: Path) -> Registry:
    """A registry without versions."""
    shutil.copy(_empty_mlflow, tmp_path / "mlflow.db")
    return a_registry(database, tmp_path)


@pytest.fixture
def two(registry: Registry, tmp_path: Path, _two_versions: Path) -> Registry:
    """A registry with the versions 1 and 2 of project p, both in None."""
    registry.database.close()
    shutil.copytree(_two_versions, tmp_path, dirs_exist_ok=True)
    return a_registry(Database.open(f"sqlite:///{tmp_path / 'touchline.db'}"), tmp_path)
