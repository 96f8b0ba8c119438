"""Rows that Feast writes to an offline source, and the logs of its feature services."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from touchline.errors import HistoryMoved
from touchline.features.feast.sources import replaced_file, source_path
from touchline.storage import ROW_GROUP


def append_rows(repo_path: Any, view: Any, table: Any) -> None:
    """Add rows to a view's Parquet source, kept sorted by keys and stamps; readers see the old file or the new one."""
    source = view.batch_source
    path = source_path(source, repo_path)
    added = _frame(pl.from_arrow(table))
    if isinstance(path, str) or path.is_dir():
        raise HistoryMoved(view.name, str(path), "many files or a remote one", "one local Parquet file to append to")
    with _locked(path):
        stored = pl.read_parquet(path)
        missing = [name for name in stored.columns if name not in added.columns]
        if missing:
            raise HistoryMoved(view.name, "the written batch", f"no column {missing[0]!r}", f"{stored.columns}")
        rows = pl.concat([stored, added.select(stored.columns).cast(stored.schema)])
        keys = [name for name in (column.name for column in view.entity_columns) if name in rows.columns]
        stamps = [name for name in (source.timestamp_field, source.created_timestamp_column) if name]
        ordered = rows.sort(*keys, *stamps, maintain_order=True).unique(maintain_order=True)
        with replaced_file(path) as temporary:
            ordered.write_parquet(temporary, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)


def write_log(repo_path: Any, data: Any, destination: Any) -> None:
    """One more file of logged features in the destination's folder."""
    frame = pl.read_parquet(data) if isinstance(data, Path) else _frame(pl.from_arrow(data))
    folder = Path(destination.path)
    folder = folder if folder.is_absolute() else Path(repo_path or ".") / folder
    with replaced_file(folder / f"{uuid.uuid4().hex}.parquet") as temporary:
        frame.write_parquet(temporary)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time."""
    with path.with_name(f".{path.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _frame(converted: pl.DataFrame | pl.Series) -> pl.DataFrame:
    return converted if isinstance(converted, pl.DataFrame) else converted.to_frame()
