from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.builders import a_game, a_view, day, peeks_ahead, running_total, snapshot, versions
from touchline.errors import InvalidView, LooksAhead
from touchline.features import build_history, point_in_time_join
from touchline.features.offline.history import history_of
from touchline.features.offline.look_ahead import sample_instants, validate_causal


def totals(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    history = build_history(a_view(), {"games": snapshot(rows)})
    return history.select("event_timestamp", "created_timestamp", "total").rows()


def test_a_backfill_gives_a_full_history() -> None:
    rows = [a_game("1", day(1), points=3), a_game("2", day(2), points=1)]
    assert totals(rows) == [(day(1), day(1), 3), (day(2), day(2), 4)]


def test_a_correction_restates_what_it_changes_and_keeps_the_rest() -> None:
    rows = [
        a_game("1", day(1), points=3),
        a_game("2", day(2), points=1),
        a_game("2", day(2), points=2, created=day(5)),
        a_game("3", day(8), points=5),
    ]
    assert totals(rows) == [
        (day(1), day(1), 3),
        (day(2), day(2), 4),
        (day(2), day(5), 5),
        (day(8), day(8), 10),
    ]


def test_a_result_filled_in_later_is_a_first_sighting() -> None:
    assert totals([a_game("1", day(1), points=3), a_game("2", day(2), points=None)]) == [(day(1), day(1), 3)]


def test_a_vanished_value_is_restated_with_its_predecessor() -> None:
    rows = [
        a_game("1", day(1), points=3),
        a_game("2", day(2), points=1),
        a_game("2", day(2), points=None, created=day(5)),
    ]
    assert totals(rows)[1:] == [(day(2), day(2), 4), (day(2), day(5), 3)]


def test_a_vanished_first_value_is_restated_with_nulls() -> None:
    rows = [a_game("1", day(1), points=3), a_game("1", day(1), points=None, created=day(5))]
    assert totals(rows) == [(day(1), day(1), 3), (day(1), day(5), None)]


games = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 9), st.sampled_from("AB")), max_size=14)


@settings(max_examples=30, deadline=None)
@given(games, st.integers(0, 14))
def test_a_join_sees_what_the_view_computes_from_rows_known_at_the_cutoff(facts: list[Any], at: int) -> None:
    rows = []
    for number, delay, points, team in facts:
        first = all(row["game_id"] != str(number) for row in rows)
        event = day(number * 2)
        rows.append(a_game(str(number), event, team, points, created=event if first else event + timedelta(days=delay)))
    frame = versions(rows).unique(["game_id", "created_timestamp"], keep="last", maintain_order=True)
    cutoff = day(at)
    history = history_of(a_view(), [frame])
    examples = pl.DataFrame({"team": ["A", "B"], "cutoff": [cutoff, cutoff]})
    joined = point_in_time_join(examples, [a_view().on()], {"running_total": history.lazy()})
    known = frame.filter(pl.col("created_timestamp") <= cutoff, pl.col("event_timestamp") <= cutoff)
    current = known.sort("created_timestamp").unique("game_id", keep="last")
    expected = current.group_by("team").agg(pl.col("points").sum())
    assert joined["total"].to_list() == [dict(expected.rows()).get(team) for team in "AB"]


def test_a_view_that_looks_ahead_is_refused_and_named() -> None:
    frame = versions(a_game(str(number), day(number)) for number in range(8))
    with pytest.raises(LooksAhead, match="'peeks_ahead' looks into the future: its feature 'rest'"):
        validate_causal(a_view(peeks_ahead), [frame], sample_instants([frame]))


def test_a_view_of_the_past_passes_the_look_ahead_check() -> None:
    frame = versions(a_game(str(number), day(number)) for number in range(8))
    validate_causal(a_view(running_total), [frame], sample_instants([frame]))


def test_a_ttl_of_zero_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="must be longer than zero, or None"):
        a_view(ttl=timedelta(0))


def test_a_view_without_its_key_says_what_it_returns() -> None:
    def keyless(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.select("event_timestamp", "points")

    with pytest.raises(InvalidView, match="without team"):
        _ = a_view(keyless).features
