"""MLflow's server on PostgreSQL, its artifacts in a bucket: everything that touchline does with MLflow goes there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import spare_port
from tests.shop import write_shop

pytestmark = [pytest.mark.services, pytest.mark.scale]


@contextmanager
def _running(command: list[str], place: Path, environment: Mapping[str, str], ready: str) -> Iterator[None]:
    with (place / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=place, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 300
        while not _answers(ready):
            assert process.poll() is None, (place / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"{ready} did not answer"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def _mlflow(postgres_url: str, bucket: str, place: Path) -> Iterator[str]:
    """The address of a server whose tables lie in a schema of their own, and whose files in the bucket."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE SCHEMA mlflow")
    port = spare_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--serve-artifacts", "--artifacts-destination", f"{bucket}/mlflow"]
    store = f"{postgres_url.replace('postgresql:', 'postgresql+psycopg:')}?options=-csearch_path%3Dmlflow"
    environment = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with _running(command, place, environment, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}"


def _touchline(place: Path, settings: Mapping[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "touchline.cli.main", *words]
    environment = {**os.environ, **settings, "COLUMNS": "300"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_model_is_trained_promoted_served_and_backed_up_through_the_server(
    postgres_url: str, bucket: str, s3_server: tuple[str, Path], tmp_path: Path
) -> None:
    write_shop(tmp_path)
    port = spare_port()
    settings = {
        "TOUCHLINE_DATABASE_URL": postgres_url,
        "TOUCHLINE_OBJECTS_URL": f"{bucket}/objects",
        "TOUCHLINE_HOME": str(tmp_path / "home"),
    }
    with _mlflow(postgres_url, bucket, tmp_path) as settings["TOUCHLINE_MLFLOW_TRACKING_URI"]:
        _touchline(tmp_path, settings, "train")
        [version] = json.loads(_touchline(tmp_path, settings, "models", "list", "--json"))
        assert version["stage"] == "Production"
        files = s3_server[1] / bucket.removeprefix("s3://tests/") / "mlflow"
        assert [path.name for path in files.rglob("MLmodel")] == ["MLmodel"]
        assert "wrong" not in {one["mark"] for one in json.loads(_touchline(tmp_path, settings, "doctor", "--json"))}

        serve = [sys.executable, "-m", "touchline.cli.main", "serve", "--port", str(port)]
        with _running(serve, tmp_path, settings, f"http://127.0.0.1:{port}/readyz"):
            answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"customer": "c11"}, timeout=60)
        assert answer.json()["version"] == 1, answer.text
        assert not (tmp_path / "home" / "mlartifacts").exists()

        _touchline(tmp_path, settings, "backup", "create", "--to", str(tmp_path / "backups"))
        verified = json.loads(
            _touchline(tmp_path, settings, "backup", "verify", "--json", "--from", str(tmp_path / "backups"))
        )
        assert [(proof["replayed"], proof["mismatches"]) for proof in verified["proofs"]] == [(1, [])]
        assert "MLflow" in " ".join(verified["left_out"])  # it is backed up where it runs
