"""Copy all rows of one metadata database into another, of either kind, and prove that they arrived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, func, insert, select

from touchline.errors import BackupRefused, CopyDiffers
from touchline.storage.database import Database
from touchline.storage.tables import metadata

# Leases belong to processes; those of the other database do not work in this one.
_NOT_COPIED: Final = frozenset({"leases"})
_BATCH_ROWS: Final = 5_000
_MODULUS: Final = 1 << 256


@dataclass(frozen=True)
class TableCopy:
    """One copied table. The digest is of its rows in any order, and the same on both sides."""

    table: str
    rows: int
    digest: str


def copy_tables(
    source: Database, target: Database, *, on_progress: Callable[[str], None] = lambda _: None
) -> list[TableCopy]:
    """Copy every table as it is at one instant, in one transaction of the target.

    Both have this version's schema; the target's tables are empty, or have all these rows and no others, as after an
    earlier copy. Raises `BackupRefused` where they have other rows, and `CopyDiffers`, with nothing copied, where the
    rows that arrived are not those that were read.
    """
    source.require_head()
    target.require_head()
    with source.connect() as original, target.begin() as copy:
        if (there := _compared(original, copy, target)) is not None:
            return there
        copies = []
        for table in _tables():
            on_progress(f"copy {table.name}")
            copies.append(_copy_table(original, copy, table))
    return copies


def count_rows(database: Database) -> dict[str, int]:
    """The number of rows of each copied table."""
    with database.connect() as connection:
        return {table.name: _count(connection, table) for table in _tables()}


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in _NOT_COPIED]


def require_empty_or_copy(source: Database, target: Database) -> None:
    """Raise `BackupRefused` where `copy_tables` would refuse the target for the rows that it has."""
    with source.connect() as original, target.connect() as copy:
        _compared(original, copy, target)


def _compared(original: Connection, copy: Connection, target: Database) -> list[TableCopy] | None:
    """The tables of the target where it has all rows of the source and no others; None where it is empty."""
    if not any(_count(copy, table) for table in _tables()):
        return None
    pairs = [(_digest(original, table), _digest(copy, table)) for table in _tables()]
    if differing := [(expected, actual) for expected, actual in pairs if expected != actual]:
        counts = ", ".join(f"{actual.table} {actual.rows:,} and {expected.rows:,}" for expected, actual in differing)
        raise BackupRefused(
            f"{target.name} has rows already, and they are not those of this home (rows there and here: {counts}): two "
            "homes would be mixed. Name an empty database. If it is the copy of an earlier `touchline migrate`, one of "
            "them was used since then: go on with that one."
        )
    return [actual for _, actual in pairs]


def _count(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _copy_table(original: Connection, copy: Connection, table: Table) -> TableCopy:
    def write(rows: Sequence[Row[Any]]) -> None:
        copy.execute(insert(table), [dict(row._mapping) for row in rows])

    expected, actual = _digest(original, table, write), _digest(copy, table)
    if actual != expected:
        raise CopyDiffers(f"table {table.name}", str(actual), str(expected))
    return expected


def _digest(
    connection: Connection, table: Table, on_rows: Callable[[Sequence[Row[Any]]], None] = lambda _: None
) -> TableCopy:
    """The rows and digest of a table. The hashes of rows are added: both databases may sort them otherwise."""
    count, total = 0, 0
    result = connection.execute(select(table), execution_options={"stream_results": True})
    for rows in result.partitions(_BATCH_ROWS):
        on_rows(rows)
        count += len(rows)
        for row in rows:
            text = json.dumps(list(row), sort_keys=True, ensure_ascii=False, default=_as_text)
            total = (total + int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")) % _MODULUS
    return TableCopy(table.name, count, f"{total:064x}")


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else bytes(value).hex()
