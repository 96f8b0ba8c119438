"""An error has one problem document, whichever route meets it: /predict, /explain, a job, a project's own route."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import APIRouter

from tests.serving.builders import Ratings, Server, Shelf, a_match_release, a_release, a_server, wait_for
from touchline.errors import (
    CorruptedFeatures,
    FeatureNotANumber,
    FeaturesExpired,
    InvalidEntityKey,
    InvalidView,
    OnlineStoreUnavailable,
)
from touchline.features import ColumnSpec
from touchline.features.vectors.columns import Vectors
from touchline.registry import InputField, LoadedRelease
from touchline.serving import RouteContext

pytestmark = pytest.mark.services

BY_KEYS = {"home_team": "A", "away_team": "B"}
PASSING = "features-unavailable"  # a job waits until this is over


class _NoNumber:
    """A model whose output is not a number."""

    def predict(self, vectors: Vectors) -> Vectors:
        return np.full((len(vectors), 2), np.nan)


class _Failing:
    """A transform with an error in its code."""

    name, inputs = "broken", ("age",)

    def __init__(self, values: Any) -> None:
        self._values = values

    def __call__(self, columns: Any) -> Any:  # noqa: ARG002  its error does not depend on them
        return {"age": self._values / 0 if self._values == 1 else self._values}


@dataclass(frozen=True)
class _Case:
    release: LoadedRelease
    row: dict[str, Any]
    status: int
    failure: Exception | None = None
    is_explained: bool = True


def _untyped(**changes: Any) -> LoadedRelease:
    return a_release(
        columns=(ColumnSpec("age", "number"),),
        inputs=(InputField("age", {}, is_required=False),),
        example=None,
        **changes,
    )


def _by_keys(failure: Exception, status: int) -> _Case:
    return _Case(a_match_release(), BY_KEYS, status, failure)


CASES = {
    "field": _Case(a_release(), {"age": 300}, 422),
    "text for a number, by values": _Case(_untyped(), {"age": "old"}, 422),
    "text for a number, by keys": _by_keys(FeatureNotANumber("age", "old"), 422),
    "key": _by_keys(InvalidEntityKey("form", "team", 7, "text"), 422),
    "missing key": _Case(a_match_release(), {"home_team": "A"}, 422),
    "expired": _by_keys(FeaturesExpired("form", "A", "missing", "none to be missing"), 503),
    "away": _by_keys(OnlineStoreUnavailable("store", "gone", 1.0), 503),
    "corrupted": _by_keys(CorruptedFeatures("form", "A", "3 bytes", "8 bytes"), 503),
    "transform of another shape": _Case(_untyped(transforms=(_Failing(7.0),)), {"age": 1}, 500),
    "transform, by keys": _by_keys(InvalidView("rest", "returns 'a' of shape ()", "Return one number a row."), 500),
    "unforeseen": _Case(_untyped(transforms=(_Failing(1),)), {"age": 1}, 500),
    "unforeseen, by keys": _by_keys(KeyError("elo"), 500),
    "no finite output": _Case(a_release(model=_NoNumber()), {"age": 3}, 422, is_explained=False),
    "beyond the log": _Case(_untyped(), {"age": 2**64}, 422, is_explained=False),
}


def _own_routes(context: RouteContext) -> APIRouter:
    router = APIRouter()

    @router.post("/own")
    def post_own(row: dict[str, Any]) -> dict[str, Any]:
        return context.predict([row])[0]

    return router


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_error_has_one_problem_document_on_every_route(tmp_path: Path, case: _Case) -> None:
    with a_server(tmp_path, Shelf.of(case.release), reader=Ratings({}, case.failure), routers=[_own_routes]) as server:
        predicted = _problem(server, "/predict", case.row)
        assert predicted["status"] == case.status
        if case.is_explained:
            assert _problem(server, "/explain", case.row) == predicted
        assert _problem(server, "/own", case.row) == _problem(server, "/predict", [case.row])
        if not predicted["type"].endswith(PASSING):
            assert _job_problem(server, case.row) == predicted


def _problem(server: Server, path: str, body: Any) -> dict[str, Any]:
    response = server.client.post(path, json=body)
    document: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == document["status"]
    assert document.pop("correlation_id") == response.headers["x-correlation-id"]
    return document


def _job_problem(server: Server, row: dict[str, Any]) -> dict[str, Any]:
    where = f"/predict/jobs/{server.client.post('/predict/jobs', json=[row]).json()['id']}"
    job = wait_for(lambda: (found := server.client.get(where).json())["state"] in ("done", "failed") and found)
    assert (job["state"], job["refused"]) == ("done", 1)
    problem: dict[str, Any] = json.loads(server.client.get(f"{where}/result").content)["problem"]
    return problem
