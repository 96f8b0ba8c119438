from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.brute_force import brute_force_join
from tests.features.builders import INSTANT, TEAM, a_view, day, games_source
from touchline.errors import InvalidEntityKey, InvalidView, MissingDependency, UnknownPlugin, ViewNotFound
from touchline.features import Entity, FeatureView, point_in_time_join
from touchline.features.offline.as_of_join import HistoryColumns, Lookup, instants
from touchline.features.offline.key_partitions import join_as_of, open_runner, parts_for
from touchline.features.offline.point_in_time import uncompressed_bytes

PLACES = Entity(name="place", join_keys=["team", "ground"])
moments = st.integers(0, 12).map(day)
teams = st.sampled_from(["A", "B", "C"])
history_rows = st.lists(
    st.fixed_dictionaries(
        {
            "team": teams,
            "ground": st.integers(0, 1),
            "event_timestamp": moments,
            "delay": st.integers(-1, 6),  # some are written before they happen
            "value": st.integers(0, 5),
        }
    ),
    max_size=25,
)
example_rows = st.lists(
    st.fixed_dictionaries(
        {"team": st.one_of(st.none(), teams), "ground": st.one_of(st.none(), st.integers(0, 2)), "cutoff": moments}
    ),
    max_size=12,
)
ttls = st.one_of(st.none(), st.integers(1, 8).map(lambda days: timedelta(days=days)))


def a_places_view(ttl: timedelta | None = None, keys: Entity = PLACES) -> FeatureView:
    def places(games: pl.LazyFrame) -> pl.LazyFrame:
        ground = pl.lit(0, dtype=pl.Int64).alias("ground")
        names = [ground] if "ground" in keys.join_keys else []
        return games.select("team", *names, "event_timestamp", value=pl.col("points"))

    return FeatureView(name="places", entity=keys, sources=(games_source(),), function=places, ttl=ttl)


def a_history(rows: list[dict[str, Any]], keys: tuple[str, ...] = ("team", "ground")) -> pl.DataFrame:
    schema = {"team": pl.String, "ground": pl.Int64, "event_timestamp": INSTANT, "delay": pl.Int64, "value": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema)
    created = (pl.col("event_timestamp") + pl.duration(days="delay")).cast(INSTANT)
    identity = [*keys, "event_timestamp", "created_timestamp"]
    frame = frame.with_columns(created_timestamp=created).sort(*identity, "value")
    return frame.unique(identity, keep="last", maintain_order=True).select(*identity, "value")


def the_examples(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"team": pl.String, "ground": pl.Int64, "cutoff": INSTANT})


@settings(max_examples=75, deadline=None)
@given(history_rows, example_rows, ttls)
def test_the_join_is_the_brute_force_join(history: list[Any], examples: list[Any], ttl: timedelta | None) -> None:
    frame = a_history(history)
    joined = point_in_time_join(the_examples(examples), [a_places_view(ttl).on()], {"places": frame.lazy()})
    expected = brute_force_join(examples, frame.to_dicts(), PLACES.join_keys, ttl)
    assert joined["value"].to_list() == [row and row["value"] for row in expected]
    assert joined.select("team", "ground", "cutoff").to_dicts() == examples


@settings(max_examples=40, deadline=None)
@given(history_rows, example_rows, ttls)
def test_one_key_and_no_corrections_take_the_fast_path(
    history: list[Any], examples: list[Any], ttl: timedelta | None
) -> None:
    frame = a_history([{**row, "delay": 0} for row in history], keys=("team",))
    joined = point_in_time_join(the_examples(examples), [a_places_view(ttl, TEAM).on()], {"places": frame.lazy()})
    expected = brute_force_join(examples, frame.to_dicts(), ["team"], ttl)
    assert joined["value"].to_list() == [row and row["value"] for row in expected]


