"""Windows hold the rows of the last days, ties included, at every instant: by a computation of its own, both sides."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.builders import TEAM, NoProvider, a_game, day, games_source, snapshot, stored_history
from touchline.errors import InvalidView
from touchline.features import (
    ColumnSpec,
    FeatureReader,
    FeatureView,
    ServedView,
    build_history,
    count,
    largest,
    last,
    materialize,
    mean,
    open_online_store,
    point_in_time_join,
    share,
    smallest,
    total,
    window,
)
from touchline.features.offline.look_ahead import sample_instants, validate_causal
from touchline.ingest import Source

WINDOWS = {"2d": timedelta(days=2), "30h": timedelta(hours=30)}
Event = tuple[int, str, int | None]
"""Hours since the first day, team, points."""

events = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from("AB"), st.one_of(st.none(), st.integers(0, 9))), max_size=14
)


def a_window_view(**options: Any) -> FeatureView:
    return window(
        games_source(),
        entity=TEAM,
        over=list(WINDOWS),
        average=mean("points"),
        points=total("points"),
        games=count(),
        wins=count(pl.col("points") > 4),
        won=share(pl.col("points") > 4),
        newest=last("points"),
        least=smallest("points"),
        most=largest("points"),
        **options,
    )


def by_hand(rows: list[Event], team: str, at: datetime, length: timedelta) -> dict[str, float | None]:
    """The aggregates over the rows with at - length < event <= at, one row after another."""
    inside = [(day(0, hours), number, points) for number, (hours, name, points) in enumerate(rows) if name == team]
    chosen = sorted((event, number, points) for event, number, points in inside if at - length < event <= at)
    values = [points for _, _, points in chosen if points is not None]
    return {
        "average": sum(values) / len(values) if values else None,
        "points": sum(values) if values else None,
        "games": len(chosen),
        "wins": sum(value > 4 for value in values),
        "won": sum(value > 4 for value in values) / len(values) if values else None,
        "newest": values[-1] if values else None,
        "least": min(values, default=None),
        "most": max(values, default=None),
    }


def expected(rows: list[Event], team: str, at: datetime) -> list[float]:
    """As the view has it: nothing before the first event of a team."""
    if not any(name == team and day(0, hours) <= at for hours, name, _ in rows):
        return [float("nan")] * 16
    found = [by_hand(rows, team, at, length) for length in WINDOWS.values()]
    return [float("nan") if value is None else float(value) for part in found for value in part.values()]


def the_history(rows: list[Event]) -> tuple[FeatureView, pl.DataFrame]:
    view = a_window_view()
    games = [a_game(f"{number:02d}", day(0, hours), team, points) for number, (hours, team, points) in enumerate(rows)]
    return view, build_history(view, {"games": snapshot(games)})


@settings(max_examples=30, deadline=None)
@given(events, st.lists(st.integers(-5, 200), min_size=1, max_size=8))
def test_a_window_is_right_at_every_instant_offline(rows: list[Event], hours: list[int]) -> None:
    view, history = the_history(rows)
    cutoffs = [day(0, at) for at in hours]
    examples = pl.DataFrame({"team": ["A", "B"] * len(cutoffs), "cutoff": [at for at in cutoffs for _ in "AB"]})
    joined = point_in_time_join(examples, [view.on()], {view.name: history.lazy()}).drop("team", "cutoff")
    wanted = [expected(rows, team, at) for at in cutoffs for team in "AB"]
    found = joined.select(pl.all().cast(pl.Float64)).to_numpy()
    np.testing.assert_allclose(found, np.array(wanted), rtol=1e-12, equal_nan=True)


@settings(max_examples=10, deadline=None)
@given(events, st.integers(0, 200))
def test_a_window_is_right_online_after_its_events_have_left(rows: list[Event], hours: int) -> None:
    view, history = the_history(rows)
    now = day(0, hours)
    columns = tuple(ColumnSpec(feature.name, "number", origin=f"view:{view.name}") for feature in view.features)
    with TemporaryDirectory() as folder:
        store = open_online_store("sqlite", f"{folder}/online.db")
        materialize(view, stored_history(view, history, Path(folder)), store, now=now)
        reader = FeatureReader((ServedView.of("p", view.on()),), columns, store)
        for team in "AB":
            vector, _ = reader.read_one({"team": team}, now)
            np.testing.assert_allclose(vector, np.array(expected(rows, team, now)), rtol=1e-12, equal_nan=True)
        store.close()


def test_a_window_does_not_look_ahead_and_has_a_version_of_its_definition() -> None:
    rows = snapshot([a_game(str(number), day(number)) for number in range(8)]).frame
    validate_causal(a_window_view(), [rows], sample_instants([rows]))
    one = window(games_source(), entity=TEAM, over="7d", won=share(pl.col("points") > 4))
    assert (
        one.feature_version
        == window(games_source(), entity=TEAM, over="7d", won=share(pl.col("points") > 4)).feature_version
    )
    for other in (
        window(games_source(), entity=TEAM, over="8d", won=share(pl.col("points") > 4)),
        window(games_source(), entity=TEAM, over="7d", won=share(pl.col("points") > 5)),
        window(games_source(), entity=TEAM, over="7d", won=mean("points")),
    ):
        assert other.feature_version != one.feature_version
    assert [feature.name for feature in one.features] == ["won_7d"]


def test_keys_may_have_other_names_in_the_source() -> None:
    source = Source(
        "games", contract=games_source().contract, key="game_id", event_time="played_at", provider=NoProvider()
    )
    view = window(source, entity=TEAM, over="2d", keys=["team"], games=count())
    assert view.key_types == {"team": "str"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"over": "7 days", "games": count()}, "has the window '7 days'. Give a length such as"),
        ({"over": "7d"}, "has no window or no aggregate"),
        ({"over": "7d", "keys": ["team", "game_id"], "games": count()}, "Name one column of the source for each key"),
        ({"over": "7d", "games": "points"}, "has 'games' of type str. Give an aggregate"),
    ],
)
def test_a_window_that_is_none_says_what_one_is(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidView, match=message):
        window(games_source(), entity=TEAM, **given)
