"""The same declaration on PostgreSQL, Redis and a bucket, by settings alone, from two machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers import spare_port
from tests.shop import write_shop

pytestmark = pytest.mark.services


def _touchline(place: Path, settings: Mapping[str, str], *words: str, code: int = 0) -> str:
    """What a command prints in a process of its own, whose connections end with it."""
    environment = {**os.environ, **settings, "TOUCHLINE_HOME": str(place / "home"), "COLUMNS": "300"}
    command = [sys.executable, "-m", "touchline.cli.main", *words]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _versions(place: Path, settings: Mapping[str, str]) -> Any:
    return json.loads(_touchline(place, settings, "models", "list", "--json"))


def _machine(place: Path) -> Path:
    place.mkdir()
    write_shop(place)
    return place


def test_what_one_machine_trains_another_examines_and_verifies(
    postgres_url: str, redis_url: str, bucket: str, tmp_path: Path
) -> None:
    settings = {
        "TOUCHLINE_DATABASE_URL": postgres_url,
        "TOUCHLINE_ONLINE_STORE": "redis",
        "TOUCHLINE_REDIS_URL": redis_url,
        "TOUCHLINE_OBJECTS_URL": bucket,
        "TOUCHLINE_MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    first = _machine(tmp_path / "first")
    _touchline(first, settings, "train")
    trained = _versions(first, settings)
    shutil.rmtree(first)
    second = _machine(tmp_path / "second")
    assert _versions(second, settings) == trained
    assert trained[0]["stage"] == "Production"
    examined = _touchline(second, settings, "doctor", code=1)  # MLflow's own files went with the first machine
    assert [line.split("  ")[1].strip() for line in examined.splitlines() if line.startswith("wrong")] == [
        "MLflow files of version 1"
    ]
    assert bucket in examined
    assert "present" in _touchline(second, settings, "features", "get", "spending", "customer=c11", "--json")
    _touchline(second, settings, "features", "verify")
    _touchline(second, settings, "models", "download", "1", str(tmp_path / "release"))
    assert list((tmp_path / "release").rglob("release.json"))


def test_doctor_names_a_bucket_that_does_not_take_an_object(bucket: str, tmp_path: Path) -> None:
    place = _machine(tmp_path / "first")
    settings = {"TOUCHLINE_OBJECTS_URL": bucket, "AWS_SECRET_ACCESS_KEY": "wrong"}
    for command in ("doctor", "ingest"):
        assert "the service refused these credentials" in _touchline(place, settings, command, code=1)


def test_doctor_names_each_server_that_is_down_with_the_next_step(tmp_path: Path) -> None:
    place, port = _machine(tmp_path / "first"), spare_port()
    settings = {
        "TOUCHLINE_DATABASE_URL": f"postgresql://touchline:a-secret@127.0.0.1:{port}/touchline",
        "TOUCHLINE_ONLINE_STORE": "redis",
        "TOUCHLINE_REDIS_URL": f"redis://:a-secret@127.0.0.1:{port}/0",
        "TOUCHLINE_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}",
    }
    printed = _touchline(place, settings, "doctor", code=1)
    for words in (
        "Check that the server runs and that TOUCHLINE_DATABASE_URL is right",
        "Start the server, or correct TOUCHLINE_MLFLOW_TRACKING_URI",
        "Check that it runs and that its address and password are right",
    ):
        assert words in " ".join(printed.split())
    assert "a-secret" not in printed
