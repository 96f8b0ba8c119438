"""Rows from Parquet files."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from touchline.errors import SourceFileUnreadable
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile, hash_of_files
from touchline.ingest.providers.files import Prepare, find_files, hash_files, read_file, stacked, with_columns_named


class ParquetFiles(BaseModel):
    """Parquet files by path or glob, stacked by column name.

    >>> ParquetFiles("games/*.parquet").glob
    'games/*.parquet'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    glob: str
    rename: dict[str, str] = Field(default_factory=dict, description="source column -> contract field")
    ignore: tuple[str, ...] = Field((), description="patterns of columns to leave out; * all unknown")
    row_column: str | None = Field(None, description="adds the number of the row under this name")
    prepare: Prepare | None = Field(None, description="a function of the project over the frame as read")

    def __init__(self, *paths: str | Path, **fields: object) -> None:
        super().__init__(**({"glob": str(paths[0])} if paths else {}), **fields)

    def hash_files(self, context: FetchContext) -> tuple[RawFile, ...]:
        return hash_files(self.glob, context)

    def fetch(self, context: FetchContext) -> Fetched:
        frames: list[pl.DataFrame] = []
        files: list[RawFile] = []
        for path in find_files(self.glob, context):
            content, raw = read_file(path, context)
            frames.append(self._read(content, path, context))
            files.append(raw)
        rows = stacked(frames, row_column=self.row_column)
        named = with_columns_named(rows, self, context.columns)
        return Fetched(
            frame=named,
            files=tuple(files),
            raw_hash=hash_of_files(tuple(files)),
            file_rows=tuple(frame.height for frame in frames),
        )

    @staticmethod
    def _read(content: bytes, path: Path, context: FetchContext) -> pl.DataFrame:
        try:
            return pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as damaged:
            reason = f"it is no Parquet file, or a damaged one ({str(damaged).splitlines()[0]})"
            raise SourceFileUnreadable(context.table, path.name, reason, "Write it again.") from damaged
