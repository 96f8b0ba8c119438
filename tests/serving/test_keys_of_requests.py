"""Entity keys are checked by the contract of their column: levels, and whether a null is a key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.serving.builders import NOW, Ratings, Shelf, a_match_release, a_server
from touchline.registry import LoadedRelease
from touchline.serving.predicting.bulk import score_frame

KEYS = {
    "home_team": {"anyOf": [{"type": "string", "enum": ["A", "B"]}, {"type": "null"}]},
    "away_team": {"type": "string"},
}
RATINGS = Ratings({"A": 1.0, "B": 2.0})


def _release() -> LoadedRelease:
    return replace(a_match_release(), contract={"properties": KEYS, "required": ["away_team"]})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"home_team": None, "away_team": "B"}, None),
        ({"home_team": "A", "away_team": "B"}, None),
        ({"away_team": "B"}, ("home_team", "missing field")),
        ({"home_team": "A", "away_team": None}, ("away_team", "missing field")),
        ({"home_team": "ewr", "away_team": "B"}, ("home_team", "Input should be a level of the contract")),
    ],
)
def test_a_null_or_unknown_key_is_taken_as_the_contract_says(
    tmp_path: Path, row: dict[str, Any], problem: tuple[str, str] | None
) -> None:
    with a_server(tmp_path, Shelf.of(_release()), reader=RATINGS) as server:
        response = server.client.post("/predict", json=row)
        if problem is None:
            assert response.status_code == 200, response.text
            return
        (found,) = response.json()["errors"]
        assert (response.status_code, found["field"], found["problem"]) == (422, *problem)
        if problem[0] == "home_team":
            assert found["allowed"].startswith("one of A, B")


def test_a_file_follows_the_same_rule_as_a_request() -> None:
    frame = pl.DataFrame({"home_team": ["A", None, "ewr"], "away_team": ["B", "B", None]})
    problems = score_frame(_release(), RATINGS, frame, now=NOW).frame["problem"].to_list()
    both = "home_team: allowed is one of A, B; away_team: missing; an entity key is needed"
    assert problems == [None, None, both]
