from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import Field
from sqlalchemy import select

from tests.features.builders import NOW, TEAM, day, running_total
from tests.features.test_compute import a_source
from tests.stores import some_stores
from touchline.clock import FrozenClock
from touchline.contracts import Contract
from touchline.errors import InvalidEntityKey, InvalidPush, LeaseHeld, OnlineStoreEmptied
from touchline.features import ColumnSpec, FeatureReader, FeatureView, OnlineStore, ServedView, compute_view
from touchline.features.online.invalidate import (
    drop_unused_versions,
    invalidate_entity,
    invalidate_model,
    invalidate_view,
)
from touchline.features.online.materialize import materialize, materialize_view
from touchline.features.online.push import push
from touchline.features.verification.view_statistics import entity_features, entity_keys_of, view_statistics
from touchline.ingest import Source, ingest_source
from touchline.storage import Database, hold_lease, tables

FIRST = [("1", day(1), "A", 3), ("2", day(2), "A", 1), ("3", day(3), "B", 0)]


class Total(Contract):
    team: str
    total: int = Field(ge=0, le=100)


class Place:
    """A project's stores and one view on them."""

    def __init__(self, database: Database, folder: Path, online: OnlineStore) -> None:
        self.stores = some_stores(database, folder)
        self.online = online
        self.clock = FrozenClock(NOW)

    def ingest(self, rows: list[tuple[Any, ...]]) -> Source:
        source = a_source(rows)
        ingest_source(source, project="p", stores=self.stores, clock=self.clock)
        return source

    def view(self, rows: list[tuple[Any, ...]] = FIRST, **options: Any) -> FeatureView:
        source = self.ingest(rows)
        return FeatureView(
            name="running_total", entity=TEAM, sources=(source,), **{"function": running_total, **options}
        )

    def materialize(self, view: FeatureView, **options: Any) -> Any:
        return materialize_view(view, project="p", stores=self.stores, online=self.online, clock=self.clock, **options)

    def push(self, view: FeatureView, *rows: dict[str, Any]) -> Any:
        return push(view, rows, project="p", stores=self.stores, online=self.online, clock=self.clock)

    def read(self, view: FeatureView, team: str) -> tuple[float, str]:
        columns = (ColumnSpec("total", "number", origin="view:running_total"),)
        reader = FeatureReader((ServedView.of("p", view.on("team")),), columns, self.online)
        vector, statuses = reader.read_one({"team": team}, NOW + timedelta(days=1))
        return vector[0], statuses[0].status


@pytest.fixture
def place(database: Database, tmp_path: Path, online_store: OnlineStore) -> Place:
    return Place(database, tmp_path, online_store)


def test_only_what_changed_is_sent_again(place: Place) -> None:
    view = place.view()
    assert place.materialize(view).written == 2
    assert place.materialize(view).written == 0
    place.ingest([*FIRST, ("4", day(1.5), "B", 7)])
    done = place.materialize(view)
    assert (done.rows, done.written, place.read(view, "B")) == (2, 1, (7.0, "present"))


