"""The files of an embedded MLflow: their folder may move, and two processes may open it at once.

MLflow stores the absolute address of each file in its database. A home that was moved or copied would read and write
the files of the old place, so these addresses are rewritten when the folder is opened at another place.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

SQLITE: Final = "sqlite:///"
_PLACE: Final = "place.txt"


def adopt_files(database: Path, artifacts: Path) -> int:
    """Rewrite the addresses in MLflow's SQLite database to the folder `artifacts`; the number of rewritten values.

    The folder's own note of its place tells whether it was moved; without a move nothing is read.
    """
    note = artifacts / _PLACE
    place = artifacts.absolute().as_uri()
    before = note.read_text().strip() if note.exists() else None
    if before == place:
        return 0
    with exclusive(artifacts):
        changed = rewrite_addresses(database, before, place) if before is not None and database.exists() else 0
        note.write_text(place + "\n")
    return changed


def database_file(uri: str) -> Path | None:
    """The SQLite file of MLflow's address, which may end in options; None for any other database."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None


def prepare_database(uri: str, make_tables: Callable[[str], None]) -> None:
    """Make MLflow's SQLite database where there is none, whole or not at all.

    It is made under another name: a database that a full disk or a kill left half-made would stop MLflow for ever.
    """
    database = database_file(uri)
    if database is None or _has_tables(database):
        return
    partial = database.with_name(f"{database.name}.partial")
    for path in database.parent.glob(f"{partial.name}*"):
        path.unlink()
    make_tables(uri.replace(str(database), str(partial), 1))
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    partial.replace(database)


def _has_tables(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


@contextmanager
def exclusive(artifacts: Path) -> Iterator[None]:
    """One process at a time: MLflow's first look at a new database makes its tables, and two at once collide."""
    artifacts.mkdir(parents=True, exist_ok=True)
    with (artifacts / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def rewrite_addresses(database: Path, before: str, after: str) -> int:
    """Replace the start of every text in the database that is an address below `before`."""
    changed = 0
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                    changed += connection.execute(
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                        f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                        (after, len(before) + 1, before, len(before) + 1, f"{before}/"),
                    ).rowcount
    return changed
