"""Writes rows of the prediction log to its table: in batches, each row once, with the example that a row is about.

PostgreSQL gets a batch as one JSON text and parses each row once. The JSON functions of SQLite cost five times as much
as an insert: its rows are parsed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from touchline.predictions.open_examples import POSTGRES_COLUMNS, POSTGRES_EXAMPLES, ExamplesOfRows
from touchline.predictions.partitions import MonthPartitions
from touchline.predictions.spool_drain import RowsRefused
from touchline.storage import Database

_TEXTS = ("prediction_id", "request_id", "project", "release_id", "role", "variant", "probability", "override")
_OTHERS = ("threshold", "correlation_id")
_DOCUMENTS = ("entity_keys", "views", "inputs", "output")
_INSTANTS = ("cutoff", "answered_at")
# Of rows that a rollout has assigned; other lines do not have them.
_ROLLOUT = ("experiment", "salt", "unit", "answer_id", "seconds")
_WRITTEN = (*_TEXTS, *_OTHERS, *_DOCUMENTS, *_INSTANTS)
_COLUMNS = (*_WRITTEN, *_ROLLOUT, "example_id", "example_source", "cluster", "vector")
_NO_ROLLOUT = (None,) * len(_ROLLOUT)
_ROWS_AT_ONCE = 50

Rows = list[dict[str, Any]]


class DatabaseWriter:
    """Writes rows to `predictions`. A row that is stored already stays as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months = MonthPartitions(database)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write rows as `log_line` makes them, all or none. Raises `RowsRefused` for rows that cannot be read."""
        if not lines:
            return
        try:
            self._write(lines)
        except (ValueError, KeyError, TypeError) as wrong:
            raise RowsRefused(f"not a row: {type(wrong).__name__}: {wrong}") from wrong
        except sa.exc.DBAPIError as wrong:
            if not _is_fault_of_rows(wrong):
                raise
            raise RowsRefused(str(wrong.orig)) from wrong

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._database.engine.dialect.name != "postgresql":
            rows = [_read_line(line) for line in lines]
            with self._database.append() as connection:
                _insert(connection, rows)
            return
        self._months.prepare(lines)
        array = b"[" + b",".join(lines) + b"]"
        # A row depends on nothing stored but its example, so it waits for no other writer.
        with self._database.append() as connection:
            connection.execute(sa.text(_POSTGRES), {"rows": array.decode()})


def _is_fault_of_rows(wrong: sa.exc.DBAPIError) -> bool:
    """True if the rows are the cause and not the database: data exceptions and broken constraints."""
    state = getattr(wrong.orig, "sqlstate", None)
    return str(state)[:2] in ("22", "23") if state is not None else isinstance(wrong, sa.exc.IntegrityError)


def _read_line(line: bytes) -> dict[str, Any]:
    """A line of the log as SQLite stores it: documents and instants as text."""
    row: dict[str, Any] = orjson.loads(line)
    for name in _DOCUMENTS:
        row[name] = orjson.dumps(row[name]).decode()
    for name in _INSTANTS:
        row[name] = sql_instant(datetime.fromisoformat(row[name]))
    return row


def sql_instant(instant: datetime) -> str:
    """An instant as SQLite stores it: UTC, microseconds, no zone.

    >>> sql_instant(datetime(2009, 4, 15, tzinfo=UTC))
    '2009-04-15 00:00:00.000000'
    """
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _insert(connection: sa.Connection, rows: Rows) -> None:
    """Insert into SQLite, many rows a statement."""
    examples = ExamplesOfRows(connection, rows)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        values = tuple(value for row in part for value in _values(row, examples))
        connection.exec_driver_sql(_sqlite_insert(len(part)), values)


def _values(row: dict[str, Any], examples: ExamplesOfRows) -> tuple[Any, ...]:
    written = [row[name] for name in _WRITTEN]
    rollout = map(row.get, _ROLLOUT) if "experiment" in row else _NO_ROLLOUT
    return (*written, *rollout, *examples.of(row), bytes.fromhex(row["vector"]))


@lru_cache(_ROWS_AT_ONCE)
def _sqlite_insert(rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(_COLUMNS))})"] * rows)
    return f"INSERT INTO predictions ({', '.join(_COLUMNS)}) VALUES {values} ON CONFLICT DO NOTHING"


# One pass over each row's text. `value->>'name'` parses the row again for every column, at a sixth of the speed; a COPY
# of columns that Python parses, and an insert from there, is no faster (benchmarks/log_writes.py).
_POSTGRES_TYPES = (
    dict.fromkeys(_WRITTEN + _ROLLOUT + ("example_id", "vector"), "text")
    | dict.fromkeys(_DOCUMENTS, "json")
    | dict.fromkeys(_INSTANTS, "timestamptz")
    | dict.fromkeys(("probability", "threshold", "seconds"), "float8")
    | {"override": "boolean"}
)
_POSTGRES_VALUES = (
    {name: f"rows.{name}" for name in _COLUMNS} | {"vector": "decode(rows.vector, 'hex')"} | POSTGRES_COLUMNS
)
_POSTGRES = (
    f"INSERT INTO predictions ({', '.join(_COLUMNS)}) SELECT {', '.join(_POSTGRES_VALUES[name] for name in _COLUMNS)} "
    "FROM json_to_recordset(CAST(:rows AS json)) AS rows"
    f"({', '.join(f'{name} {kind}' for name, kind in _POSTGRES_TYPES.items())}) "
    f"{POSTGRES_EXAMPLES} ON CONFLICT DO NOTHING"
)
