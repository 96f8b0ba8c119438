"""One contract has one reader: what one door takes, all take, and a repeated key is refused at each."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
import pytest

from tests.serving.builders import NOW, Ratings, Server, Shelf, a_match_release, a_release, a_server, wait_for
from touchline.contracts import Contract, DateFormat
from touchline.features import ColumnSpec
from touchline.registry import InputField
from touchline.serving import score_frame

pytestmark = pytest.mark.services
NFC, NFD = "M\u00fcnchen", "Mu\u0308nchen"


@pytest.mark.parametrize("path", ["/predict", "/projects/shop/predict", "/explain", "/outcomes"])
@pytest.mark.parametrize("body", [b'{"age": 1, "age": 2}', b'[{"age": 1}, {"age": 1, "colour": "a:b", "age": 2}]'])
def test_a_repeated_key_is_refused_by_name_on_every_route(tmp_path: Path, path: str, body: bytes) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        refused = server.client.post(path, content=body, headers={"content-type": "application/json"})
        assert refused.status_code == 422
        assert "The key 'age' stands twice" in refused.text


def test_a_repeated_key_refuses_its_row_of_a_job_alone(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        body = b'{"age": 1}\n{"age": 1, "age": 2}\n'
        job = server.client.post("/predict/jobs", content=body, headers={"content-type": "application/x-ndjson"}).json()
        where = f"/predict/jobs/{job['id']}"
        wait_for(lambda: server.client.get(where).json()["state"] == "done")
        first, second = (orjson.loads(line) for line in server.client.get(f"{where}/result").text.splitlines())
        assert "probabilities" in first
        assert second["problem"]["errors"][0]["field"] == "age"


def _probabilities(server: Server, body: bytes) -> dict[str, float]:
    answer = server.client.post("/predict", content=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, float] = answer.json()["probabilities"]
    return found


def test_both_spellings_of_a_text_are_one_entity(tmp_path: Path) -> None:
    ratings = Ratings({NFC: 9.0, "B": 2.0})
    release = a_match_release()
    with a_server(tmp_path, Shelf.of(release), reader=ratings) as server:
        spellings = [json.dumps({"home_team": name, "away_team": "B"}, ensure_ascii=False) for name in (NFC, NFD)]
        spellings.append(json.dumps({"home_team": NFD, "away_team": "B"}))
        answers = [_probabilities(server, spelling.encode()) for spelling in spellings]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0] != _probabilities(server, b'{"home_team": "B", "away_team": "B"}')


def test_a_frame_of_pandas_is_taken_as_the_contract_allows(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    fields = (
        InputField("visits", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, is_required=False),
        InputField("plan", {"anyOf": [{"enum": ["basic", "pro"]}, {"type": "null"}]}, is_required=False),
    )
    columns = (ColumnSpec("visits", "number"), ColumnSpec("plan", "category", ("basic", "pro")))
    release = a_release(inputs=fields, columns=columns, example={})
    frame = pandas.DataFrame({"visits": [3, None, 7], "plan": ["basic", None, "pro"]})
    with a_server(tmp_path, Shelf.of(release)) as server:
        bodies = [frame.to_json(orient="records"), json.dumps(frame.to_dict(orient="records"))]
        answers = [server.client.post("/predict", content=body) for body in bodies]
        assert [answer.status_code for answer in answers] == [200, 200]
        first, second = ([one["probabilities"]["yes"] for one in answer.json()["predictions"]] for answer in answers)
    scored = score_frame(release, None, pl.from_pandas(frame), now=NOW).frame
    assert first == second == scored["p_yes"].to_list()


class Visit(Contract):
    day: Annotated[date, DateFormat("%b %d, %Y")] | None
    at: Annotated[datetime, DateFormat("%d/%m/%Y %H:%M")]


def test_a_time_in_the_spelling_of_the_contract_is_taken_as_in_a_file(tmp_path: Path) -> None:
    schemas = Visit.model_json_schema()["properties"]
    inputs = (
        InputField("day", schemas["day"], True),
        InputField("at", {**schemas["at"], "zone": "Europe/Berlin"}, True),
    )
    columns = (ColumnSpec("day", "number"), ColumnSpec("at", "number"))
    release = a_release(inputs=inputs, columns=columns, example={})
    spelt = [{"day": "Jan 3, 2025", "at": "03/01/2025 13:30"}, {"day": "2025-01-03", "at": "2025-01-03T12:30:00Z"}]
    with a_server(tmp_path, Shelf.of(release)) as server:
        answers = [_probabilities(server, json.dumps(row).encode()) for row in spelt]
        refused: Any = server.client.post("/predict", json={"day": "03.01.2025", "at": "x"}).json()
    scored = score_frame(release, None, pl.DataFrame(spelt), now=NOW).frame
    assert answers[0] == answers[1]
    assert scored["p_yes"].to_list() == [answer["yes"] for answer in answers]
    assert refused["detail"] == (
        "day: does not fit; allowed: a day such as 2009-04-15, or text in the form '%b %d, %Y' (and 1 more). "
        "See /docs for the fields."
    )


def test_the_bad_input_of_a_door_names_what_to_send(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        refused: Any = server.client.post("/predict", content=b'{"age": NaN}')
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["allowed"] == "number >= 0 <= 120"
