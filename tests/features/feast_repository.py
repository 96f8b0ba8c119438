"""A Feast repository in a folder, with Feast's own stores or ours under the same definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tests.features.lazy_feast import feast

OURS = {
    "offline_store": {"type": "touchline.features.feast_stores.PointInTimeOfflineStore"},
    "online_store": {"type": "touchline.features.feast_stores.PackedSqliteOnlineStore", "path": "packed.db"},
}
FEASTS = {"offline_store": {"type": "dask"}, "online_store": {"type": "sqlite", "path": "online.db"}}
FEASTS_DUCKDB = {**FEASTS, "offline_store": {"type": "duckdb"}}


def the_driver() -> feast.Entity:
    return feast.Entity(name="driver", join_keys=["driver"], value_type=feast.ValueType.INT64)


def a_repository(folder: Path, stores: Mapping[str, Any]) -> feast.FeatureStore:
    """A Feast store on `folder`; the registry lies there too."""
    folder.mkdir(parents=True, exist_ok=True)
    config = feast.RepoConfig(
        project="drivers",
        provider="local",
        registry=str(folder / "registry.db"),
        repo_path=folder,
        entity_key_serialization_version=3,
        **{
            name: {**options, "path": str(folder / options["path"])} if "path" in options else options
            for name, options in stores.items()
        },
    )
    return feast.FeatureStore(config=config)


def a_driver_view(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    name: str = "stats",
    ttl: timedelta | None = None,
    created: bool = True,
) -> feast.FeatureView:
    """A view over a Parquet file that holds these rows in this order."""
    path = folder / f"{name}.parquet"
    write_rows(path, rows, created=created)
    source = feast.FileSource(
        name=f"{name}_source",
        path=str(path),
        timestamp_field="event_timestamp",
        created_timestamp_column="created" if created else "",
    )
    return feast.FeatureView(
        name=name,
        entities=[the_driver()],
        ttl=ttl or timedelta(0),
        schema=[
            feast.Field(name="driver", dtype=feast.types.Int64),
            feast.Field(name="value", dtype=feast.types.Float64),
        ],
        source=source,
    )


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], *, created: bool = True) -> None:
    instant = pl.Datetime("us", "UTC")
    schema = {"driver": pl.Int64, "value": pl.Float64, "event_timestamp": instant}
    if created:
        schema["created"] = instant
    pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema).write_parquet(path)


def a_row(driver: int, value: float, at: datetime, created: datetime | None = None) -> dict[str, Any]:
    return {"driver": driver, "value": value, "event_timestamp": at, "created": created or at}


def online_value(store: feast.FeatureStore, driver: int = 1, view: str = "stats") -> Any:
    """The value a request gets."""
    found = store.get_online_features(features=[f"{view}:value"], entity_rows=[{"driver": driver}])
    return found.to_dict()["value"][0]


def online_status(store: feast.FeatureStore, driver: int = 1) -> str:
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    found = store.get_online_features(features=["stats:value"], entity_rows=[{"driver": driver}])
    return str(FieldStatus.Name(found.proto.results[-1].statuses[0]))
