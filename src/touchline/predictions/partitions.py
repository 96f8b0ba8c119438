"""The prediction log by month on PostgreSQL: old months are dropped as whole tables, and no index spans more.

Ids sort by their time, so a month is a range of ids, and a query by id reads one partition. Rows of a month without
a partition are in the default partition. SQLite has one table.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from touchline.errors import TouchlineError
from touchline.storage import Database
from touchline.storage.ulids import first_ulid_letters, ulid_instant

_log = logging.getLogger("touchline.predictions.writer")
_TABLE = "predictions"
_MONTH = re.compile(rf"{_TABLE}_(\d{{4}})_(\d{{2}})")
_ID = b'"prediction_id":"'
_ID_LETTERS = 26
_DAY_LETTERS = 5  # of an id: its first 25 bits of time, some 9 hours
_MONTHS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    f"WHERE i.inhparent = '{_TABLE}'::regclass ORDER BY c.relname"
)


class MonthPartitions:
    """Creates the partitions that new rows need."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[datetime] = set()

    def create_for(self, prediction_ids: Iterable[str]) -> None:
        """Create the months of these ids, before rows go to the default partition."""
        for month in sorted({_month_of(ulid_instant(one)) for one in prediction_ids}):
            self._create(month)

    def prepare(self, lines: Sequence[bytes]) -> None:
        """Create the months of the first and the last of these rows, if they do not exist."""
        ids = _ids(lines)
        for one in {min(ids), max(ids)}:
            with suppress(ValueError):  # no ULID: its row goes to the default partition
                month = _month_of(ulid_instant(one.decode()))
                if month not in self._known:
                    self._create(month)
                    self._known.add(month)

    def _create(self, month: datetime) -> None:
        name, start, end = _name(month), first_ulid_letters(month), first_ulid_letters(_next(month))
        # A table that is created first and attached then blocks no reads or writes of other months.
        create = f"CREATE TABLE {name} (LIKE {_TABLE} INCLUDING ALL)"
        attach = f"ALTER TABLE {_TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
        try:
            with self._database.begin() as connection:
                if connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": name}).scalar() is None:
                    connection.exec_driver_sql(create)
                    connection.exec_driver_sql(attach)
        except sa.exc.IntegrityError:
            _log.warning("no partition %s: the default partition has rows of that month already", name)


def first_id(lines: Sequence[bytes]) -> str:
    """The least id of some rows of the log."""
    return min(_ids(lines)).decode()


def _ids(lines: Sequence[bytes]) -> list[bytes]:
    starts = [line.find(_ID) + len(_ID) for line in lines]
    return [line[start : start + _ID_LETTERS] for line, start in zip(lines, starts, strict=True)]


def prepare_months(source: Database, target: Database) -> None:
    """Give a PostgreSQL database the months of the predictions that another database has."""
    if target.engine.dialect.name != "postgresql":
        return
    months = sa.text(f"SELECT min(prediction_id) FROM {_TABLE} GROUP BY substr(prediction_id, 1, :letters)")
    with source.connect() as connection:
        ids = list(connection.execute(months, {"letters": _DAY_LETTERS}).scalars())
    MonthPartitions(target).create_for(ids)


def drop_empty_months(database: Database, *, before: datetime) -> list[str]:
    """Drop months that ended before an instant and have no row of any project; their names.

    A month that is locked stays until the next time.
    """
    if database.engine.dialect.name != "postgresql":
        return []
    with database.connect() as connection:
        names = [str(name) for name in connection.exec_driver_sql(_MONTHS).scalars()]
    return [name for name in names if _ended(name, before) and _drop_if_empty(database, name)]


def _drop_if_empty(database: Database, name: str) -> bool:
    with suppress(TouchlineError), database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        connection.exec_driver_sql(f"LOCK TABLE {_TABLE} IN ACCESS EXCLUSIVE MODE")
        if not connection.exec_driver_sql(f"SELECT EXISTS (SELECT 1 FROM {name})").scalar():
            connection.exec_driver_sql(f"DROP TABLE {name}")
            return True
    return False


def _ended(name: str, before: datetime) -> bool:
    match = _MONTH.fullmatch(name)
    return match is not None and _next(datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)) <= before


def _month_of(instant: datetime) -> datetime:
    return datetime(instant.year, instant.month, 1, tzinfo=UTC)


def _next(month: datetime) -> datetime:
    return _month_of(month + timedelta(days=31))


def _name(month: datetime) -> str:
    return f"{_TABLE}_{month:%Y_%m}"
