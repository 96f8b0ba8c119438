"""The OpenAPI document follows the releases, and FastAPI's routes answer as the fast path does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.serving.builders import (
    Ratings,
    Server,
    Shelf,
    a_match_release,
    a_release,
    a_server,
    on_loopback,
    wait_for,
)
from touchline.features import ColumnSpec
from touchline.predictions.spool import lock_folder, release_folder
from touchline.registry import InputField
from touchline.serving.http.app import routes_app
from touchline.serving.http.jobs import Jobs

pytestmark = pytest.mark.services

PATHS = ("/predict", "/projects/shop/predict")
TEXTS = st.sampled_from(["", "A", "0", "red", "a\0b", "x" * 300, "2009-04-15T00:00:00Z", "2009-04-15"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 120),
    st.floats(),
    TEXTS,
    st.just([]),
    st.just({}),
)
FIELDS = ("age", "colour", "home_team", "away_team", "cutoff", "example_id", "features", "else")
FEATURES = st.dictionaries(st.sampled_from(["home_elo", "away_elo"]), VALUES)
GOOD = st.sampled_from([{"age": 3}, {"age": 40.5, "colour": "red"}, {"home_team": "A", "away_team": "Z"}])
ROWS = (
    GOOD | st.dictionaries(st.sampled_from(FIELDS), VALUES) | st.builds(lambda values: {"features": values}, FEATURES)
)
DOCUMENTS = ROWS | st.lists(ROWS, max_size=5) | VALUES
BODIES = DOCUMENTS.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=20)
TYPES = st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", None])


@dataclass(frozen=True)
class _Both:
    fast: httpx.Client
    routes: httpx.Client


@contextmanager
def _both_ways(server: Server, folder: Path) -> Iterator[_Both]:
    """The server as it is, and its FastAPI routes without the fast path before them."""
    app = routes_app(server.serving, Jobs(folder / "no jobs", server.serving), [])
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=30) as routes:
        yield _Both(server.client, routes)


@pytest.fixture(params=["inputs", "keys"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Both]:
    release = a_release() if request.param == "inputs" else a_match_release()
    with (
        a_server(tmp_path, Shelf.of(release), reader=Ratings({"A": 1.0})) as server,
        _both_ways(server, tmp_path) as both,
    ):
        yield both


def _response(client: httpx.Client, method: str, path: str, body: bytes, media_type: str | None) -> tuple[Any, ...]:
    """Status, media type, allowed methods and body, without the ids that every response has of its own."""
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.request(method, path, content=body, headers=headers)
    document = response.json() if response.content else None
    if isinstance(document, dict):
        document.pop("correlation_id", None)
        for prediction in document.get("predictions", [document]):
            prediction.pop("prediction_id", None)
    names = ("content-type", "allow", "retry-after")
    return response.status_code, *[response.headers.get(name) for name in names], document


def test_the_routes_answer_as_the_fast_path_does(both: _Both) -> None:
    statuses = set()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(PATHS), BODIES, TYPES)
    @example("/predict", b'{"age": 3}', "application/json")
    @example("/predict", b'{"home_team": "A", "away_team": "Z"}', "application/json")
    def check(path: str, body: bytes, media_type: str | None) -> None:
        fast = _response(both.fast, "POST", path, body, media_type)
        assert _response(both.routes, "POST", path, body, media_type) == fast
        statuses.add(fast[0])

    check()
    assert statuses >= {200, 400, 422}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_the_routes_refuse_other_methods_as_the_fast_path_does(both: _Both, method: str, path: str) -> None:
    assert _response(both.routes, method, path, b"", None) == _response(both.fast, method, path, b"", None)


def test_the_document_follows_a_promotion(tmp_path: Path) -> None:
    other = a_release(
        2,
        columns=(ColumnSpec("height", "number"),),
        inputs=(InputField("height", {"type": "number", "maximum": 3}),),
        classes=("short", "tall"),
        example={"height": 1.8},
    )
    shelf = Shelf.of(a_release(), other)
    with a_server(tmp_path, shelf) as server:
        before = _schemas(server)
        shelf.promote("shop-2-d2")
        wait_for(lambda: server.client.get("/health").json()["models"]["shop"]["version"] == 2)
        after = _schemas(server)
        outcome = {"example_id": "e1", "label": "tall"}
        assert server.client.post("/outcomes", json=outcome).status_code == 200
    assert set(before["ShopRow"]["properties"]) == {"age", "colour", "cutoff", "example_id"}
    assert set(after["ShopRow"]["properties"]) == {"height", "cutoff", "example_id"}
    assert set(before["ShopProbabilities"]["properties"]) == {"yes", "no"}
    assert set(after["ShopProbabilities"]["properties"]) == {"short", "tall"}
    assert before["ShopExampleOutcome"]["properties"]["label"]["enum"] == ["yes", "no"]
    assert after["ShopExampleOutcome"]["properties"]["label"]["enum"] == ["short", "tall"]


def test_every_project_has_its_routes_before_a_release_is_in_production(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf()) as server:
        document = server.client.get("/openapi.json").json()
    assert {"/predict", "/explain", "/predict/jobs", "/outcomes", "/healthz", "/readyz"} <= set(document["paths"])


def test_the_document_says_how_a_job_ends(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        paths = server.client.get("/openapi.json").json()["paths"]
        with _a_waiting_job(server, tmp_path / "jobs") as job:
            early = server.client.get(f"/predict/jobs/{job}/result")
    result = paths["/predict/jobs/{job_id}/result"]["get"]["responses"]
    assert list(result["200"]["content"]) == ["application/x-ndjson"]
    assert (early.status_code, early.json()["type"]) == (409, "urn:touchline:problem:job-unfinished")
    assert "409" in result
    assert {"application/json", "application/x-ndjson"} == set(paths["/predict/jobs"]["post"]["requestBody"]["content"])


@contextmanager
def _a_waiting_job(server: Server, folder: Path) -> Iterator[str]:
    """A job that another worker has locked."""
    job = Jobs(folder.with_name("elsewhere"), server.serving).submit("shop", [b'{"age": 1}'])
    handle = lock_folder(folder.with_name("elsewhere") / job.id)
    assert handle is not None
    folder.mkdir(exist_ok=True)
    (folder.with_name("elsewhere") / job.id).rename(folder / job.id)
    yield job.id
    release_folder(handle)


def _schemas(server: Server) -> dict[str, Any]:
    schemas: dict[str, Any] = server.client.get("/openapi.json").json()["components"]["schemas"]
    return schemas
