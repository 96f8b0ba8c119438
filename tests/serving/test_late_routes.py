"""Predictions do not wait for the other routes, nor fall with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.databases import a_database
from tests.serving.builders import FAST_LOG, NOW, Shelf, a_release, drain_here, on_loopback
from touchline.clock import FrozenClock
from touchline.serving import Limits, ServedProject, ServerOptions, create_app

ROW = {"age": 30, "colour": "red"}


@contextmanager
def _asked(folder: Path, extend: Callable[[FastAPI], None]) -> Iterator[httpx.Client]:
    database = a_database(folder)
    project = ServedProject("shop", Shelf.of(a_release()), FrozenClock(NOW))
    options = ServerOptions(Limits(poll_seconds=0.01, lag_seconds=60.0), FAST_LOG, extend=extend, drains=drain_here)
    app = create_app([project], database=database, spool=folder / "spool", options=options)
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
    database.close()


def test_predictions_answer_while_the_other_routes_are_made(tmp_path: Path) -> None:
    goes_on = threading.Event()

    def wait(_: FastAPI) -> None:
        assert goes_on.wait(30)

    with _asked(tmp_path, wait) as client, ThreadPoolExecutor(1) as waiting:
        information = waiting.submit(client.get, "/model-info")
        assert client.get("/readyz").json() == {"status": "ready", "projects": {"shop": True}}
        assert client.post("/predict", json=ROW).status_code == 200
        assert not information.done()
        goes_on.set()
        assert information.result(30).json()["project"] == "shop"


def test_an_unknown_path_names_the_nearest_route(tmp_path: Path) -> None:
    nearest = {
        "/model-inof": "/model-info",
        "/projects/shpo/predict": "/projects/shop/predict",
        "/predict/jobs/7/reslt": "/predict/jobs/{job_id}/result",
    }
    with _asked(tmp_path, lambda _: None) as client:
        for path, route in nearest.items():
            problem = client.get(path)
            assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
            assert (
                problem.json()["detail"] == f"No route has the path {path!r}. Did you mean {route}? All routes: /docs"
            )
        assert client.get("/zzz").json()["detail"] == "No route has the path '/zzz'. All routes: /docs"
        assert "no job" in client.get("/predict/jobs/7").json()["detail"].lower()


def test_routes_that_cannot_be_made_leave_the_predictions_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: FastAPI) -> None:
        raise RuntimeError("no such table")

    with _asked(tmp_path, broken) as client:
        assert client.get("/model-info").status_code == 500
        assert client.get("/model-info").headers["content-type"] == "application/problem+json"
        assert client.post("/predict", json=ROW).status_code == 200
    assert "no such table" in caplog.text


def test_a_probe_knows_its_methods(tmp_path: Path) -> None:
    with _asked(tmp_path, lambda _: None) as client:
        refused = client.post("/readyz")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert {"/healthz", "/readyz"} <= set(client.get("/openapi.json").json()["paths"])
