"""How long the prediction log keeps its rows, and where they go: Parquet by month, then out of the database."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from touchline.predictions.partitions import drop_empty_months
from touchline.storage import Database, ObjectStore
from touchline.storage.tables import predictions
from touchline.storage.ulids import Ulids

if TYPE_CHECKING:
    import polars as pl

_BATCH = 20_000


@dataclass(frozen=True)
class Exported:
    """What was written: object keys, and rows in all."""

    object_keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Pruned:
    """What was moved out of the database."""

    exported: Exported
    deleted: int


def export_predictions(
    database: Database, objects: ObjectStore, project: str, *, since: datetime | None, until: datetime
) -> Exported:
    """Copy rows answered in [since, until) to Parquet, a file a month and batch."""
    keys, rows = [], 0
    for month, batch in _batches(database, project, since, until):
        key = f"{project}/predictions/{month}/{Ulids().next()}.parquet"
        objects.write(key, _parquet(batch))
        keys.append(key)
        rows += len(batch)
    return Exported(tuple(keys), rows)


def prune_predictions(
    database: Database, objects: ObjectStore, project: str, *, keep: timedelta, now: datetime
) -> Pruned:
    """Move rows older than `keep` to Parquet: every batch is on disk before its rows leave the database.

    A kill in between leaves a batch in both places, never in none. Outcomes stay. On PostgreSQL a month that is empty
    then is dropped.
    """
    keys, deleted = [], 0
    for month, batch in _batches(database, project, None, now - keep):
        key = f"{project}/predictions/{month}/{Ulids().next()}.parquet"
        objects.write(key, _parquet(batch))
        keys.append(key)
        with database.begin() as connection:
            gone = predictions.delete().where(predictions.c.prediction_id == sa.bindparam("gone"))
            connection.execute(gone, [{"gone": row["prediction_id"]} for row in batch])
        deleted += len(batch)
    drop_empty_months(database, before=now - keep)
    return Pruned(Exported(tuple(keys), deleted), deleted)


def read_exported(objects: ObjectStore, project: str) -> pl.DataFrame:
    """All exported rows of a project, each once, oldest first."""
    import polars as pl

    keys = objects.list(f"{project}/predictions/")
    if not keys:
        return pl.DataFrame()
    frames = [pl.read_parquet(objects.local_path(key)) for key in keys]
    return pl.concat(frames).unique("prediction_id", keep="first").sort("answered_at", "prediction_id")


def _batches(
    database: Database, project: str, since: datetime | None, until: datetime
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows in batches of one month each, in the order of their ids, which is the order of their time."""
    last = ""
    while True:
        query = (
            sa.select(predictions)
            .where(
                predictions.c.project == project,
                predictions.c.answered_at < until,
                predictions.c.prediction_id > last,
            )
            .order_by(predictions.c.prediction_id)
            .limit(_BATCH)
        )
        if since is not None:
            query = query.where(predictions.c.answered_at >= since)
        with database.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        if not rows:
            return
        last = rows[-1]["prediction_id"]
        by_month: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_month.setdefault(f"{row['answered_at'].astimezone(UTC):%Y-%m}", []).append(row)
        yield from by_month.items()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    """Documents as JSON text, so that months with other fields can be read together."""
    import polars as pl

    flat = [
        {name: orjson.dumps(value).decode() if isinstance(value, dict) else value for name, value in row.items()}
        for row in rows
    ]
    instant = pl.Datetime("us", "UTC")
    texts = ("experiment", "salt", "unit", "cluster", "example_id", "correlation_id")
    types: dict[str, Any] = {
        "cutoff": instant,
        "answered_at": instant,
        "threshold": pl.Float64,
        "probability": pl.Float64,
        "vector": pl.Binary,
        **dict.fromkeys(texts, pl.String),
    }
    buffer = io.BytesIO()
    pl.DataFrame(flat, schema_overrides=types, infer_schema_length=None).write_parquet(buffer, statistics=True)
    return buffer.getvalue()