def test_a_value_as_old_as_the_ttl_counts_and_an_older_one_does_not() -> None:
    history = a_history([{"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 0, "value": 7}])
    at = [day(3), day(3) + timedelta(microseconds=1)]
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": cutoff} for cutoff in at])
    view = a_places_view(timedelta(days=2))
    assert point_in_time_join(examples, [view.on()], {"places": history.lazy()})["value"].to_list() == [7, None]


def test_a_correction_is_invisible_to_an_earlier_cutoff() -> None:
    rows = [
        {"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 0, "value": 3},
        {"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 5, "value": 0},
    ]
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(number)} for number in (2, 6, 7)])
    joined = point_in_time_join(examples, [a_places_view().on()], {"places": a_history(rows).lazy()})
    assert joined["value"].to_list() == [3, 0, 0]


def test_a_correction_of_an_older_row_does_not_hide_a_newer_one() -> None:
    rows = [
        {"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 9, "value": 1},
        {"team": "A", "ground": 0, "event_timestamp": day(3), "delay": 0, "value": 2},
    ]
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(12)}])
    joined = point_in_time_join(examples, [a_places_view().on()], {"places": a_history(rows).lazy()})
    assert joined["value"].to_list() == [2]


def test_cutoffs_in_any_zone_and_unit_mean_the_same_instant() -> None:
    history = a_history([{"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 0, "value": 7}])
    local = datetime(2024, 1, 2, 2, tzinfo=timezone(timedelta(hours=2)))
    frame = pl.DataFrame({"team": ["A"], "ground": [0], "cutoff": [local.astimezone(UTC)]})
    for dtype in (pl.Datetime("ms", "Asia/Tokyo"), pl.Datetime("ns", "America/New_York")):
        examples = frame.with_columns(pl.col("cutoff").cast(dtype))
        assert point_in_time_join(examples, [a_places_view().on()], {"places": history.lazy()})["value"][0] == 7


def test_many_examples_of_very_many_entities_find_what_polars_finds() -> None:
    entities, asked = 70_000, 40_000  # more than the numbers of 16 bits, and than are looked up at once
    chance = np.random.default_rng(7)
    histories = {"team": chance.integers(0, entities, 3 * entities), "event": chance.integers(0, 1000, 3 * entities)}
    rows = pl.DataFrame(histories).unique().sort("team", "event").with_row_index("value")
    examples = {"team": chance.integers(0, entities + 5000, asked), "cutoff": chance.integers(0, 1000, asked)}
    wanted = pl.DataFrame(examples).with_row_index("place").sort("cutoff")
    expected = wanted.join_asof(rows.sort("event"), left_on="cutoff", right_on="event", by="team").sort("place")

    history = rows.with_columns(pl.col("event").cast(INSTANT))
    lookup = Lookup(expected.select("team"), expected["cutoff"].to_numpy())
    found = join_as_of(history.lazy(), HistoryColumns(("team",), ("value",), "event", None), [lookup])[0]
    assert found["value"].to_list() == expected["value"].to_list()


def test_a_history_row_without_a_key_is_nobodys() -> None:
    stamps = pl.Series([1, 2, 3, 4]).cast(INSTANT)
    history = pl.DataFrame({"team": ["A", "A", "B", None], "event": stamps, "value": [1, 2, 3, 4]}).lazy()
    lookup = Lookup(pl.DataFrame({"team": ["B", None, "A"]}), np.array([9, 9, 1]))
    found = join_as_of(history, HistoryColumns(("team",), ("value",), "event", None), [lookup])[0]
    assert found["value"].to_list() == [3, None, 1]


def test_one_view_joins_twice_under_two_names() -> None:
    history = a_history(
        [
            {"team": "A", "ground": 0, "event_timestamp": day(1), "delay": 0, "value": 1},
            {"team": "B", "ground": 0, "event_timestamp": day(1), "delay": 0, "value": 2},
        ],
        keys=("team",),
    )
    view = a_places_view(keys=TEAM)
    examples = pl.DataFrame({"home": ["A", "B"], "away": ["B", "A"], "cutoff": [day(2)] * 2})
    joins = [view.on("home", prefix="home"), view.on("away", prefix="away")]
    joined = point_in_time_join(examples, joins, {"places": history.lazy()})
    assert joined.select("home_value", "away_value").rows() == [(1, 2), (2, 1)]


def test_an_empty_view_gives_nulls_and_keeps_the_rows() -> None:
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(2)}])
    joined = point_in_time_join(examples, [a_places_view().on()], {"places": a_history([]).lazy()})
    assert joined["value"].to_list() == [None]


