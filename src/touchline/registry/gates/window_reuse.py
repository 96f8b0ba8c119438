"""The number of evaluations on each test window: every further evaluation makes the evidence weaker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from touchline.registry.journal.versions import ModelVersion
from touchline.storage import Database, tables

# Two windows are the same when they share more than this part of their span.
_SAME_SHARE: Final = 0.5
_VERSION: Final = "version:"


def count_look(database: Database, version: ModelVersion, frame: pl.DataFrame) -> int:
    """The number of versions evaluated on this test window so far, this one included. A version counts once.

    Windows that share more than half of their span are one window: moving a window by a week does not
    make its rows fresh. Rows without time are one window altogether.
    """
    window = _window_key(frame)
    while True:
        try:
            with database.begin() as connection:
                return _look(connection, version, window)
        except IntegrityError:
            # Another process wrote the same row in between: read again.
            continue


def _look(connection: Connection, version: ModelVersion, window: str) -> int:
    table = tables.test_looks
    mine = f"{_VERSION}{version.version}:{window}"
    found = select(table.c.window_key, table.c.looks).where(table.c.project == version.project)
    # Of two versions that look at one window at once, the second waits and counts the first (SQLite has one writer).
    known: dict[str, int] = {row.window_key: row.looks for row in connection.execute(found.with_for_update())}
    if mine in known:
        return known[mine]
    earlier = sum(looks for key, looks in known.items() if not key.startswith(_VERSION) and _is_same(key, window))
    _add(connection, version.project, window, known.get(window, 0))
    connection.execute(insert(table).values(project=version.project, window_key=mine, looks=earlier + 1))
    return earlier + 1


def _add(connection: Connection, project: str, window: str, looks: int) -> None:
    table = tables.test_looks
    if looks:
        where = (table.c.project == project) & (table.c.window_key == window)
        connection.execute(update(table).where(where).values(looks=looks + 1))
    else:
        connection.execute(insert(table).values(project=project, window_key=window, looks=1))


def _window_key(frame: pl.DataFrame) -> str:
    """`from/to` of the test rows' cutoffs."""
    cutoffs = frame["cutoff"]
    first, last = cutoffs.min(), cutoffs.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return "/"
    return f"{first.astimezone(UTC).isoformat()}/{last.astimezone(UTC).isoformat()}"


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    if "/" in (one, other):
        return False
    (a, b), (c, d) = (_ends(one), _ends(other))
    shared = (min(b, d) - max(a, c)).total_seconds()
    span = (d - c).total_seconds()
    return shared >= 0 if span == 0 else shared / span > _SAME_SHARE


def _ends(window: str) -> tuple[datetime, datetime]:
    first, last = window.split("/")
    return datetime.fromisoformat(first), datetime.fromisoformat(last)
