"""A registry per test; MLflow's tables are made once, since making them costs seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.registry.builders import a_registry
from touchline.registry import Registry, open_tracking
from touchline.storage import Database


@pytest.fixture(scope="session")
def _empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    tracking = open_tracking(f"sqlite:///{path}")
    tracking.attempt(lambda: tracking.client.search_experiments())
    return path


@pytest.fixture
def registry(database: Database, tmp_path: Path, _empty_mlflow: Path) -> Registry:
    shutil.copy(_empty_mlflow, tmp_path / "mlflow.db")
    return a_registry(database, tmp_path)
