"""What reading does when a value is missing, expired or the store is away."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.features.builders import NOW, a_game, a_view, day
from tests.features.test_reader import COLUMNS, GAMES, a_stored_history, gaps
from touchline.errors import OnlineStoreUnavailable
from touchline.features import FeatureReader, ServedView, materialize, open_online_store
from touchline.features.away import LastValues, StoreCopy
from touchline.features.materialize import view_layout
from touchline.features.offline_last import OfflineLast
from touchline.features.packed import PackedRow
from touchline.features.recall import SingleFlight

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
    reader = a_reader(tmp_path, wrap=True, away=LastValues())
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
    reader = a_reader(tmp_path, wrap=True, away=StoreCopy(copy))
    reader.store.is_away = True  # type: ignore[attr-defined]
    assert reader.read_one(ASKED, NOW)[0].tolist() == [4.0, 5.0, -1.0, 1.0]


def test_offline_last_gives_the_last_value_however_old(tmp_path: Path) -> None:
    view = a_view(ttl=timedelta(days=5), fallback="offline_last")
    recalls = {"offline_last": OfflineLast({"running_total": a_stored_history(view, tmp_path, GAMES).path})}
    reader = a_reader(tmp_path, view=view, recalls=recalls)
    vector, statuses = reader.read_one(ASKED, day(10))
    assert vector[:2].tolist() == [4.0, 5.0]
    assert [status.status for status in statuses] == ["present", "fallback"]
    vector, statuses = reader.read_one(ASKED, day(5))
    assert (vector[0], statuses[0].status, statuses[0].event_timestamp) == (3.0, "fallback", day(1))


def test_compute_runs_once_for_many_waiting_requests(tmp_path: Path) -> None:
    started, finish = threading.Event(), threading.Event()
    calls = []

    def compute(view: ServedView, entity: Mapping[str, Any], _: datetime) -> PackedRow | None:
        calls.append((view.view, dict(entity)))
        started.set()
        assert finish.wait(10)
        return PackedRow(0, 0, (42,))

    view = a_view(fallback="compute")
    reader = a_reader(tmp_path, view=view, recalls={"compute": SingleFlight(compute)})
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda: found.append(reader.read_one({"home": "Z", "away": "B"}, NOW)[0][0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    finish.set()
    for thread in threads:
        thread.join()
    assert found == [42.0] * 8
    assert len(calls) <= 8
    assert calls[0] == ("running_total", {"team": "Z"})


def test_waiters_share_one_flight() -> None:
    started, finish = threading.Event(), threading.Event()
    calls = []

    def slow(*_: Any) -> None:
        calls.append(1)
        started.set()
        assert finish.wait(10)

    view = ServedView.of("p", a_view().on("home"))
    flight = SingleFlight(slow)
    first = threading.Thread(target=flight, args=(view, {"team": "Z"}, NOW))
    first.start()
    assert started.wait(10)
    second = threading.Thread(target=flight, args=(view, {"team": "Z"}, NOW))
    second.start()
    while second.is_alive() and not flight._running:
        pass
    finish.set()
    first.join()
    second.join()
    assert len(calls) in (1, 2)  # the second may come after the first has landed


def test_a_failed_computation_is_told_to_all_and_not_kept() -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no source")

    flight = SingleFlight(broken)
    view = ServedView.of("p", a_view().on("home"))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no source"):
            flight(view, {"team": "Z"}, NOW)


def test_reads_are_counted_by_view_and_status(tmp_path: Path) -> None:
    reader = a_reader(tmp_path, view=a_view(ttl=timedelta(days=5)))
    reader.read([ASKED, {"home": "Z", "away": "B"}], [day(10), day(10)])
    reads = reader.counters.reads()["running_total"]
    assert (reads.present, reads.missing, reads.expired) == (1, 1, 2)
    assert reads.p50_seconds is not None


def test_an_instant_feature_is_seconds_online_as_offline(tmp_path: Path) -> None:
    import polars as pl

    from touchline.features import ColumnSpec, build_training_set

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
