"""The newest value of an entity in its history, however old: what the policy `offline_last` serves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.features.marks import micros
from touchline.features.packed import PackedRow
from touchline.features.served import ServedView

if TYPE_CHECKING:
    import polars as pl


class OfflineLast:
    """Reads one entity's rows from the history file of its view; Polars is imported at the first such read."""

    def __init__(self, histories: Mapping[str, Path]) -> None:
        self._histories = histories

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        path = self._histories.get(view.view)
        if path is None:
            return None
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
