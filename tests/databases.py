"""A database with all tables for a test, without what making them costs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from touchline.storage import Database


@cache
def empty_database() -> bytes:
    """A database with all tables, made once a process: Alembic takes a second."""
    with TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/touchline.db")
        database.migrate()
        with database.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        return (Path(folder) / "touchline.db").read_bytes()


def a_database(folder: Path) -> Database:
    """The database of a folder, with all tables."""
    path = folder / "touchline.db"
    if not path.exists():
        path.write_bytes(empty_database())
    return Database.open(f"sqlite:///{path}")