def test_a_key_of_another_type_says_so() -> None:
    examples = pl.DataFrame({"team": [7], "ground": [0], "cutoff": [day(2)]})
    with pytest.raises(InvalidEntityKey, match="must be of type String"):
        point_in_time_join(examples, [a_places_view().on()], {"places": a_history([]).lazy()})


def test_a_key_column_the_examples_lack_says_so() -> None:
    examples = pl.DataFrame({"club": ["A"], "cutoff": [day(2)]})
    with pytest.raises(InvalidView, match="joined on 'team', which the examples do not have"):
        point_in_time_join(examples, [a_view().on()], {"running_total": a_history([]).lazy()})


def test_a_view_without_history_names_its_neighbour() -> None:
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(2)}])
    with pytest.raises(ViewNotFound, match="Did you mean 'places_2'"):
        point_in_time_join(examples, [a_places_view().on()], {"places_2": a_history([]).lazy()})


@settings(max_examples=30, deadline=None)
@given(history_rows, example_rows, ttls, st.integers(2, 5), st.randoms())
def test_key_ranges_and_the_order_of_the_history_change_nothing(
    history: list[Any], examples: list[Any], ttl: timedelta | None, parts: int, chance: Any
) -> None:
    frame = a_history(history)
    columns = HistoryColumns(PLACES.join_keys, ("value",))
    rows = the_examples(examples)
    lookup = Lookup(rows.select("team", "ground"), instants(rows["cutoff"]), ttl and ttl // timedelta(microseconds=1))
    shuffled = frame.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))
    expected = join_as_of(frame.lazy(), columns, [lookup])[0]
    assert join_as_of(shuffled.lazy(), columns, [lookup], parts=parts)[0].equals(expected)
    assert join_as_of(shuffled.lazy(), columns, [lookup])[0].equals(expected)


def test_a_history_above_the_limit_is_read_in_ranges() -> None:
    assert parts_for(1000, None) == 1
    assert parts_for(1000, 1000) == 3


def test_a_cluster_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"needs the module 'ray'.*pip install 'touchline\[ray\]'"):
        open_runner("ray")
    with pytest.raises(UnknownPlugin, match="local, ray, spark"):
        open_runner("dask")


def test_examples_without_the_keys_of_a_view_are_told_how_to_name_theirs() -> None:
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(1)}]).drop("ground")
    message = (
        r"joined on 'ground', which the examples do not have \(they have team, cutoff\).*places\.on\(<column with "
    )
    with pytest.raises(InvalidView, match=message):
        point_in_time_join(examples, [a_places_view().on()], {"places": a_history([]).lazy()})


def test_of_rows_with_the_same_stamps_one_wins_in_whatever_order_they_were_written() -> None:
    stamps = {"team": ["A"] * 3, "event_timestamp": [day(1), day(1), day(0)], "created_timestamp": [day(1)] * 3}
    rows = pl.DataFrame({**stamps, "value": [7, 3, 5]}, schema_overrides=dict.fromkeys(list(stamps)[1:], INSTANT))
    examples = the_examples([{"team": "A", "ground": 0, "cutoff": day(2)}])
    joined = [
        point_in_time_join(examples, [a_places_view(None, TEAM).on()], {"places": frame.lazy()})["value"].to_list()
        for frame in (rows, rows.reverse(), rows.sort("value"))
    ]
    assert joined == [[7]] * 3


def test_the_size_of_a_history_is_that_of_its_columns(tmp_path: Path) -> None:
    pl.DataFrame({"value": range(10_000)}, schema={"value": pl.Int64}).write_parquet(tmp_path / "history.parquet")
    assert 10_000 < uncompressed_bytes(tmp_path / "history.parquet") < 200_000
