from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.damage import damage_file
from tests.features.builders import NOW, TEAM, Game, a_view, day, peeks_ahead, running_total
from tests.stores import SomeStores, some_stores
from touchline.clock import FrozenClock
from touchline.errors import HistoryMoved, InvalidView, LooksAhead, StoredFileDamaged
from touchline.features import (
    FeatureView,
    build_examples,
    build_training_set,
    compute_view,
    examples,
    open_online_store,
    push,
    read_history,
    read_training_set,
    write_training_set,
)
from touchline.features.offline.compute_view import validate_schema
from touchline.features.offline.examples import checked_examples
from touchline.ingest import FrameProvider, Source, ingest_source, read_snapshot
from touchline.storage import Database

CLOCK = FrozenClock(NOW)
FIRST = [("1", day(1), "A", 3), ("2", day(2), "A", 1), ("3", day(3), "B", 0)]


def a_source(rows: list[tuple[Any, ...]]) -> Source:
    frame = pl.DataFrame(rows, schema=["game_id", "played_at", "team", "points"], orient="row")
    provider = FrameProvider(lambda: (frame, ()))
    return Source("games", contract=Game, key="game_id", event_time="played_at", provider=provider)


@pytest.fixture
def stores(database: Database, tmp_path: Path) -> SomeStores:
    return some_stores(database, tmp_path)


@pytest.fixture
def compute(stores: SomeStores) -> Callable[..., Any]:
    def run(rows: list[tuple[Any, ...]], function: Any = running_total, now: datetime = NOW, **options: Any) -> Any:
        source = a_source(rows)
        ingest_source(source, project="p", stores=stores, clock=FrozenClock(now))
        view = FeatureView(name=function.__name__, entity=TEAM, sources=(source,), function=function, **options)
        return view, compute_view(view, project="p", stores=stores, clock=CLOCK)

    return run


def test_a_history_is_computed_once_for_a_view_version_and_snapshot(compute: Any, stores: SomeStores) -> None:
    _, first = compute(FIRST)
    written = first.paths()[0].stat().st_mtime_ns
    view, again = compute(FIRST)
    assert (again.files, again.rows, again.paths()[0].stat().st_mtime_ns) == (first.files, 3, written)
    assert read_history(view, project="p", stores=stores) == first
    assert first.files[0].startswith(f"p/history/running_total/{view.feature_version}/")
    assert first.hash == first.snapshots["games"]


def test_a_history_that_is_read_back_says_what_it_was_computed_from(compute: Any, stores: SomeStores) -> None:
    view, _ = compute(FIRST)
    online = open_online_store("sqlite", ":memory:")
    push(view, [{"team": "A", "total": 9}], project="p", stores=stores, online=online, clock=CLOCK)
    again = compute_view(view, project="p", stores=stores, clock=CLOCK)
    found = read_history(view, project="p", stores=stores)
    assert found is not None
    assert found.snapshots == again.snapshots == {"games": read_snapshot("p", "games", stores).hash}
    assert found.pushed == again.pushed
    assert len(found.pushed) == 1


def test_a_corrected_ingest_restates_at_its_instant(compute: Any) -> None:
    compute(FIRST, now=day(30))
    _, history = compute([("1", day(1), "A", 0), *FIRST[1:]], now=day(40))
    later = day(40) + timedelta(microseconds=1)
    rows = history.scan().filter(pl.col("team") == "A").select("created_timestamp", "total").collect().rows()
    assert rows == [(day(1), 3), (later, 0), (day(2), 4), (later, 1)]


def test_a_view_that_looks_ahead_leaves_nothing_behind(compute: Any, stores: SomeStores) -> None:
    with pytest.raises(LooksAhead, match="peeks_ahead"):
        compute(FIRST, peeks_ahead)
    assert stores.objects.list("p/history") == []


