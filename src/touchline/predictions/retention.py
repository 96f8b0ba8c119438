"""Retention of the prediction log: old rows go to Parquet files by month and leave the database."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson

from touchline.predictions.log_rows import PredictionRecord
from touchline.predictions.partitions import drop_empty_months
from touchline.predictions.records import EVERY_ROLE, PredictionRecords
from touchline.storage import Database, ObjectStore
from touchline.storage.ulids import Ulids


@dataclass(frozen=True)
class Exported:
    """The object keys of the files, and the number of rows in all."""

    object_keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Pruned:
    """Rows that were exported and deleted from the database."""

    exported: Exported
    deleted: int


def export_predictions(
    database: Database, objects: ObjectStore, project: str, *, since: datetime | None, until: datetime
) -> Exported:
    """Copy rows of every role answered in [since, until) to Parquet, one file for each month and batch."""
    records = PredictionRecords(database, project)
    keys: list[str] = []
    rows = 0
    for batch in records.batches(since=since, until=until, roles=EVERY_ROLE):
        keys += _write_by_month(batch, project, objects)
        rows += len(batch)
    return Exported(tuple(keys), rows)


def prune_predictions(database: Database, objects: ObjectStore, project: str, *, until: datetime) -> Pruned:
    """Move rows of every role answered before `until` to Parquet: a batch is on disk before it leaves the database.

    A kill in between leaves a batch in both places, never in none. Outcomes stay. On PostgreSQL a month that is empty
    afterwards is dropped.
    """
    records = PredictionRecords(database, project)
    keys: list[str] = []
    deleted = 0
    for batch in records.batches(since=None, until=until, roles=EVERY_ROLE):
        keys += _write_by_month(batch, project, objects)
        records.delete([row.prediction_id for row in batch])
        deleted += len(batch)
    drop_empty_months(database, before=until)
    return Pruned(Exported(tuple(keys), deleted), deleted)


def _write_by_month(rows: Sequence[PredictionRecord], project: str, objects: ObjectStore) -> Iterator[str]:
    """Write a file for each month of these rows; the object keys."""
    for month, of_month in groupby(rows, key=lambda row: f"{row.answered_at.astimezone(UTC):%Y-%m}"):
        key = f"{project}/predictions/{month}/{Ulids().next()}.parquet"
        objects.write(key, _parquet(of_month))
        yield key


def _parquet(rows: Iterable[PredictionRecord]) -> bytes:
    """Documents as JSON text, so that months with other fields can be read together."""
    import polars as pl

    flat = [
        {name: orjson.dumps(value).decode() if isinstance(value, dict) else value for name, value in vars(row).items()}
        for row in rows
    ]
    instant = pl.Datetime("us", "UTC")
    texts = ("experiment", "salt", "unit", "cluster", "example_id", "correlation_id", "answer_id")
    types: dict[str, Any] = {
        "cutoff": instant,
        "answered_at": instant,
        "threshold": pl.Float64,
        "probability": pl.Float64,
        "seconds": pl.Float64,
        "vector": pl.Binary,
        **dict.fromkeys(texts, pl.String),
    }
    buffer = io.BytesIO()
    pl.DataFrame(flat, schema_overrides=types, infer_schema_length=None).write_parquet(buffer, statistics=True)
    return buffer.getvalue()
