"""Packed rows in an SQLite file: embedded, write-ahead log, many readers and one writer."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from time import monotonic

from touchline.errors import OnlineStoreUnavailable
from touchline.features.online.base import StoredSize
from touchline.features.vectors.packed_row import STAMPS_AT, STAMPS_LENGTH

_SCHEMA = "CREATE TABLE IF NOT EXISTS packed (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_STAMPS = f"{STAMPS_AT + 1}, {STAMPS_LENGTH}"
_WRITE = (
    "INSERT INTO packed (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value "
    f"WHERE substr(excluded.value, {_STAMPS}) >= substr(value, {_STAMPS}) AND excluded.value != value"
)
_WRITE_METADATA = "INSERT INTO packed (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_FEW = 200
_LOOK_SECONDS = 0.05
_MOST_VARIABLES = 30_000  # SQLite binds at most 32,766


class SqliteOnlineStore:
    """Packed rows in one file, a connection a thread. A write is one transaction: readers see all of it or nothing."""

    def __init__(self, path: str | Path, *, timeout_seconds: float = 10.0) -> None:
        self._path = Path(str(path).removeprefix("sqlite:///"))
        self._timeout_seconds = timeout_seconds
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        try:
            connection = self._reading_connection()
            if len(keys) <= _FEW:
                return list(connection.execute(_select_few(len(keys)), keys).fetchone()) if keys else []
            values: dict[bytes, bytes] = {}
            for start in range(0, len(keys), _MOST_VARIABLES):
                part = keys[start : start + _MOST_VARIABLES]
                values.update(connection.execute(_select(len(part)), part))
            return [values.get(key) for key in keys]
        except sqlite3.Error as wrong:
            raise self._unavailable(wrong) from wrong

    def write(self, rows: Iterable[tuple[bytes, bytes]], metadata: Mapping[bytes, bytes] | None = None) -> int:
        try:
            connection = self._connection()
        except sqlite3.Error as wrong:
            raise self._unavailable(wrong) from wrong
        try:
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            connection.executemany(_WRITE, rows)
            won = connection.total_changes - before
            connection.executemany(_WRITE_METADATA, (metadata or {}).items())
            connection.execute("COMMIT")
        except sqlite3.Error as wrong:
            _roll_back(connection)
            raise self._unavailable(wrong) from wrong
        except BaseException:
            _roll_back(connection)
            raise
        return won

    def delete(self, prefix: bytes) -> int:
        try:
            return self._connection().execute(f"DELETE FROM packed WHERE {_UNDER}", _range(prefix)).rowcount
        except sqlite3.Error as wrong:
            raise self._unavailable(wrong) from wrong

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        try:
            query = f"DELETE FROM packed WHERE key IN ({','.join('?' * len(keys))})"
            return self._connection().execute(query, keys).rowcount
        except sqlite3.Error as wrong:
            raise self._unavailable(wrong) from wrong

    def size(self, prefix: bytes) -> StoredSize:
        query = f"SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM packed WHERE {_UNDER}"
        try:
            return StoredSize(*self._connection().execute(query, _range(prefix)).fetchone())
        except sqlite3.Error as wrong:
            raise self._unavailable(wrong) from wrong

    def find_damage(self) -> str | None:
        """The first damage that SQLite's own check finds; None if the file is sound or absent."""
        try:
            found = self._connection().execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as wrong:
            return str(wrong)
        return None if found == "ok" else str(found)

    def find_faults(self) -> list[str]:
        """None: a file has no settings. `find_damage` looks into it."""
        return []

    def find_losses(self) -> str | None:
        return None

    def set_aside(self) -> Path:
        """Move a damaged file out of the way, with its log; the next use makes a new one."""
        self.close()
        aside = next(place for place in self._asides() if not place.exists())
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        self._path.replace(aside)
        return aside

    def _asides(self) -> Iterator[Path]:
        yield self._path.with_name(f"{self._path.name}.damaged")
        for number in count(2):
            yield self._path.with_name(f"{self._path.name}.damaged.{number}")

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.inode != self._inode():
            # A file that was deleted or replaced would be read on, and nothing new would ever be in it.
            connection = self._local.connection = self._open()
            self._local.inode = self._inode()
            self._opened.append(connection)
        return connection

    def _reading_connection(self) -> sqlite3.Connection:
        """The same for reads, which look at the file only now and then: a look costs as much as a read."""
        now = monotonic()
        if now < getattr(self._local, "looked_until", 0.0):
            connection: sqlite3.Connection = self._local.connection
            return connection
        connection = self._connection()
        self._local.looked_until = now + _LOOK_SECONDS
        return connection

    def _inode(self) -> int:
        try:
            return os.stat(self._path).st_ino  # noqa: PTH116  half the time of Path.stat
        except FileNotFoundError:
            return -1

    def _open(self) -> sqlite3.Connection:
        # Each thread uses its own connection; only close() touches those of others.
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_seconds, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA mmap_size = 268435456")
        connection.execute(_SCHEMA)
        return connection

    def _unavailable(self, wrong: sqlite3.Error) -> OnlineStoreUnavailable:
        is_busy = getattr(wrong, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        return OnlineStoreUnavailable(str(self._path), str(wrong), self._timeout_seconds if is_busy else 0)


_UNDER = "key >= ? AND key < ?"


def _range(prefix: bytes) -> tuple[bytes, bytes]:
    """The keys that begin with `prefix`; ours are text, so none begins with 0xff."""
    return prefix, prefix + b"\xff"


@lru_cache(_FEW)
def _select_few(count: int) -> str:
    """One row with a value a key: without the sorted copy of the keys that SQLite makes for IN, half the time."""
    return f"SELECT {','.join(['(SELECT value FROM packed WHERE key = ?)'] * count)}"


@lru_cache(256)
def _select(count: int) -> str:
    return f"SELECT key, value FROM packed WHERE key IN ({','.join('?' * count)})"


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
