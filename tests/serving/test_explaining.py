"""Explanations over HTTP add up to the answer."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.serving.builders import Shelf, a_release, a_server, wait_for
from tests.serving.bundles import a_model, a_request
from touchline.registry import InputField, LoadedRelease

_NUMBER = {"type": "number"}


def _explainable(**schemas: dict[str, str]) -> LoadedRelease:
    model = a_model()
    inputs = tuple(InputField(column.name, schemas.get(column.name, _NUMBER)) for column in model.columns)
    import numpy as np

    return a_release(
        columns=model.columns,
        model=model,
        classes=model.classes,
        inputs=inputs,
        example=None,
        background=np.zeros((3, len(model.columns))),
    )


def test_what_the_columns_add_is_the_score_of_the_answer(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(_explainable())) as server:
        answer = server.client.post("/predict", json=a_request()).json()
        told = server.client.post("/explain", json=a_request()).json()
        score = told["base"]["yes"] + sum(column["adds"]["yes"] for column in told["contributions"])
        assert 1 / (1 + math.exp(-score)) == pytest.approx(answer["probabilities"]["yes"])
        assert {column["column"]: column["value"] for column in told["contributions"]} == a_request()
        logged = {"prediction_id": answer["prediction_id"]}
        assert wait_for(lambda: server.client.post("/explain", json=logged).json().get("base")) == told["base"]


@pytest.mark.parametrize(("form", "value"), [("date", "2023-05-14"), ("date-time", "2023-05-14T12:30:00Z")])
def test_a_time_is_shown_as_a_request_has_it(tmp_path: Path, form: str, value: str) -> None:
    name, *_ = a_request()
    release = _explainable(**{name: {"type": "string", "format": form}})
    with a_server(tmp_path, Shelf.of(release)) as server:
        told = server.client.post("/explain", json={**a_request(), name: value}).json()
    assert {column["column"]: column["value"] for column in told["contributions"]} == {**a_request(), name: value}


def test_a_model_without_explanation_says_so(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        refused = server.client.post("/explain", json={"age": 3})
        assert refused.status_code == 404
        assert "no explanation" in refused.json()["detail"]
        assert server.client.post("/explain", json={"prediction_id": "p9"}).status_code == 404
        assert server.client.post("/explain", content=b"{").status_code == 400
