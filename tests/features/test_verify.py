from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.builders import a_game, a_view, day
from tests.features.test_policies import a_reader
from tests.features.test_reader import a_stored_history, gaps
from touchline.errors import ViewNotFound
from touchline.features.verification.verify import LoggedVector, ServedFrom, skew_upper_bound, verify

GAMES = [a_game(str(n), day(n), team="ABC"[n % 3], points=n) for n in range(1, 30)]


def logged_from(reader: Any, count: int, **request: Any) -> list[LoggedVector]:
    """What serving would log for `count` requests."""
    logged = []
    for number in range(count):
        row = {"home": "ABC"[number % 3], "away": "ABCZ"[number % 4], "ground": "home", **request}
        cutoff = day(30 + number % 7)
        vector, statuses = reader.read_one(row, cutoff)
        views = {f"{s.view}:{s.prefix}": ServedFrom(s.status, s.watermark) for s in statuses}
        logged.append(LoggedVector(str(number), row, cutoff, views, vector))
    return logged


def check(reader: Any, logged: list[LoggedVector], history: pl.LazyFrame) -> Any:
    return verify(
        logged,
        views=reader.views,
        columns=reader.columns,
        histories={"running_total": history},
        transforms=reader.transforms,
    )


@pytest.fixture
def served(tmp_path: Path) -> tuple[Any, pl.LazyFrame]:
    view = a_view(ttl=timedelta(days=6))
    reader = a_reader(tmp_path, games=GAMES, view=view)
    return reader, a_stored_history(view, tmp_path, GAMES).scan()


def test_what_is_served_is_what_history_says(served: Any) -> None:
    reader, history = served
    report = check(reader, logged_from(reader, 300), history)
    assert (report.checked, report.matched, report.mismatches) == (300, 300, ())
    assert report.upper_bound == skew_upper_bound(0, 300)


def test_what_became_known_after_the_watermark_is_no_skew(served: Any, tmp_path: Path) -> None:
    reader, _ = served
    logged = logged_from(reader, 50)
    view = a_view(ttl=timedelta(days=6))
    later = [*GAMES, a_game("30", day(30), team="A", points=99), a_game("1", day(1), points=50, created=day(31))]
    assert check(reader, logged, a_stored_history(view, tmp_path, later).scan()).matched == 50


def test_a_skewed_feature_is_found_and_named(served: Any) -> None:
    reader, history = served
    logged = logged_from(reader, 40)
    wrong = logged[8].vector.copy()
    wrong[1] += 1
    logged[8] = replace(logged[8], vector=wrong)
    report = check(reader, logged, history)
    assert (report.mismatched, report.by_column) == (1, {"away_total": 1})
    assert (report.mismatches[0].prediction_id, report.mismatches[0].column) == ("8", "away_total")
    assert report.skew_rate == 1 / 40


def test_a_skewed_on_demand_column_is_found(served: Any) -> None:
    reader, history = served
    logged = logged_from(reader, 20)
    skewed = replace(reader, transforms=())
    logged += [replace(row, vector=skewed.read_one(row.inputs, row.cutoff)[0]) for row in logged_from(reader, 3)]
    assert set(check(reader, logged, history).by_column) == {"gap"}
    assert reader.transforms == (gaps,)


def test_rows_answered_by_a_fall_back_are_counted_apart(served: Any) -> None:
    reader, history = served
    logged = logged_from(reader, 10)
    views = {name: ServedFrom("fallback", found.watermark) for name, found in logged[0].views.items()}
    logged[0] = replace(logged[0], views=views, vector=np.full(4, 7.0))
    report = check(reader, logged, history)
    assert (report.checked, report.matched, report.fallback_rows, report.fallback_matched) == (9, 9, 1, 0)


def test_a_log_row_is_understood(served: Any) -> None:
    reader, history = served
    one = logged_from(reader, 1)[0]
    row = {
        "prediction_id": "0",
        "entity_keys": {"home": "A", "away": "A"},
        "inputs": {"ground": "home"},
        "cutoff": one.cutoff,
        "views": {
            name: {"status": found.status, "watermark": found.watermark.isoformat() if found.watermark else None}
            for name, found in one.views.items()
        },
        "vector": one.vector.tobytes(),
    }
    assert check(reader, [LoggedVector.of(row)], history).matched == 1


def test_a_view_without_history_says_so(served: Any) -> None:
    reader, _ = served
    with pytest.raises(ViewNotFound, match="running_total"):
        verify(logged_from(reader, 1), views=reader.views, columns=reader.columns, histories={})


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 20), st.integers(0, 200))
def test_the_bound_lies_above_the_rate(mismatched: int, matched: int) -> None:
    checked = mismatched + matched
    bound = skew_upper_bound(mismatched, checked)
    assert bound == 1.0 if checked == mismatched else mismatched / checked < bound < 1
