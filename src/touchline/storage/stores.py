"""The database and the object store together, and how rows are written to Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import polars as pl

    from touchline.storage.database import Database
    from touchline.storage.objects import ObjectStore

# Few enough rows that a key range reads little, enough that the scan of a whole file stays fast.
ROW_GROUP: Final = 128 * 1024


class DataStores(Protocol):
    """The metadata database and the object store."""

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