def test_a_store_that_lost_its_rows_gets_all_of_them_again(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    assert invalidate_view("p", view.name, view.feature_version, store=place.online) == 2
    assert place.materialize(view).written == 2


def test_an_emptied_store_is_no_unknown_entity(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    assert place.read(view, "nobody")[1] == "missing"
    place.online.delete(b"")  # as FLUSHALL, another file or a wrong database number do
    with pytest.raises(OnlineStoreEmptied, match=r"emptied, or another store answers\. Fill it: touchline"):
        place.read(view, "A")
    assert place.materialize(view).written == 2
    assert place.read(view, "A") == (4.0, "present")


def test_a_run_is_recorded_with_its_watermark(place: Place) -> None:
    progress: list[tuple[int, int]] = []
    place.materialize(place.view(), progress=lambda sent, count: progress.append((sent, count)))
    with place.stores.database.connect() as connection:
        row = connection.execute(select(tables.materializations)).one()
    assert (row.status, row.rows, row.watermark) == ("done", 2, day(3))
    assert progress == [(0, 2), (2, 2)]


def test_two_materializations_at_once_name_the_holder(place: Place) -> None:
    view = place.view()
    name = "p/materialize/running_total"
    ttl = timedelta(minutes=1)
    with (
        hold_lease(place.stores.database, name, holder="the scheduler", ttl=ttl, clock=place.clock),
        pytest.raises(LeaseHeld, match="the scheduler"),
    ):
        place.materialize(view)


def test_an_interrupted_run_is_simply_run_again(place: Place) -> None:
    view = place.view()

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.materialize(view, progress=interrupt)
    assert place.materialize(view).rows == 2
    assert place.read(view, "A") == (4.0, "present")


def test_rows_that_break_the_output_contract_are_quarantined_and_never_online(place: Place) -> None:
    view = place.view([*FIRST, ("4", day(4), "B", 700)], contract=Total)
    place.materialize(view)
    assert place.read(view, "B") == (0.0, "present")
    history = compute_view(view, project="p", stores=place.stores, clock=place.clock)
    assert (history.rows, history.quarantined) == (3, 1)


def test_a_push_is_online_and_offline_from_its_instant_on(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    done = place.push(view, {"team": "A", "total": 50}, {"team": "C", "total": 1, "event_timestamp": day(5)})
    assert (done.rows, done.written, done.created_timestamp) == (2, 2, NOW)
    assert place.read(view, "A") == (50.0, "present")
    history = compute_view(view, project="p", stores=place.stores, clock=place.clock)
    row = history.scan().filter(pl.col("team") == "C").collect().row(0, named=True)
    assert (row["event_timestamp"], row["created_timestamp"], row["total"]) == (day(5), NOW, 1)
    assert materialize(view, history, place.online, now=NOW).written == 0


def test_the_last_of_two_pushes_at_one_instant_wins_on_both_sides(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    for total in (9, 3):
        place.push(view, {"team": "A", "total": total})
    history = compute_view(view, project="p", stores=place.stores, clock=place.clock)
    assert place.read(view, "A") == (3.0, "present")
    assert history.scan().filter(pl.col("event_timestamp") == NOW).collect()["total"].to_list() == [3]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"total": 1}, "'team' = None; it must be given"),
        ({"team": "A", "total": "many"}, "'total' = 'many'; it must be of type int"),
        ({"team": "A", "tota": 1}, "Did you mean 'total'"),
        ({"team": "A"}, "'total' = 'nothing'; it must be given; null says"),
        ({"team": "A", "event_timestamp": "yesterday"}, "an instant such as"),
        ({"team": "A", "event_timestamp": "2024-05-01T12:00:00"}, "a date, a time and a zone"),
        ({"team": "A", "event_timestamp": "2034-05-01T12:00:00Z"}, "no later than now"),
    ],
)
def test_a_push_that_cannot_be_right_keeps_nothing(place: Place, row: dict[str, Any], message: str) -> None:
    view = place.view()
    place.materialize(view)
    with pytest.raises(InvalidPush, match=message):
        place.push(view, {"team": "A", "total": 1}, row)
    assert place.read(view, "A") == (4.0, "present")


def test_a_pushed_row_that_breaks_the_contract_is_quarantined(place: Place) -> None:
    view = place.view(contract=Total)
    done = place.push(view, {"team": "A", "total": 700})
    assert (done.rows, done.written, done.quarantined) == (0, 0, 1)


def test_entities_views_and_models_are_invalidated(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    assert invalidate_entity(view, {"team": "A"}, project="p", store=place.online) == 1
    assert (place.read(view, "A")[1], place.read(view, "B")[1]) == ("missing", "present")
    assert invalidate_entity(view, {"team": "Z"}, project="p", store=place.online) == 0
    assert place.materialize(view).written == 1
    served = [ServedView.of("p", view.on("home", prefix="h")), ServedView.of("p", view.on("away", prefix="a"))]
    assert invalidate_model(served, store=place.online) == 2
    with pytest.raises(InvalidEntityKey, match="must be given"):
        invalidate_entity(view, {}, project="p", store=place.online)


def test_versions_nobody_refers_to_are_dropped(place: Place) -> None:
    old, new = place.view(), place.view(ttl=timedelta(days=9))
    for view in (old, new):
        place.materialize(view)
    keep = {(new.name, new.feature_version)}
    dropped = drop_unused_versions("p", stores=place.stores, online=place.online, keep=keep)
    assert dropped == [(old.name, old.feature_version)]
    assert place.read(new, "A")[1] == "expired"
    with pytest.raises(OnlineStoreEmptied, match=f"version {old.feature_version}"):
        place.read(old, "A")


def test_statistics_tell_size_age_and_distribution(place: Place) -> None:
    view = place.view()
    place.materialize(view)
    history = compute_view(view, project="p", stores=place.stores, clock=place.clock)
    found = view_statistics(view, history, project="p", online=place.online, now=NOW)
    assert (found.online_rows, found.history_rows, found.watermark, found.materialized_at) == (2, 3, day(3), NOW)
    assert found.online_bytes > 0
    assert found.sources == dict(history.snapshots)
    assert found.sources["games"] is not None
    feature = found.features[0]
    assert (feature.count, feature.nulls, feature.mean, feature.minimum, feature.maximum) == (2, 0, 2.0, 0.0, 4.0)
    assert entity_features(view, history, {"team": "A"}, limit=1)[0]["total"] == 4
    assert entity_keys_of(view, history)["team"].to_list() == ["A", "B"]


def test_a_view_without_rows_is_materialized_as_nothing(place: Place) -> None:
    def nothing(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.filter(pl.lit(False)).select("team", "event_timestamp", total="points")

    view = place.view(function=nothing)
    done = place.materialize(view)
    assert (done.rows, done.written, done.watermark) == (0, 0, None)
    assert place.read(view, "A")[1] == "missing"
