"""The newest value of an entity in its history, however old: what the policy `offline_last` serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from touchline.features.vectors.packed_row import PackedRow
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import micros
from touchline.storage import tables

if TYPE_CHECKING:
    import polars as pl

    from touchline.storage import Database, ObjectStore

FindHistory = Callable[[ServedView], Path | None]
"""The file of the newest history of a served view, or None where there is none."""


class OfflineLast:
    """Reads one entity's rows from the history file of its view; Polars is imported at the first such read."""

    def __init__(self, find: FindHistory) -> None:
        self._find = find

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        path = self._find(view)
        return None if path is None else newest_known_row(path, view, entity, cutoff)


def newest_history(database: Database, objects: ObjectStore) -> FindHistory:
    """Looks the newest history of the version that is served up each time: ingest may have brought another."""
    table = tables.feature_histories

    def find(view: ServedView) -> Path | None:
        mine = (table.c.project == view.project) & (table.c.view == view.view)
        query = select(table.c.object_key).where(mine, table.c.feature_version == view.feature_version)
        with database.connect() as connection:
            key = connection.scalar(query.order_by(table.c.created_at.desc()).limit(1))
        return None if key is None else objects.local_path(key)

    return find


def newest_known_row(path: Path, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
    """The entity's newest row of a history file among those known at the cutoff."""
    rows = _known_rows(path, view, entity, cutoff)
    if rows.is_empty():
        return None
    newest = rows.row(-1, named=True)
    values = tuple(
        micros(newest[name]) if kind == "timestamp" and newest[name] is not None else newest[name]
        for name, kind in view.features
    )
    return PackedRow(micros(newest["event_timestamp"]), micros(newest["created_timestamp"]), values)


def _known_rows(path: Path, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> pl.DataFrame:
    import polars as pl

    kinds = dict(zip(view.join_keys, view.key_types, strict=True))
    same = [pl.col(key) == (int(value) if kinds[key] == "int" else value) for key, value in entity.items()]
    known = pl.max_horizontal("event_timestamp", "created_timestamp") <= cutoff
    return pl.scan_parquet(path).filter(*same, known).sort("event_timestamp", "created_timestamp").collect()
