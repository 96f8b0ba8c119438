"""The online stores through Feast's own API, and the rows they share with the reader."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.features.builders import NOW, a_game, a_view, day, snapshot
from tests.features.feast_repository import OURS, a_driver_view, a_repository, a_row, online_value, the_driver
from tests.features.lazy_feast import feast
from touchline.errors import CorruptedFeatures
from touchline.features import ColumnSpec, FeatureReader, ServedView, build_history, open_online_store

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast warns of its own dependencies


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.services)])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], str, str]:
    """Feast's options, and the name and place under which the reader finds the same rows."""
    if request.param == "sqlite":
        return OURS["online_store"], "sqlite", str(tmp_path / "packed.db")
    url = request.getfixturevalue("redis_url")
    kind = "touchline.features.feast_stores.PackedRedisOnlineStore"
    return {"type": kind, "connection_string": url}, "redis", url


@pytest.fixture
def store(online: Any, tmp_path: Path) -> feast.FeatureStore:
    made = a_repository(tmp_path, {**OURS, "online_store": online[0]})
    made.apply([the_driver(), a_driver_view(tmp_path, [a_row(1, 1.5, day(1)), a_row(2, 2.5, day(2))])])
    return made


def test_what_is_materialized_is_served(store: feast.FeatureStore) -> None:
    store.materialize(day(0), day(9))
    asked = [{"driver": number} for number in (2, 1, 3, 2)]
    found = store.get_online_features(features=["stats:value"], entity_rows=asked).to_dict()
    assert found == {"driver": [2, 1, 3, 2], "value": [2.5, 1.5, None, 2.5]}


def test_the_asynchronous_api_gives_the_same(store: feast.FeatureStore) -> None:
    store.materialize(day(0), day(9))
    reading = store.get_online_features_async(features=["stats:value"], entity_rows=[{"driver": 1}])
    assert asyncio.run(reading).to_dict()["value"] == [1.5]


def test_pushed_and_late_rows_obey_the_newest(store: feast.FeatureStore) -> None:
    store.materialize(day(0), day(9))
    frame = pl.DataFrame({"driver": [1, 2], "value": [9.0, 9.0], "event_timestamp": [day(5), day(1)]})
    store.write_to_online_store("stats", frame.with_columns(created=pl.col("event_timestamp")).to_pandas())
    assert [online_value(store, driver) for driver in (1, 2)] == [9.0, 2.5]


def test_a_view_that_is_taken_away_takes_its_rows(store: feast.FeatureStore, online: Any) -> None:
    store.materialize(day(0), day(9))
    store.apply([], objects_to_delete=[store.get_feature_view("stats")], partial=False)
    reopened = open_online_store(online[1], online[2])
    assert reopened.size(b"tl:drivers:stats:").rows == 0
    reopened.close()


def test_a_damaged_row_is_an_error(store: feast.FeatureStore, online: Any) -> None:
    store.materialize(day(0), day(9))
    raw = open_online_store(online[1], online[2])
    from touchline.features.feast.values import feast_layout

    key = feast_layout("drivers", store.get_feature_view("stats")).keys.rows + b"1"
    raw.write([], {key: b"TL\x01\x00broken"})
    raw.close()
    with pytest.raises(CorruptedFeatures, match="for '1' are damaged"):
        online_value(store, 1)


def test_every_feast_type_survives(online: Any, tmp_path: Path) -> None:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    columns: dict[str, tuple[Any, Any]] = {
        "f8": (feast.types.Float64, 1.5),
        "f4": (feast.types.Float32, 0.25),
        "i8": (feast.types.Int64, -(2**60)),
        "i4": (feast.types.Int32, 7),
        "b": (feast.types.Bool, True),
        "s": (feast.types.String, "ünicode"),
        "y": (feast.types.Bytes, b"\x00\xff"),
        "t": (feast.types.UnixTimestamp, at),
        "l": (feast.types.Array(feast.types.Float64), [1.0, 2.0]),
    }
    frame = pl.DataFrame(
        {"driver": [1], "event_timestamp": [day(1)], **{name: [v] for name, (_, v) in columns.items()}}
    )
    frame.with_columns(pl.col("f4").cast(pl.Float32), pl.col("i4").cast(pl.Int32)).write_parquet(tmp_path / "t.parquet")
    view = feast.FeatureView(
        name="types",
        entities=[the_driver()],
        schema=[feast.Field(name=name, dtype=dtype) for name, (dtype, _) in columns.items()],
        source=feast.FileSource(path=str(tmp_path / "t.parquet"), timestamp_field="event_timestamp"),
    )
    store = a_repository(tmp_path, {**OURS, "online_store": online[0]})
    store.apply([the_driver(), view])
    store.materialize(day(0), day(9))
    refs = [f"types:{name}" for name in columns]
    found = store.get_online_features(features=refs, entity_rows=[{"driver": 1}, {"driver": 2}]).to_dict()
    assert {name: found[name][0] for name in columns} == {name: value for name, (_, value) in columns.items()}
    assert [found[name][1] for name in columns] == [None] * len(columns)