def test_other_code_or_declaration_is_another_version() -> None:
    def doubled(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.select("team", "event_timestamp", total=pl.col("points") * FACTOR)

    view = a_view(doubled)
    assert view.feature_version == a_view(doubled).feature_version
    assert view.feature_version != a_view(doubled, ttl=timedelta(days=1)).feature_version
    assert view.feature_version != a_view(running_total, name="doubled").feature_version
    before = view.feature_version
    globals()["FACTOR"] = 3
    try:
        assert a_view(doubled).feature_version != before
    finally:
        globals()["FACTOR"] = 2


FACTOR = 2


def test_a_history_whose_columns_moved_is_refused(compute: Any) -> None:
    view, history = compute(FIRST)
    schema = {**history.scan().collect_schema(), "total": pl.String()}
    with pytest.raises(HistoryMoved, match="has column 'total' of type String, the declaration 'total' of type Int64"):
        validate_schema(view, schema, "a file")


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_history_is_never_read(compute: Any, stores: SomeStores, damage: str) -> None:
    view, history = compute(FIRST)
    damage_file(history.paths()[0], damage)
    with pytest.raises(StoredFileDamaged, match=r"p/history/running_total/.* is damaged: .*doctor --repair"):
        compute_view(view, project="p", stores=stores, clock=CLOCK).scan().collect()


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_damaged_pushed_values_are_never_read(compute: Any, stores: SomeStores, damage: str) -> None:
    view, _ = compute(FIRST)
    online = open_online_store("sqlite", ":memory:")
    push(view, [{"team": "A", "total": 9}], project="p", stores=stores, online=online, clock=CLOCK)
    history = compute_view(view, project="p", stores=stores, clock=CLOCK)
    damage_file(history.paths()[-1], damage)
    with pytest.raises(StoredFileDamaged, match=r"p/pushed/running_total/.* is damaged"):
        history.scan().collect()


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_training_set_is_never_read(stores: SomeStores, damage: str) -> None:
    frame = an_examples_frame(points=[1.0, 2.0])
    training_set = build_training_set(frame, [], {}, ["points"])
    key = write_training_set(training_set, project="p", stores=stores, now=NOW)
    damage_file(stores.objects.local_path(key), damage)
    with pytest.raises(StoredFileDamaged, match=r"p/training_sets/.* is damaged"):
        read_training_set(training_set.hash, project="p", stores=stores)


def test_a_column_of_the_examples_that_is_no_input_is_carried_and_never_seen_by_the_model() -> None:
    frame = an_examples_frame(points=[1.0, 2.0]).with_columns(market=pl.Series([0.4, 0.6]))
    training_set = build_training_set(frame, [], {}, ["points"])
    assert training_set.frame["market"].to_list() == [0.4, 0.6]
    assert [column.name for column in training_set.columns] == ["points"]


def test_the_path_from_ingest_to_training_set(compute: Any, stores: SomeStores) -> None:
    view, history = compute(FIRST)

    @examples(source=view.sources[0])
    def fixtures(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.select(
            "team", example_id="game_id", cutoff="played_at", label="points", label_timestamp="event_timestamp"
        )

    snapshot = read_snapshot("p", "games", stores)
    frame = build_examples(fixtures, {"games": snapshot}).rows
    training_set = build_training_set(frame, [view.on("team", prefix="own")], {view.name: history})
    assert training_set.frame["own_total"].to_list() == [3, 4, 0]
    assert training_set.frame["cluster"].to_list() == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert training_set.lineage["sources"] == {"games": snapshot.hash}
    assert training_set.hash == build_training_set(frame, [view.on("team", prefix="own")], {view.name: history}).hash
    write_training_set(training_set, project="p", stores=stores, now=NOW)
    write_training_set(training_set, project="p", stores=stores, now=NOW)
    read = read_training_set(training_set.hash, project="p", stores=stores)
    assert read is not None
    assert read.frame.equals(training_set.frame)
    assert (read.columns, read.hash) == (training_set.columns, training_set.hash)


def test_two_columns_of_one_name_are_refused(compute: Any) -> None:
    view, history = compute(FIRST)
    frame = pl.DataFrame({"example_id": ["1"], "cutoff": [day(5)], "team": ["A"]})
    with pytest.raises(InvalidView, match="Give the join another prefix"):
        build_training_set(frame, [view.on("team"), view.on("team")], {view.name: history})


def an_examples_frame(**changes: Any) -> pl.DataFrame:
    columns = {"example_id": ["1", "2"], "cutoff": [day(1), day(2)], "label": [1, 0], "label_timestamp": [day(3)] * 2}
    return pl.DataFrame({**columns, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"example_id": ["1", "1"]}, "2 rows that share an example_id"),
        ({"cutoff": [day(1), None]}, "1 rows without cutoff"),
        ({"cutoff": ["2024-01-01", "2024-01-02"]}, "cutoff of type String"),
    ],
)
def test_examples_that_cannot_be_right_say_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidView, match=message):
        checked_examples("fixtures", an_examples_frame(**changes))
