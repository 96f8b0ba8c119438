"""What reading does when a value is missing, expired or the store is away."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.builders import NOW, Game, a_game, a_view, day
from tests.features.test_reader import COLUMNS, GAMES, a_stored_history, gaps
from tests.stores import some_stores
from touchline.clock import FrozenClock
from touchline.errors import OnlineStoreUnavailable
from touchline.features import (
    ColumnSpec,
    FeatureHistory,
    FeatureReader,
    FeatureView,
    LastValues,
    MirroredStore,
    OfflineLast,
    ServedView,
    SingleFlight,
    StoreCopy,
    materialize,
    materialize_view,
    open_online_store,
    open_reader,
)
from touchline.features.online.fallbacks import ComputeOnMiss
from touchline.features.online.materialize import view_layout
from touchline.ingest import FrameProvider, Source, ingest_source
from touchline.storage import Database

# A game that became known after younger ones.
LATE = a_game("8", day(2), team="A", points=7, created=day(7))
ASKED = {"home": "A", "away": "B", "ground": "home"}


class AwayStore:
    """A store that answers until it is told to go away."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.is_away = False

    def read(self, keys: Any) -> Any:
        if self.is_away:
            raise OnlineStoreUnavailable("redis://here", "refused", 0.25)
        return self.store.read(keys)


def a_reader(
    folder: Path, *, games: Any = GAMES, wrap: bool = False, view: Any = None, **options: Any
) -> FeatureReader:
    view = view or a_view()
    store: Any = open_online_store("sqlite", str(folder / "online.db"))
    materialize(view, a_stored_history(view, folder, games), store, now=NOW)
    joins = [view.on("home", prefix="home"), view.on("away", prefix="away")]
    return FeatureReader(
        views=tuple(ServedView.of("p", join) for join in joins),
        columns=COLUMNS,
        store=AwayStore(store) if wrap else store,
        transforms=(gaps,),
        **options,
    )


def test_without_a_fall_back_a_store_that_is_away_is_an_error_and_counted(tmp_path: Path) -> None:
    reader = a_reader(tmp_path, wrap=True)
    reader.store.is_away = True  # type: ignore[attr-defined]
    with pytest.raises(OnlineStoreUnavailable, match="did not answer within"):
        reader.read_one(ASKED, NOW)
    assert reader.counters.failures == 1


def test_last_values_stand_in_and_say_so(tmp_path: Path) -> None:
    reader = a_reader(tmp_path, wrap=True, stand_in=LastValues())
    before = reader.read_one(ASKED, NOW)[0]
    reader.store.is_away = True  # type: ignore[attr-defined]
    after, statuses = reader.read_one(ASKED, NOW)
    np.testing.assert_array_equal(before, after)
    assert [status.status for status in statuses] == ["fallback", "fallback"]
    assert reader.read_one({**ASKED, "home": "C"}, NOW)[1][0].status == "missing"


def test_a_copy_stands_in(tmp_path: Path) -> None:
    view = a_view()
    copy = open_online_store("sqlite", str(tmp_path / "copy.db"))
    materialize(view, a_stored_history(view, tmp_path, GAMES), copy, now=NOW)
    reader = a_reader(tmp_path, wrap=True, stand_in=StoreCopy(copy))
    reader.store.is_away = True  # type: ignore[attr-defined]
    assert reader.read_one(ASKED, NOW)[0].tolist() == [4.0, 5.0, -1.0, 1.0]


def test_offline_last_gives_the_last_value_however_old(tmp_path: Path) -> None:
    view = a_view(ttl=timedelta(days=5), fallback="offline_last")
    history = a_stored_history(view, tmp_path, GAMES)
    fallbacks = {"offline_last": OfflineLast(lambda _: history)}
    reader = a_reader(tmp_path, view=view, fallbacks=fallbacks)
    vector, statuses = reader.read_one(ASKED, day(10))
    assert vector[:2].tolist() == [4.0, 5.0]
    assert [status.status for status in statuses] == ["present", "fallback"]
    vector, statuses = reader.read_one(ASKED, day(5))
    assert (vector[0], statuses[0].status, statuses[0].event_timestamp) == (3.0, "fallback", day(1))


@given(hours=st.integers(0, 24 * 12), ttl=st.sampled_from([None, 2, 5]))
@settings(max_examples=15, deadline=None)
def test_a_past_cutoff_reads_the_row_that_was_known_then(
    tmp_path_factory: pytest.TempPathFactory, hours: int, ttl: int | None
) -> None:
    """By hand: the newest game of the team by the cutoff, unless it is older than the TTL."""
    folder = tmp_path_factory.mktemp("past")
    view = a_view(ttl=None if ttl is None else timedelta(days=ttl))
    history = a_stored_history(view, folder, [*GAMES, LATE])
    reader = a_reader(folder, games=[*GAMES, LATE], view=view, history=OfflineLast(lambda _: history))
    cutoff = day(1) + timedelta(hours=hours)
    vector, statuses = reader.read_one(ASKED, cutoff)
    rows = history.scan().collect().to_dicts()
    for place, team in enumerate("AB"):
        known = [row for row in rows if row["team"] == team and row["created_timestamp"] <= cutoff]
        newest = max(known, key=lambda row: (row["event_timestamp"], row["created_timestamp"]), default=None)
        is_old = newest is not None and ttl is not None and newest["event_timestamp"] < cutoff - timedelta(days=ttl)
        assert statuses[place].status == ("missing" if newest is None else "expired" if is_old else "present")
        if newest is None or is_old:
            assert np.isnan(vector[place])
        else:
            assert vector[place] == newest["total"]


