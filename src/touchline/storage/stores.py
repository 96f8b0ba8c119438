"""What rooms ask of whoever keeps their tables and files, and how rows are written."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import polars as pl

    from touchline.storage.database import Database
    from touchline.storage.objects import ObjectStore

# Few enough rows that a key range reads little, enough that the scan of a whole file stays fast.
ROW_GROUP: Final = 128 * 1024


class Stores(Protocol):
    """Where metadata and files lie."""

    @property
    def database(self) -> Database: ...
    @property
    def objects(self) -> ObjectStore: ...


def parquet_bytes(rows: pl.DataFrame, metadata: dict[str, str] | None = None) -> bytes:
    """Rows as touchline writes Parquet: row groups with statistics, so that key ranges can be read."""
    buffer = io.BytesIO()
    rows.write_parquet(
        buffer, compression="zstd", compression_level=1, row_group_size=ROW_GROUP, statistics=True, metadata=metadata
    )
    return buffer.getvalue()
