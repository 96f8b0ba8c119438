"""Rows from a table or a query of a SQL database."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from touchline.errors import SourceUnavailable
from touchline.ingest.content_hashes import content_hash
from touchline.ingest.providers.adbc import read_arrow
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile
from touchline.ingest.providers.files import Prepare, with_columns_named
from touchline.ingest.snapshots import all_snapshots


class SqlTable(BaseModel):
    """A table or a query, read whole; with `incremental_on`, from the newest stored value of that field on.

    The address may stay out of the code: `url_variable` names where it is set.

    >>> SqlTable(url="sqlite:///shop.db", table="orders").table
    'orders'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    url: str | None = Field(None, repr=False)
    url_variable: str | None = None
    table: str | None = None
    query: str | None = None
    incremental_on: str | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    prepare: Prepare | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.url is None) == (self.url_variable is None):
            raise ValueError("give either url or url_variable, the environment variable that holds it")
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self

    def fetch(self, context: FetchContext) -> Fetched:
        frame = self._read(context)
        named = with_columns_named(frame, self, context.columns)
        digest = content_hash(frame)
        origin = self.table or "query"
        return Fetched(named, (RawFile(f"sql:{origin}", digest, int(frame.estimated_size())),), digest)

    def _read(self, context: FetchContext) -> pl.DataFrame:
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import SQLAlchemyError

        url = self.url or os.environ.get(self.url_variable or "")
        if not url:
            raise SourceUnavailable(context.table, f"the variable {self.url_variable} is not set", "Set it.")
        if self.incremental_on is not None:
            return self._read_newer(url, self.incremental_on, context)
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(text(self._statement(engine)))
                names, values = list(rows.keys()), rows.all()
        except SQLAlchemyError as failure:
            reason = str(getattr(failure, "orig", None) or failure).splitlines()[0]
            raise SourceUnavailable(context.table, reason, "Check the address, the table and the rights.") from failure
        finally:
            engine.dispose()
        return _frame(names, [tuple(row) for row in values])

    def _read_newer(self, url: str, field: str, context: FetchContext) -> pl.DataFrame:
        """The rows whose field is at least the newest stored value; all before the first ingest.

        Rows of that value itself come again: others of the same value may have been committed since.
        """
        if field not in context.columns:
            raise SourceUnavailable(
                context.table, f"incremental_on={field!r} is no field of its contract", "Name a field that grows."
            )
        newest = all_snapshots(context.project, context.source, context)[:1]
        stored = newest[0].scan_ingested().select(pl.col(field).max()).collect().item() if newest else None
        if isinstance(stored, datetime) and url.startswith("sqlite"):
            reason = f"SQLite has no type for instants: incremental_on={field!r} cannot be compared"
            raise SourceUnavailable(context.table, reason, "Name a field of numbers or text.")
        column = next((origin for origin, named in self.rename.items() if named == field), field)
        origin = f"({self.query})" if self.query is not None else _quoted(str(self.table).split("."))
        condition = "" if stored is None else f" WHERE origin.{_quoted([column])} >= {{parameter}}"
        statement = f"SELECT * FROM {origin.replace('{', '{{').replace('}', '}}')} AS origin{condition}"
        return read_arrow(url, statement, stored, table=context.table)

    def _statement(self, engine: Any) -> str:
        if self.query is not None:
            return self.query
        quote = engine.dialect.identifier_preparer.quote
        # The order of rows of a table is not defined, but what is read must hash alike: sorted in _frame.
        return f"SELECT * FROM {'.'.join(quote(part) for part in str(self.table).split('.'))}"


def _quoted(parts: list[str]) -> str:
    """A name of SQL, which `str.format` leaves as it is."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _frame(names: list[str], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Columns by name, rows in an order that does not depend on the database."""
    frame = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None, strict=False)
    decimals = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Decimal)]
    frame = frame.with_columns(pl.col(decimals).cast(pl.Float64))
    return frame.sort(pl.all()) if frame.width else frame
