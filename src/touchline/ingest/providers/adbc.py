"""A query over ADBC: rows arrive as Arrow columns, without a Python object for each value."""

from __future__ import annotations

from typing import Any

import polars as pl

from touchline.errors import MissingDependency, SourceUnavailable


def read_arrow(url: str, statement: str, parameter: Any, *, table: str) -> pl.DataFrame:
    """The rows of a query; `{parameter}` in it stands for the value. Raises `SourceUnavailable`."""
    scheme, _, rest = url.partition("://")
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as postgresql
        import adbc_driver_sqlite.dbapi as sqlite
    except ModuleNotFoundError as missing:
        raise MissingDependency("SqlTable(incremental_on=)", missing.name or "adbc", ["sql"]) from missing
    is_sqlite = scheme.partition("+")[0] == "sqlite"
    mark = "?" if is_sqlite else "$1"
    try:
        connection = sqlite.connect(rest.removeprefix("/")) if is_sqlite else postgresql.connect(f"postgresql://{rest}")
        with connection, connection.cursor() as cursor:
            cursor.execute(statement.format(parameter=mark), None if parameter is None else (parameter,))
            rows = pl.from_arrow(cursor.fetch_arrow_table())
    except adbc_driver_manager.Error as failure:
        reason = str(failure).splitlines()[0]
        raise SourceUnavailable(table, reason, "Check the address, the query and the rights.") from failure
    assert isinstance(rows, pl.DataFrame)
    return rows.sort(pl.all()) if rows.width else rows