LOOKUPS = st.lists(
    st.tuples(st.sampled_from("ABCZ"), st.sampled_from("ABCZ"), st.integers(0, 24 * 12)), min_size=2, max_size=20
)


@given(rows=LOOKUPS, fallback=st.sampled_from(["null", "offline_last"]), ttl=st.sampled_from([None, 2]))
@settings(max_examples=15, deadline=None)
def test_rows_with_past_cutoffs_read_together_equal_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]], fallback: str, ttl: int | None
) -> None:
    folder = tmp_path_factory.mktemp("together")
    view = a_view(ttl=None if ttl is None else timedelta(days=ttl), fallback=fallback)
    past = OfflineLast(lambda _: a_stored_history(view, folder, [*GAMES, LATE]))
    options: dict[str, Any] = {"history": past, "fallbacks": {"offline_last": past}}
    reader = a_reader(folder, games=[*GAMES, LATE], view=view, **options)
    requests = [{"home": home, "away": away, "ground": "home"} for home, away, _ in rows]
    cutoffs = [day(1) + timedelta(hours=hours) for _, _, hours in rows]
    together = reader.read(requests, cutoffs)
    alone = [reader.read_one(request, cutoff) for request, cutoff in zip(requests, cutoffs, strict=True)]
    np.testing.assert_array_equal(together.vectors, np.stack([vector for vector, _ in alone]))
    assert together.statuses == tuple(statuses for _, statuses in alone)


def test_a_history_is_opened_once_for_all_rows_of_a_request(tmp_path: Path) -> None:
    view = a_view()
    history = a_stored_history(view, tmp_path, GAMES)
    opened: list[str] = []

    def find(served: ServedView) -> FeatureHistory:
        opened.append(served.prefix)
        return history

    reader = a_reader(tmp_path, view=view, history=OfflineLast(find))
    reader.read([ASKED] * 50, [day(1) + timedelta(hours=hour) for hour in range(50)])
    assert opened == ["home", "away"]


def test_a_miss_computes_the_view_and_puts_the_row_online(tmp_path: Path) -> None:
    view = a_view(fallback="compute")
    (tmp_path / "later").mkdir()
    later = a_stored_history(view, tmp_path / "later", [*GAMES, a_game("9", day(3), team="Z", points=42)])
    asked: list[str] = []

    def compute(declared: FeatureView) -> FeatureHistory:
        asked.append(declared.name)
        return later

    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    on_miss = ComputeOnMiss(lambda: {view.name: view}, compute, store)
    reader = a_reader(tmp_path, view=view, fallbacks={"compute": on_miss})
    answers = [reader.read_one({"home": "Z", "away": "B"}, day(10)) for _ in range(2)]
    assert [vector[0] for vector, _ in answers] == [42.0, 42.0]
    assert [statuses[0].status for _, statuses in answers] == ["fallback", "present"]
    assert asked == ["running_total"]


def test_nothing_is_computed_by_other_code_than_the_release_was_made_with(tmp_path: Path) -> None:
    view = a_view(fallback="compute")
    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    other = {view.name: a_view(fallback="compute", ttl=timedelta(days=3))}
    reader = a_reader(tmp_path, view=view, fallbacks={"compute": ComputeOnMiss(lambda: other, refuse, store)})
    assert reader.read_one({"home": "Z", "away": "B"}, NOW)[1][0].status == "missing"


def test_what_computing_finds_too_old_stays_expired(tmp_path: Path) -> None:
    view = a_view(ttl=timedelta(days=5), fallback="compute")
    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    history = a_stored_history(view, tmp_path, GAMES)
    on_miss = ComputeOnMiss(lambda: {view.name: view}, lambda _: history, store)
    reader = a_reader(tmp_path, view=view, fallbacks={"compute": on_miss})
    vector, statuses = reader.read_one(ASKED, day(300))
    assert np.isnan(vector[:2]).all()
    assert [status.status for status in statuses] == ["expired", "expired"]


def refuse(_: FeatureView) -> FeatureHistory:
    raise AssertionError("computed")


