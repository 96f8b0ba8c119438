"""A row that is decoded in one pass is the row that the request models read; what they refuse is never plain."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from tests.serving.builders import NOW, Ratings, a_match_release, a_release
from touchline.features import ColumnSpec
from touchline.http.problems import Problem
from touchline.registry import InputField, LoadedRelease
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.read_requests import RequestReader
from touchline.serving.predicting.request_fields import RequestModels
from touchline.serving.predicting.scored_row import RequestContext, Row

_INPUTS = (
    InputField("size", {"type": "number", "minimum": -100, "exclusiveMaximum": 1e9}),
    InputField("visits", {"type": "integer", "minimum": 0}),
    InputField("colour", {"type": "string", "enum": ["blue", "red"]}),
    InputField("note", {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]}),
    InputField("is_new", {"type": "boolean"}),
)


def a_reader(release: LoadedRelease) -> RequestReader:
    return RequestReader(release, RequestModels(release))


_READER = a_reader(a_release(inputs=_INPUTS, columns=(ColumnSpec("size", "number"),), example=None))
_ROW = {"size": 2.5, "visits": 3, "colour": "red", "note": "ok", "is_new": True}
_SPELLINGS = {
    "size": [
        "1",
        "-0",
        "-100",
        "-101",
        "1e9",
        "1E-7",
        "0.1e1",
        "NaN",
        "1e999",
        '"1"',
        "true",
        "null",
        "01",
        "1.",
        "+1",
    ],
    "visits": ["0", "-1", "3.0", "3.5", "1e2", "9007199254740993", "9007199254740992.0", "1e19", "true", '"3"', "null"],
    "colour": ['"red"', '"green"', '"RED"', "null", "1", '"r\\u0065d"', '"rot\\n"'],
    "note": ['""', '"12345"', '"123456"', '"a:b"', '"ü"', '"\\u0000"', '"a\tb"', '"\x00"', "null", "1"],
    "is_new": ["false", "0", '"true"', "null"],
}
_BODIES = [
    "{}",
    "[]",
    "null",
    "",
    json.dumps([_ROW]),
    json.dumps(_ROW) + " ",
    json.dumps(_ROW, indent=1),
    json.dumps(_ROW) + "x",
    json.dumps({**_ROW, "shoe": 1}),
    json.dumps({**_ROW, "shoe": {"a": 1}}),
    json.dumps({**_ROW, "cutoff": "2009-04-15T13:30:00Z"}),
    json.dumps({**_ROW, "example_id": "e1"}),
    json.dumps({**_ROW, "example_id": None}),
    json.dumps(_ROW)[:-1] + ', "size": 4}',
    json.dumps(dict(reversed(_ROW.items()))),
    json.dumps({name: value for name, value in _ROW.items() if name != "note"}),
]


def _with(name: str, spelling: str) -> str:
    return json.dumps(_ROW | {name: "?"}).replace('"?"', spelling)


def _plain(reader: RequestReader, body: bytes) -> Row | None:
    row = reader.plain.read(body)
    return None if row is None else reader.plain.whole(row)


def _read(reader: RequestReader, body: bytes) -> str | None:
    """The row as text, which tells 1 from 1.0 and shows the order; None where it is refused."""
    try:
        return repr([*reader.read_body(body, 1)[0][0].items()])
    except Problem:
        return None


@pytest.mark.parametrize("body", _BODIES + [_with(name, one) for name, some in _SPELLINGS.items() for one in some])
def test_a_plain_row_is_what_the_models_read(body: str) -> None:
    plain = _plain(_READER, body.encode())
    if plain is not None:
        read = _READER.read_body(body.encode(), 1)[0][0]
        assert {name: repr(value) for name, value in plain.items()} == {
            name: repr(value) for name, value in read.items()
        }


@pytest.mark.parametrize(
    "body", ['{"size": 1}', '{"s\\u0069ze": 1}', '{"sizé": 1}', '{"size": 1, "é": 2}', '{"size": 1, "": 2}']
)
def test_names_may_be_spelled_in_any_way(body: str) -> None:
    reader = a_reader(a_release(inputs=_INPUTS[:1], columns=(ColumnSpec("size", "number"),), example=None))
    plain = _plain(reader, body.encode())
    assert (plain is None) == (_read(reader, body.encode()) is None)


def test_numbers_are_read_to_the_last_bit() -> None:
    draw = random.Random(3)
    for _ in range(500):
        number = draw.choice(
            [repr(draw.uniform(-100, 100)), f"{draw.uniform(-100, 100):.30f}", f"{draw.random():.17e}", str(2**62 + 1)]
        )
        body = _with("size", number).encode()
        plain = _plain(_READER, body)
        if plain is not None:
            assert repr([*plain.items()]) == _read(_READER, body)
        else:
            assert number == str(2**62 + 1)  # beyond its maximum
            assert _read(_READER, body) is None


def test_most_rows_are_plain() -> None:
    assert _plain(_READER, json.dumps(_ROW).encode()) is not None
    keys = a_reader(a_match_release())
    row = _plain(keys, b'{"away_team": "B", "home_team": "A"}')
    assert row is not None
    assert repr([*row.items()]) == _read(keys, b'{"home_team": "A", "away_team": "B"}')
    assert _plain(keys, b'{"home_team": "A"}') is None


@pytest.mark.parametrize("correlation_id", [None, 'a "quoted" id'])
@pytest.mark.parametrize(
    ("release", "body"),
    [
        (a_release(), b'{"colour": "red", "age": 40.25}'),
        (a_release(), b'{"age": 1e-7, "colour": null}'),
        (a_match_release(), b'{"home_team": "A", "away_team": "Z"}'),
    ],
)
def test_a_plain_row_is_answered_and_logged_as_any_other(
    release: LoadedRelease, body: bytes, correlation_id: str | None
) -> None:
    predictor = Predictor(release, Ratings({"A": 1.0}))
    row = predictor.requests.plain.read(body)
    assert row is not None
    for answered_at in (NOW, NOW + timedelta(microseconds=1)):
        context = RequestContext("r", correlation_id, NOW, answered_at)
        plain = predictor.answer_plain(row, context, "p")
        whole = predictor.answer_one(predictor.requests.plain.whole(row), context, lambda: "p")
        assert (plain.json, plain.line, plain.scores) == (whole.json, whole.line, whole.scored.output)
        line, answer = json.loads(plain.line), json.loads(plain.json)
        assert line["inputs"] | line["entity_keys"] == json.loads(body)
        assert line["output"] == {"probabilities": answer["probabilities"]}
        assert line["correlation_id"] == correlation_id


def test_a_release_with_another_kind_of_field_has_no_plain_rows() -> None:
    for schema in ({"type": "string", "format": "date"}, {"type": "string", "pattern": "^a"}, {"type": "array"}):
        inputs = (InputField("size", {"type": "number"}), InputField("other", schema))
        reader = a_reader(a_release(inputs=inputs, columns=(ColumnSpec("size", "number"),), example=None))
        assert _plain(reader, b'{"size": 1, "other": "a"}') is None