def test_our_declaration_materialized_by_feast_is_read_by_the_reader(online: Any, tmp_path: Path) -> None:
    view = a_view(ttl=timedelta(days=400))
    games = [a_game("1", day(1), points=3), a_game("2", day(2), points=1), a_game("3", day(3), team="B", points=5)]
    build_history(view, {"games": snapshot(games)}).write_parquet(tmp_path / "running_total.parquet")
    store = a_repository(tmp_path, {**OURS, "online_store": online[0]})
    store.apply([*view.entity.to_feast(), view.to_feast()])
    store.materialize(day(0), NOW)
    reader = FeatureReader(
        views=(ServedView.of("drivers", view.on("home", prefix="home")),),
        columns=(ColumnSpec("home_total", "number", origin="view:running_total"),),
        store=open_online_store(online[1], online[2]),
    )
    vector, statuses = reader.read_one({"home": "A"}, NOW)
    assert (vector.tolist(), statuses[0].status, statuses[0].watermark) == ([4.0], "present", day(3))
    reader.store.close()


def test_an_entity_of_text_and_one_of_digits_differ(online: Any, tmp_path: Path) -> None:
    city = feast.Entity(name="city", join_keys=["city"], value_type=feast.ValueType.STRING)
    pl.DataFrame({"city": ["1", "x:y"], "value": [1.0, 2.0], "event_timestamp": [day(1)] * 2}).write_parquet(
        tmp_path / "c.parquet"
    )
    source = feast.FileSource(path=str(tmp_path / "c.parquet"), timestamp_field="event_timestamp")
    view = feast.FeatureView(
        name="cities", entities=[city], schema=[feast.Field(name="value", dtype=feast.types.Float64)], source=source
    )
    store = a_repository(tmp_path, {**OURS, "online_store": online[0]})
    store.apply([city, view])
    store.materialize(day(0), day(9))
    asked = [{"city": "x:y"}, {"city": "1"}, {"city": "x"}]
    assert store.get_online_features(features=["cities:value"], entity_rows=asked).to_dict()["value"] == [
        2.0,
        1.0,
        None,
    ]


def test_rows_of_a_view_that_touchline_serves_from_are_not_deleted_by_feast(
    store: feast.FeatureStore, online: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view = a_driver_view(tmp_path, [a_row(1, 1.5, day(1))])
    view.tags = {"touchline.feature_version": "abc"}
    store.apply([the_driver(), view])
    store.materialize(day(0), day(9))
    store.apply([], objects_to_delete=[store.get_feature_view("stats")], partial=False)
    store.apply([the_driver(), view])
    store.teardown()
    reopened = open_online_store(online[1], online[2])
    assert reopened.size(b"tl:drivers:stats:abc:").rows == 1
    reopened.close()
    assert caplog.text.count("rows of view stats stay") == 2


def test_a_new_feature_leaves_the_others_online(store: feast.FeatureStore, tmp_path: Path) -> None:
    store.materialize(day(0), day(9))
    wider = a_driver_view(tmp_path, [a_row(1, 1.5, day(1)), a_row(2, 2.5, day(2))])
    frame = pl.read_parquet(tmp_path / "stats.parquet").with_columns(other=pl.lit(7))
    frame.write_parquet(tmp_path / "stats.parquet")
    wider.features = [*wider.features, feast.Field(name="other", dtype=feast.types.Int64)]
    store.apply([the_driver(), wider])
    refs = ["stats:value", "stats:other"]
    found = store.get_online_features(features=refs, entity_rows=[{"driver": 1}, {"driver": 3}]).to_dict()
    assert (found["value"], found["other"]) == ([1.5, None], [None, None])
    store.materialize(day(0), day(9))
    found = store.get_online_features(features=refs, entity_rows=[{"driver": 1}]).to_dict()
    assert (found["value"], found["other"]) == ([1.5], [7])


def test_a_feature_that_changes_its_type_is_null_until_it_is_materialized(
    store: feast.FeatureStore, tmp_path: Path
) -> None:
    store.materialize(day(0), day(9))
    changed = a_driver_view(tmp_path, [a_row(1, 1.5, day(1))])
    changed.features = [feast.Field(name="value", dtype=feast.types.String)]
    store.apply([the_driver(), changed])
    assert online_value(store) is None


@pytest.mark.parametrize(("created_counts", "expected"), [(True, 1.0), (False, 2.0)])
def test_materialize_and_training_agree_on_whether_the_created_time_counts(
    online: Any, tmp_path: Path, created_counts: bool, expected: float
) -> None:
    offline = {**OURS["offline_store"], "filter_by_created_timestamp": created_counts}
    store = a_repository(tmp_path, {"offline_store": offline, "online_store": online[0]})
    late = a_row(1, 2.0, day(2), created=datetime(2999, 1, 1, tzinfo=UTC))
    store.apply([the_driver(), a_driver_view(tmp_path, [a_row(1, 1.0, day(1)), late])])
    store.materialize(day(0), day(9))
    rows = pl.DataFrame({"driver": [1], "event_timestamp": [day(9)]}).to_pandas()
    trained = store.get_historical_features(entity_df=rows, features=["stats:value"]).to_df()["value"][0]
    assert online_value(store) == trained == expected