def test_all_who_wait_share_one_flight() -> None:
    finish = threading.Event()
    calls = []

    def slow(asked: str) -> str:
        calls.append(asked)
        assert finish.wait(60)
        return asked.upper()

    flight = SingleFlight(slow)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(flight("form"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    while flight.waiting("form") < 7:
        pass
    finish.set()
    for thread in threads:
        thread.join()
    assert (found, calls) == (["FORM"] * 8, ["form"])


def test_a_failed_computation_is_told_and_not_kept() -> None:
    def broken(_: str) -> None:
        raise RuntimeError("no source")

    flight = SingleFlight(broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no source"):
            flight("form")


@pytest.mark.parametrize(("fallback", "status"), [("null", "expired"), ("offline_last", "fallback")])
def test_a_deployments_reader_follows_the_views_policies(
    database: Database, tmp_path: Path, fallback: Any, status: str
) -> None:
    source = a_games_source([("1", day(1), "A", 3)])
    stores = some_stores(database, tmp_path)
    ingest_source(source, project="p", stores=stores, clock=FrozenClock(NOW))
    view = a_view(sources=(source,), ttl=timedelta(days=5), fallback=fallback)
    online = open_online_store("sqlite", str(tmp_path / "online.db"))
    materialize_view(view, project="p", stores=stores, online=online, clock=FrozenClock(NOW))
    reader = open_reader(a_release(view), online=online, stores=stores, clock=FrozenClock(NOW), declared=dict)
    assert reader.read_one({"home": "A"}, NOW)[1][0].status == status


def test_a_deployments_reader_computes_what_was_ingested_since(database: Database, tmp_path: Path) -> None:
    stores = some_stores(database, tmp_path)
    online = open_online_store("sqlite", str(tmp_path / "online.db"))
    view = a_view(sources=(a_games_source([("1", day(1), "A", 3)]),), fallback="compute")
    clock = FrozenClock(NOW)
    ingest_source(view.sources[0], project="p", stores=stores, clock=clock)
    materialize_view(view, project="p", stores=stores, online=online, clock=clock)
    more = a_games_source([("1", day(1), "A", 3), ("2", day(2), "Z", 7)])
    ingest_source(more, project="p", stores=stores, clock=clock)
    reader = open_reader(a_release(view), online=online, stores=stores, clock=clock, declared=lambda: {view.name: view})
    vector, statuses = reader.read_one({"home": "Z"}, clock.now())
    assert (vector.tolist(), statuses[0].status) == ([7.0], "fallback")


def a_games_source(rows: list[tuple[Any, ...]]) -> Source:
    frame = pl.DataFrame(rows, schema=["game_id", "played_at", "team", "points"], orient="row")
    provider = FrameProvider(lambda: (frame, ()))
    return Source("games", contract=Game, key="game_id", event_time="played_at", provider=provider)


@dataclass(frozen=True)
class ARelease:
    views: tuple[ServedView, ...]
    columns: tuple[ColumnSpec, ...]
    project: str = "p"
    transforms: tuple[Any, ...] = ()


def a_release(view: FeatureView) -> ARelease:
    served = ServedView.of("p", view.on("home", prefix="home"))
    return ARelease((served,), (ColumnSpec("home_total", "number", origin=f"view:{view.name}"),))


def test_a_mirrored_store_fills_its_copy_even_when_it_comes_late(tmp_path: Path) -> None:
    view = a_view()
    main = open_online_store("sqlite", str(tmp_path / "main.db"))
    history = a_stored_history(view, tmp_path, GAMES)
    materialize(view, history, main, now=NOW)
    mirrored = MirroredStore(main, open_online_store("sqlite", str(tmp_path / "copy.db")))
    materialize(view, history, mirrored, now=NOW)
    prefix = ServedView.of("p", view.on("home")).keys.rows
    assert mirrored.copy.size(prefix) == mirrored.size(prefix)
    assert mirrored.size(prefix).rows == 2
    assert mirrored.delete(prefix) == 2
    assert mirrored.copy.size(prefix).rows == 0
    mirrored.close()


def test_reads_are_counted_by_view_and_status(tmp_path: Path) -> None:
    reader = a_reader(tmp_path, view=a_view(ttl=timedelta(days=5)))
    reader.read([ASKED, {"home": "Z", "away": "B"}], [day(10), day(10)])
    reads = reader.counters.reads()["running_total"]
    assert (reads.present, reads.missing, reads.expired) == (1, 1, 2)
    assert reads.p50_seconds is not None


def test_an_instant_feature_is_seconds_online_as_offline(tmp_path: Path) -> None:
    from touchline.features import build_training_set

    def last_seen(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.select(
            "team", "event_timestamp", seen=pl.col("played_at"), kind=pl.lit("cup"), won=pl.col("points") > 0
        )

    view = a_view(last_seen)
    history = a_stored_history(view, tmp_path, [a_game("1", day(1))])
    examples = pl.DataFrame({"example_id": ["1"], "cutoff": [day(2)], "home": ["A"]})
    training_set = build_training_set(examples, [view.on("home")], {view.name: history})
    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    materialize(view, history, store, now=NOW)
    columns = tuple(ColumnSpec.from_json(column.to_json()) for column in training_set.columns)
    reader = FeatureReader((ServedView.of("p", view.on("home")),), columns, store)
    assert reader.read_one({"home": "A"}, day(2))[0].tolist() == training_set.vectors()[0].tolist()
    assert view_layout(view).id == reader.views[0].layout.id
    store.close()
