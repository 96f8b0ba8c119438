"""The offline store through Feast's own API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.brute_force import brute_force_join
from tests.features.builders import day
from tests.features.feast_repository import (
    OURS,
    a_driver_view,
    a_repository,
    a_row,
    online_value,
    the_driver,
    write_rows,
)
from tests.features.lazy_feast import feast
from touchline.errors import HistoryMoved, InvalidEntityKey, InvalidEntityRows, SourceFormatNotRead

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast warns of its own dependencies
TTL = timedelta(days=4)
ROWS = [a_row(1, 1.0, day(1)), a_row(1, 2.0, day(3), created=day(6)), a_row(2, 9.0, day(2))]
ASKED = [{"driver": 1, "event_timestamp": day(5)}, {"driver": 1, "event_timestamp": day(7)}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[feast.FeatureStore, Path]:
    folder = tmp_path_factory.mktemp("feast")
    store = a_repository(folder, OURS)
    store.apply([the_driver(), a_driver_view(folder, ROWS, ttl=TTL)])
    return store, folder / "stats.parquet"


@pytest.fixture
def store(tmp_path: Path) -> feast.FeatureStore:
    made = a_repository(tmp_path, OURS)
    made.apply([the_driver(), a_driver_view(tmp_path, ROWS)])
    return made


def values(store: feast.FeatureStore, rows: Any, **options: Any) -> list[Any]:
    job = store.get_historical_features(entity_df=rows, features=["stats:value"], **options)
    return job.to_arrow()["value"].to_pylist()


moments = st.integers(0, 12).map(day)
feature_rows = st.lists(
    st.builds(
        lambda driver, value, at, delay: a_row(driver, value, at, created=at + timedelta(days=delay)),
        st.integers(1, 3),
        st.integers(0, 5).map(float),
        moments,
        st.integers(0, 5),
    ),
    max_size=20,
)
asked_rows = st.lists(
    st.fixed_dictionaries({"driver": st.integers(1, 4), "event_timestamp": moments}), min_size=1, max_size=10
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(feature_rows, asked_rows)
def test_history_is_the_brute_force_join_of_rows_in_any_order(shared: Any, rows: list[Any], asked: list[Any]) -> None:
    store, path = shared
    write_rows(path, rows)
    history = [{**row, "created_timestamp": row["created"]} for row in rows]
    examples = [{**row, "cutoff": row["event_timestamp"]} for row in asked]
    expected = brute_force_join(examples, history, ["driver"], TTL)
    assert values(store, pd.DataFrame(asked)) == [row and row["value"] for row in expected]


def test_entity_rows_come_in_any_form(store: feast.FeatureStore, tmp_path: Path) -> None:
    frame = pl.DataFrame(ASKED)
    path = tmp_path / "asked.parquet"
    frame.write_parquet(path)
    sql = f"SELECT * FROM read_parquet('{path}') ORDER BY event_timestamp"
    for rows in (pd.DataFrame(ASKED), frame, frame.lazy(), frame.to_arrow(), str(path), path, sql):
        assert values(store, rows) == [1.0, 2.0]


def test_sql_that_cannot_be_run_says_why(store: feast.FeatureStore) -> None:
    with pytest.raises(InvalidEntityRows, match=r"SQL that Polars does not run \(relation 'labels' was not found\)"):
        values(store, "SELECT driver FROM labels")


def test_zones_may_be_mixed_or_absent(store: feast.FeatureStore) -> None:
    eastward = timezone(timedelta(hours=9))
    mixed = pd.DataFrame({"driver": [1, 1], "event_timestamp": [day(5).astimezone(eastward), day(7)]}, dtype=object)
    naive = pd.DataFrame({"driver": [1], "event_timestamp": [day(7).replace(tzinfo=None)]})
    assert values(store, mixed.astype({"driver": int})) == [1.0, 2.0]
    assert values(store, naive) == [2.0]


def test_feasts_rule_without_created_times_can_be_asked_for(tmp_path: Path) -> None:
    lax = {**OURS, "offline_store": {**OURS["offline_store"], "filter_by_created_timestamp": False}}
    store = a_repository(tmp_path, lax)
    store.apply([the_driver(), a_driver_view(tmp_path, ROWS)])
    assert values(store, pd.DataFrame(ASKED)) == [2.0, 2.0]
    assert values(store, pd.DataFrame(ASKED), filter_by_created_timestamp=True) == [1.0, 2.0]


def test_a_memory_limit_changes_nothing_but_the_memory(tmp_path: Path) -> None:
    options = {**OURS["offline_store"], "memory_limit_gb": 1e-7}
    store = a_repository(tmp_path, {**OURS, "offline_store": options})
    store.apply([the_driver(), a_driver_view(tmp_path, ROWS)])
    asked = pd.DataFrame({"driver": [2, 1, 3, 1], "event_timestamp": [day(7)] * 4})
    assert values(store, asked) == [9.0, 2.0, None, 2.0]


def test_one_view_under_two_names_with_two_keys(tmp_path: Path) -> None:
    store = a_repository(tmp_path, OURS)
    view = a_driver_view(tmp_path, ROWS)
    store.apply([the_driver(), view])
    asked = pd.DataFrame({"home": [1], "away": [2], "event_timestamp": [day(7)]})
    from feast import FeatureService

    service = FeatureService(
        name="match",
        features=[
            view.with_name("home").with_join_key_map({"driver": "home"}),
            view.with_name("away").with_join_key_map({"driver": "away"}),
        ],
    )
    store.apply([service])
    found = store.get_historical_features(entity_df=asked, features=service, full_feature_names=True).to_df()
    assert found[["home__value", "away__value"]].to_numpy().tolist() == [[2.0, 9.0]]


def test_on_demand_views_and_renamed_columns_work(tmp_path: Path) -> None:
    from feast.on_demand_feature_view import on_demand_feature_view

    pl.DataFrame({"driver": [1], "raw": [4.0], "at": [day(1)]}).write_parquet(tmp_path / "raw.parquet")
    source = feast.FileSource(path=str(tmp_path / "raw.parquet"), timestamp_field="at", field_mapping={"raw": "value"})
    view = feast.FeatureView(
        name="stats",
        entities=[the_driver()],
        schema=[feast.Field(name="value", dtype=feast.types.Float64)],
        source=source,
    )

    @on_demand_feature_view(
        sources=[view], schema=[feast.Field(name="double", dtype=feast.types.Float64)], mode="pandas"
    )
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"double": inputs["value"] * 2})

    store = a_repository(tmp_path, OURS)
    store.apply([the_driver(), view, doubled])
    store.materialize(day(0), day(9))
    asked = pd.DataFrame({"driver": [1], "event_timestamp": [day(5)]})
    found = store.get_historical_features(entity_df=asked, features=["stats:value", "doubled:double"]).to_df()
    assert found[["value", "double"]].to_numpy().tolist() == [[4.0, 8.0]]
    assert online_value(store) == 4.0


def test_several_join_keys(tmp_path: Path) -> None:
    place = feast.Entity(name="place", join_keys=["place"], value_type=feast.ValueType.STRING)
    rows = {"driver": [1, 1], "place": ["x", "y"], "value": [1.0, 2.0], "event_timestamp": [day(1)] * 2}
    pl.DataFrame(rows).write_parquet(tmp_path / "s.parquet")
    source = feast.FileSource(path=str(tmp_path / "s.parquet"), timestamp_field="event_timestamp")
    view = feast.FeatureView(
        name="stats",
        entities=[the_driver(), place],
        schema=[feast.Field(name="value", dtype=feast.types.Float64)],
        source=source,
    )
    store = a_repository(tmp_path, OURS)
    store.apply([the_driver(), place, view])
    asked = pd.DataFrame({"driver": [1, 1, 1], "place": ["y", "x", "z"], "event_timestamp": [day(2)] * 3})
    assert values(store, asked) == [2.0, 1.0, None]
    store.materialize(day(0), day(2))
    found = store.get_online_features(features=["stats:value"], entity_rows=[{"driver": 1, "place": "y"}]).to_dict()
    assert found["value"] == [2.0]


def test_a_view_without_an_entity(tmp_path: Path) -> None:
    pl.DataFrame({"value": [3.0], "event_timestamp": [day(1)]}).write_parquet(tmp_path / "g.parquet")
    source = feast.FileSource(path=str(tmp_path / "g.parquet"), timestamp_field="event_timestamp")
    view = feast.FeatureView(
        name="stats", entities=[], schema=[feast.Field(name="value", dtype=feast.types.Float64)], source=source
    )
    store = a_repository(tmp_path, OURS)
    store.apply([view])
    assert values(store, pd.DataFrame({"order": ["a"], "event_timestamp": [day(2)]})) == [3.0]


def test_an_empty_view_gives_nulls(tmp_path: Path) -> None:
    store = a_repository(tmp_path, OURS)
    store.apply([the_driver(), a_driver_view(tmp_path, [])])
    assert values(store, pd.DataFrame(ASKED)) == [None, None]
    store.materialize(day(0), day(9))
    assert online_value(store) is None


def test_a_range_without_entity_rows_asks_for_every_entity(store: feast.FeatureStore) -> None:
    job = store.get_historical_features(features=["stats:value"], start_date=day(0), end_date=day(7))
    found = job.to_df()
    assert found[["driver", "value"]].to_numpy().tolist() == [[1.0, 2.0], [2.0, 9.0]]


def test_a_saved_dataset_is_read_back(store: feast.FeatureStore, tmp_path: Path) -> None:
    job = store.get_historical_features(entity_df=pd.DataFrame(ASKED), features=["stats:value"])
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet"))
    store.create_saved_dataset(from_=job, name="saved", storage=storage)
    assert sorted(store.get_saved_dataset("saved").to_df()["value"]) == [1.0, 2.0]


def test_written_rows_join_the_history(store: feast.FeatureStore) -> None:
    rows = pd.DataFrame({"driver": [1], "value": [5.0], "event_timestamp": [day(8)], "created": [day(8)]})
    store.write_to_offline_store("stats", rows)
    assert values(store, pd.DataFrame({"driver": [1], "event_timestamp": [day(9)]})) == [5.0]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (pd.DataFrame({"driver": ["one"], "event_timestamp": [day(5)]}), InvalidEntityKey, "must be of type Int64"),
        (pd.DataFrame({"rider": [1], "event_timestamp": [day(5)]}), InvalidEntityRows, "no column 'driver'"),
        (pd.DataFrame({"driver": [1]}), InvalidEntityRows, "have 0 columns of instants"),
        ([1, 2], InvalidEntityRows, "are of type list"),
    ],
)
def test_entity_rows_that_cannot_be_joined_say_why(
    store: feast.FeatureStore, rows: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        values(store, rows)


def test_a_source_whose_schema_moved_says_so(store: feast.FeatureStore, tmp_path: Path) -> None:
    pl.DataFrame({"driver": [1], "event_timestamp": [day(1)], "created": [day(1)]}).write_parquet(
        tmp_path / "stats.parquet"
    )
    with pytest.raises(HistoryMoved, match="the declaration a column 'value'"):
        values(store, pd.DataFrame(ASKED))


def test_a_source_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    from feast.data_format import DeltaFormat

    source = feast.FileSource(path=str(tmp_path), file_format=DeltaFormat(), timestamp_field="event_timestamp")
    view = feast.FeatureView(
        name="stats",
        entities=[the_driver()],
        schema=[
            feast.Field(name="driver", dtype=feast.types.Int64),
            feast.Field(name="value", dtype=feast.types.Float64),
        ],
        source=source,
    )
    store = a_repository(tmp_path, OURS)
    store.apply([the_driver(), view])
    with pytest.raises(SourceFormatNotRead, match="reads Parquet"):
        values(store, pd.DataFrame(ASKED))


def test_materializing_is_bounded_by_now(store: feast.FeatureStore, tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(days=9)
    write_rows(tmp_path / "stats.parquet", [*ROWS, a_row(1, 99.0, ahead)])
    store.materialize(day(0), ahead + timedelta(days=9))
    assert online_value(store) == 2.0


def test_lists_and_texts_come_in_the_arrow_types_that_feast_compares(tmp_path: Path) -> None:
    import pyarrow as pa

    frame = pl.DataFrame({"driver": [1], "event_timestamp": [day(1)], "l": [[1.0, 2.0]], "s": ["a"], "n": [[[1], [2]]]})
    frame.write_parquet(tmp_path / "lists.parquet")
    types = feast.types
    fields = {"l": types.Array(types.Float64), "s": types.String}
    view = feast.FeatureView(
        name="lists",
        entities=[the_driver()],
        schema=[feast.Field(name=name, dtype=dtype) for name, dtype in fields.items()],
        source=feast.FileSource(path=str(tmp_path / "lists.parquet"), timestamp_field="event_timestamp"),
    )
    store = a_repository(tmp_path, OURS)
    store.apply([the_driver(), view])
    rows = pl.DataFrame({"driver": [1], "event_timestamp": [day(2)]}).to_pandas()
    table = store.get_historical_features(entity_df=rows, features=["lists:l", "lists:s"]).to_arrow()
    assert (table.schema.field("l").type, table.schema.field("s").type) == (pa.list_(pa.float64()), pa.string())
