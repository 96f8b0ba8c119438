"""Examples that the declaration leaves out, each with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tests.features.builders import games_source
from touchline.errors import InvalidView
from touchline.features import Examples, examples
from touchline.features.offline.examples import without_excluded

ROWS = pl.DataFrame(
    {
        "example_id": ["a", "b", "c", "d"],
        "cutoff": [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)],
        "is_cancelled": [True, False, None, True],
        "seats": [0, 0, 80, 120],
    }
)


def declared(exclude: Any) -> Examples:
    return examples(source=games_source(), exclude=exclude)(_games)


def _games(games: pl.LazyFrame) -> pl.LazyFrame:
    return games


def test_excluded_rows_are_left_out_and_counted_under_their_first_reason() -> None:
    kept = without_excluded(declared({"cancelled": pl.col("is_cancelled"), "freight": pl.col("seats") == 0}), ROWS)
    assert kept.rows["example_id"].to_list() == ["c"]
    assert kept.excluded == {"cancelled": 2, "freight": 1}


def test_one_of_several_conditions_is_enough() -> None:
    kept = without_excluded(declared({"odd": [pl.col("is_cancelled"), pl.col("seats") > 100]}), ROWS.tail(3))
    assert (kept.rows["example_id"].to_list(), kept.excluded) == (["b", "c"], {"odd": 1})


def test_every_condition_sees_all_rows() -> None:
    exclude = {"first": pl.col("example_id") == "a", "earliest": pl.col("cutoff") == pl.col("cutoff").min()}
    assert without_excluded(declared(exclude), ROWS).excluded == {"first": 1, "earliest": 0}


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ({"cancelled": pl.col("is_canceled")}, r"excludes 'cancelled' by an expression that fails: .*is_canceled"),
        ({"freight": pl.col("seats")}, "excludes 'freight' by an expression of type Int64.*Give a condition"),
    ],
)
def test_a_condition_that_is_none_is_refused_with_its_reason(exclude: dict[str, pl.Expr], message: str) -> None:
    with pytest.raises(InvalidView, match=message):
        without_excluded(declared(exclude), ROWS)


@pytest.mark.parametrize(
    ("exclude", "message"),
    [([pl.col("x")], "give each condition a reason"), ({"x": []}, "no condition for 'x'"), ({"x": "y"}, "Expr")],
)
def test_what_is_no_condition_is_refused_at_load(exclude: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(exclude)


def test_the_version_of_the_examples_covers_what_they_exclude() -> None:
    conditions = [None, {"few": pl.col("seats") < 5}, {"few": pl.col("seats") < 6}, {"small": pl.col("seats") < 5}]
    assert len({declared(exclude).version for exclude in conditions}) == 4
    assert declared({"few": pl.col("seats") < 5}).version == declared({"few": pl.col("seats") < 5}).version
