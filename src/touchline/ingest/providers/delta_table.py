"""Rows of a Delta table, the newest version or a fixed one."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from touchline.errors import MissingDependency, SourceUnavailable
from touchline.ingest.content_hashes import content_hash
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile
from touchline.ingest.providers.files import Prepare, with_columns_named


class DeltaTable(BaseModel):
    """A Delta table in a folder or a bucket, read whole. Each snapshot names the version that it was read from.

    >>> DeltaTable("s3://lake/orders", version=12).version
    12
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    path: str
    version: int | None = Field(None, ge=0, description="default: the newest")
    rename: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    prepare: Prepare | None = None

    def __init__(self, *paths: str, **fields: object) -> None:
        super().__init__(**({"path": str(paths[0])} if paths else {}), **fields)

    def fetch(self, context: FetchContext) -> Fetched:
        try:
            import deltalake
        except ModuleNotFoundError as missing:
            raise MissingDependency("DeltaTable", "deltalake", ["delta"]) from missing
        try:
            table = deltalake.DeltaTable(self.path, version=self.version)
            frame = pl.from_arrow(table.to_pyarrow_table())
        except (OSError, deltalake.exceptions.DeltaError) as failure:
            reason = str(failure).splitlines()[0]
            raise SourceUnavailable(context.table, reason, "Check the path, the version and the rights.") from failure
        assert isinstance(frame, pl.DataFrame)
        rows = frame.sort(pl.all()) if frame.width else frame  # the order of a table's files is not defined
        digest = content_hash(rows)
        raw = RawFile(f"delta:{self.path}@{table.version()}", digest, int(rows.estimated_size()))
        return Fetched(with_columns_named(rows, self, context.columns), (raw,), digest)
