"""The metadata database: SQLite in one file, or PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, create_engine
from sqlalchemy.engine import URL, make_url

from touchline.errors import (
    BackendUnavailable,
    DatabaseAhead,
    DatabaseBehind,
    InvalidSetting,
    MissingDependency,
    TextUnstorable,
)
from touchline.storage import postgres, sqlite
from touchline.storage.change_watch import ChangeWatch
from touchline.storage.driver_errors import storage_failure
from touchline.storage.sightings import Sightings
from touchline.storage.sqlite import sqlite_damage
from touchline.storage.tables import HEAD
from touchline.storage.unchanging_rows import UnchangingRows

_DIALECTS = {"sqlite": sqlite, "postgresql": postgres}


class Database:
    """One metadata database, opened; `migrate()` makes its tables.

    Writers take turns on both databases, so what is read inside `begin()` still holds when it commits.
    A read is a consistent picture and can never write.

    >>> from tempfile import TemporaryDirectory
    >>> from touchline.storage.tables import clocks
    >>> with TemporaryDirectory() as folder:
    ...     database = Database.open(f"sqlite:///{folder}/touchline.db")
    ...     database.migrate()
    ...     with database.connect() as connection:
    ...         rows = connection.execute(clocks.select()).all()
    ...     database.close()
    >>> rows
    []
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._file: tuple[int, int] | None = None
        self._dialect = _DIALECTS[engine.dialect.name]
        self.lease_sightings = Sightings()
        self.unchanging_rows = UnchangingRows()

    @classmethod
    def open(cls, url: str, *, is_flushed: bool = True) -> Database:
        """The database at `url`; the folder of a SQLite file is made, its tables are not.

        Unless `is_flushed`, a commit to SQLite does not wait for the disk: it survives a kill, but no power cut.
        """
        parsed = _checked_url(url)
        dialect = _DIALECTS[parsed.get_backend_name()]
        try:
            engine = create_engine(
                parsed, json_serializer=_strict_json, hide_parameters=True, **dialect.engine_options()
            )
        except ModuleNotFoundError as missing:
            raise MissingDependency("PostgreSQL", missing.name or "psycopg", ["postgres"]) from missing
        dialect.prepare(engine, is_flushed=is_flushed)
        return cls(engine)

    @property
    def url(self) -> str:
        """The address with its password: for handing on, not for printing."""
        return self.engine.url.render_as_string(hide_password=False)

    @property
    def name(self) -> str:
        """The address without its password, for messages."""
        return f"Database {self.engine.url.render_as_string(hide_password=True)}"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: waits for its turn, commits at the end, undoes all if the block raises.

        Raises `DatabaseBusy` when the turn does not come, `DiskFull`, or `BackendUnavailable`.
        """
        with self._failures_named(is_write=True), self.engine.connect() as plain:
            connection = plain.execution_options(**self._dialect.WRITE)
            with connection.begin():
                self._dialect.wait_for_turn(connection)
                yield connection

    @contextmanager
    def append(self) -> Iterator[Connection]:
        """A write transaction for rows that depend on nothing stored; on PostgreSQL it waits for nobody."""
        with self._failures_named(is_write=True), self.engine.connect() as plain:
            connection = plain.execution_options(**self._dialect.WRITE)
            with connection.begin():
                yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A read: one consistent picture; a write in it is refused."""
        with self._failures_named(is_write=False), self.engine.connect() as plain:
            yield plain.execution_options(**self._dialect.READ)

    def migrate(self) -> None:
        """Bring the tables to this version's schema; safe when several processes start at once.

        Raises `DatabaseAhead`, having changed nothing, when a newer touchline wrote the database.
        """
        if self.revision() == HEAD:
            return
        # Alembic costs a second to import: only a database that is not at head pays it.
        from touchline.storage.migrate import upgrade

        with self.begin() as connection:
            upgrade(connection, name=self.name)

    def find_damage(self) -> str | None:
        """The first damage that SQLite's own check finds; None if there is none. PostgreSQL checks its own pages."""
        path = self.engine.url.database
        return sqlite_damage(Path(path)) if self.engine.dialect.name == "sqlite" and path else None

    def require_head(self) -> None:
        """Raise `DatabaseBehind` or `DatabaseAhead` unless the tables are this version's."""
        found = self.revision()
        if found == HEAD:
            return
        from touchline.storage.migrate import known_revisions

        if found is None or found in known_revisions():
            raise DatabaseBehind(self.name, found, HEAD)
        raise DatabaseAhead(self.name, found, HEAD)

    def revision(self) -> str | None:
        """The schema that the database has; None for an empty one."""
        with self.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            return None if found is None else str(found)

    def watch(self, *tables: Table) -> ChangeWatch:
        """Says for one reader whether rows may have come to these tables, whose rows are only added, since it read."""
        return ChangeWatch(self._dialect.row_counter(self.engine, tables))

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def _validate_file(self) -> None:
        """Raise `BackendUnavailable` where the file was deleted or replaced: writes to it would be lost."""
        current = self._dialect.file_identity(self.engine)
        if self._file is None:
            self._file = current
        elif current != self._file:
            step = "Restore it from a backup if it is gone, then start touchline again."
            raise BackendUnavailable(self.name, "its file was deleted or replaced while it was open", step)

    @contextmanager
    def _failures_named(self, *, is_write: bool) -> Iterator[None]:
        self._validate_file()
        try:
            yield
        except sqlalchemy.exc.DBAPIError as failure:
            named = storage_failure(failure, self.name, is_write=is_write)
            if named is None:
                raise
            raise named from failure
        except UnicodeEncodeError as failure:
            raise TextUnstorable("half of a character (a lone surrogate)") from failure


def validate_writable(database: Database) -> None:
    """Raise `BackendUnavailable` where the database takes no write: a standby, a file of another user."""
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")


def _checked_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except sqlalchemy.exc.ArgumentError as wrong:
        raise InvalidSetting("TOUCHLINE_DATABASE_URL", "not a database address", _EXAMPLES) from wrong
    kind = parsed.get_backend_name()
    if kind == "postgres":  # the spelling that hosting providers hand out
        parsed, kind = parsed.set(drivername="postgresql"), "postgresql"
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise InvalidSetting("TOUCHLINE_DATABASE_URL", f"for {kind!r}", _EXAMPLES)
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidSetting("TOUCHLINE_DATABASE_URL", "a database in memory", _EXAMPLES)
    return parsed.set(database=str(Path(parsed.database).absolute()))


_EXAMPLES = "it must read sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


def _strict_json(value: Any) -> str:
    # NaN is not JSON: PostgreSQL refuses it, so SQLite must not take it either.
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
