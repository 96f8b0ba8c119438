"""SQLite for several processes: WAL, one writer at a time, waiting instead of failing."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, event

from touchline.errors import BackendUnavailable
from touchline.storage.driver_errors import BUSY_SECONDS

WRITE: dict[str, Any] = {"touchline_write": True}
READ: dict[str, Any] = {"touchline_write": False}


def engine_options() -> dict[str, Any]:
    return {"connect_args": {"timeout": BUSY_SECONDS}}


def prepare(engine: Engine, *, is_flushed: bool) -> None:
    """Make the file's folder and set up each new connection; commits wait for the disk only where `is_flushed`."""
    folder = Path(str(engine.url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise BackendUnavailable(
            f"Folder {folder}",
            f"it cannot be made ({refused.strerror})",
            "Set TOUCHLINE_HOME to a folder you can write.",
        ) from refused
    event.listen(engine, "connect", _set_up if is_flushed else _set_up_without_flush)
    event.listen(engine, "begin", _begin)


def sqlite_damage(path: Path) -> str | None:
    """The first damage that SQLite's own check finds in a file; None if it is sound."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as wrong:
        return str(wrong)
    return None if found == "ok" else " ".join(found.split())


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite database; None for a server."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as it is at one instant, while others write to it (SQLite's online backup).

    The copy is one file: nothing of it lies in a log beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
    fold_log(target)


def fold_log(path: Path) -> None:
    """Write what lies in the log of a database that nobody has open into its file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """Device and inode of the database file; None while there is none."""
    try:
        status = os.stat(str(engine.url.database))  # noqa: PTH116  half the time of Path.stat, before every transaction
    except OSError:
        return None
    return status.st_dev, status.st_ino


def wait_for_turn(connection: Connection) -> None:
    """BEGIN IMMEDIATE has waited already."""


def row_counter(engine: Engine, tables: Sequence[Table]) -> Callable[[], Hashable]:
    """A function whose result differs after anybody has added rows to these tables, for some microseconds a call.

    `PRAGMA data_version` of a connection grows with the commits of all others, those of other processes included.
    Predictions are committed several times a second, so after a commit the newest row of each table decides.
    """
    connection = sqlite3.connect(str(engine.url.database), check_same_thread=False)
    newest = ", ".join(f"(SELECT max(rowid) FROM {table.name})" for table in tables)
    identity = file_identity(engine)
    version, rows = -1, ()

    def read() -> Hashable:
        nonlocal version, rows
        if file_identity(engine) != identity:
            return None  # deleted or replaced: whoever reads it now is told so
        now = connection.execute("PRAGMA data_version").fetchone()[0]
        if now != version:
            rows = connection.execute(f"SELECT {newest}").fetchone()  # the names are those of our own tables
            version = now
        return rows

    return read


def _set_up(dbapi_connection: Any, _record: object) -> None:
    # The driver must not start transactions by itself: its deferred BEGIN fails half-way when two writers meet.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    _switch_to_wal(cursor)
    # FULL: a promotion or an acknowledged prediction survives a power cut, for one fsync a commit. NORMAL would not.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _set_up_without_flush(dbapi_connection: Any, record: object) -> None:
    _set_up(dbapi_connection, record)
    dbapi_connection.execute("PRAGMA synchronous=OFF")


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Have readers and the writer not wait for each other; the file remembers it."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as failure:
            # This one statement does not wait when two processes meet on a new file.
            if failure.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("touchline_write", True)
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if is_write else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
