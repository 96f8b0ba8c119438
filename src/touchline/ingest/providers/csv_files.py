"""Rows from delimited text files, every value read as text: the contract gives it its type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from touchline.errors import SourceFileEmpty
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile, hash_of_files
from touchline.ingest.providers.csv_text import CsvFormat, CsvRows, read_csv_text
from touchline.ingest.providers.files import Prepare, find_files, hash_files, read_file, stacked, with_columns_named
from touchline.ingest.providers.number_text import NumberStyle, with_plain_numbers


class CsvFiles(BaseModel):
    """Delimited text files by path or glob, plain or gzip, stacked by column name.

    The delimiter is found from the header when it is not declared. Values lose the blanks around them; `null_values`
    are those that then mean null. `file_column` adds a column with the name of each row's file, `row_column`
    one with the number of the row: a key only for files that are never sorted or cut.

    >>> CsvFiles("games/*.csv", delimiter=";").delimiter
    ';'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    glob: str
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("", "NA", "NaN", "null", "NULL")
    rename: dict[str, str] = Field(default_factory=dict, description="source column -> contract field")
    ignore: tuple[str, ...] = Field((), description="patterns of columns to leave out; * all unknown")
    numbers: dict[str, NumberStyle] = Field(
        default_factory=dict, description="source column -> how its numbers are written, signs such as $ and % aside"
    )
    file_column: str | None = None
    row_column: str | None = None
    prepare: Prepare | None = Field(None, description="a function of the project over the text frame as read")

    def __init__(self, *paths: str | Path, **fields: Any) -> None:
        super().__init__(**({"glob": str(paths[0])} if paths else {}), **fields)

    def hash_files(self, context: FetchContext) -> tuple[RawFile, ...]:
        return hash_files(self.glob, context)

    def fetch(self, context: FetchContext) -> Fetched:
        parts: list[CsvRows] = []
        files: list[RawFile] = []
        for path in find_files(self.glob, context):
            content, raw = read_file(path, context)
            parts.append(self._read(content, path.name, context))
            files.append(raw)
        if not any(part.frame.height or part.broken.height for part in parts):
            raise SourceFileEmpty(context.table, self.glob)
        frame = stacked([part.frame for part in parts], row_column=self.row_column)
        return Fetched(
            frame=with_columns_named(frame, self, context.columns),
            files=tuple(files),
            raw_hash=hash_of_files(tuple(files)),
            broken=pl.concat([part.broken for part in parts]),
            file_rows=tuple(part.frame.height for part in parts),
            message=_headers_in_words(sum(part.headers for part in parts)),
        )

    def _read(self, content: bytes, name: str, context: FetchContext) -> CsvRows:
        known = {*context.columns, *self.rename}
        form = CsvFormat(self.delimiter, self.encoding, self.null_values, frozenset(known))
        rows = read_csv_text(content, form, name=name, table=context.table).without_headers()
        rows = replace(rows, frame=with_plain_numbers(rows.frame, self.numbers))
        if self.file_column is None:
            return rows
        return replace(rows, frame=rows.frame.with_columns(pl.lit(name).alias(self.file_column)))


def _headers_in_words(count: int) -> str:
    if not count:
        return ""
    return (
        "1 row repeats the header and is left out"
        if count == 1
        else f"{count:,} rows repeat the header and are left out"
    )
