"""Bulk scoring refuses exactly the values that HTTP refuses, and gives the same outputs for the others."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.builders import NOW, a_release
from touchline.features import ColumnSpec
from touchline.http.problems import Problem
from touchline.registry import InputField
from touchline.serving import score_frame
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20)
FLOATS = st.sampled_from([2.0, -4.0, 2.5, 0.3, 1e18, 2.0**63, -(2.0**63), 1e300]) | st.floats(
    allow_nan=False, allow_infinity=False
)
NOTHING = st.sampled_from([None, float("nan")])
TEXTS = st.sampled_from(["", "a", "ab", "abc", "a\0", "é", "x" * 10_001])
INSTANTS = st.sampled_from(
    [
        *(
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01 10:00:00+02:00",
            "2024-01-01",
            "noon",
            "1704067200",
        ),
        *("2024-01-01t00:00:00z", "2024-01-01T10:00:00.1234567Z", "2024-01-01T24:00:00Z", "2024-02-30T00:00:00Z"),
        *(
            "0001-01-01T00:00:00+14:00",
            "2024-01-01 10:00+0200",
            "2024-01-01T10Z",
            "20240101T100000Z",
            "2024-W01-1T10:00Z",
        ),
    ]
)
CASES: list[tuple[dict[str, Any], pl.DataType, st.SearchStrategy[Any]]] = [
    ({"type": "integer"}, pl.Int64(), WHOLE),
    ({"type": "integer"}, pl.Float64(), FLOATS),
    ({"type": "integer", "minimum": -3, "exclusiveMaximum": 9, "multipleOf": 2}, pl.Int64(), WHOLE),
    ({"type": "number", "multipleOf": 0.1}, pl.Float64(), FLOATS | st.integers(-99, 99).map(lambda n: n / 10)),
    ({"type": "number", "exclusiveMinimum": -2, "maximum": 2.5}, pl.Float64(), FLOATS),
    ({"type": "string", "minLength": 1, "maxLength": 2, "pattern": "^[ab]"}, pl.String(), TEXTS),
    ({"type": "string"}, pl.String(), TEXTS),
    ({"enum": ["a", "ab"]}, pl.String(), TEXTS),
    ({"enum": [1, 2]}, pl.Int64(), st.integers(0, 4)),
    ({"type": "string", "format": "date-time"}, pl.String(), INSTANTS),
    ({"type": "boolean"}, pl.Boolean(), st.booleans()),
    ({"type": "integer"}, pl.Float64(), FLOATS | st.just(float("nan"))),
    ({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}, pl.Float64(), FLOATS | NOTHING),
    ({"anyOf": [{"type": "number"}, {"type": "null"}], "default": 2.5}, pl.Float64(), FLOATS | NOTHING),
    ({"type": "number", "default": 2.5}, pl.Float64(), FLOATS | NOTHING),
    ({"type": "integer", "default": 3}, pl.Int64(), WHOLE | st.none()),
    ({"type": "boolean", "default": True}, pl.Boolean(), st.booleans() | st.none()),
    ({"type": "string", "default": "ab"}, pl.String(), TEXTS | st.none()),
    ({"anyOf": [{"enum": ["a", "ab"]}, {"type": "null"}]}, pl.String(), TEXTS | st.none()),
    ({"enum": ["u\u0308", "a"]}, pl.String(), st.sampled_from(["\u00fc", "u\u0308", "a"])),
]


@pytest.mark.parametrize(("schema", "dtype", "values"), CASES)
def test_bulk_refuses_exactly_the_values_that_http_refuses(
    schema: dict[str, Any], dtype: pl.DataType, values: st.SearchStrategy[Any]
) -> None:
    kind = "category" if isinstance(dtype, pl.String) and "format" not in schema else "number"
    levels = ("a", "ab", "abc", "\u00fc") if kind == "category" else ()
    release = a_release(inputs=(InputField("value", schema),), columns=(ColumnSpec("value", kind, levels),), example={})
    predictor = Predictor(release, None)

    @settings(max_examples=150)
    @given(st.lists(values, min_size=1, max_size=5))
    def check(column: list[Any]) -> None:
        frame = score_frame(release, None, pl.DataFrame({"value": pl.Series(column, dtype=dtype)}), now=NOW).frame
        assert frame["p_yes"].to_list() == [_over_http(predictor, value) for value in column]

    check()


def _over_http(predictor: Predictor, value: Any) -> float | None:
    """The probability of the first class; None for a refused value."""
    try:
        rows, _ = predictor.requests.read_body(json.dumps({"value": value}).encode(), 1)
        answer = predictor.answer(rows, RequestContext("r", None, NOW, NOW), lambda: "p")[0].answer
    except Problem:
        return None
    probability: float = answer["probabilities"]["yes"]
    return probability
