from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from tests.storage.children import finish, start
from touchline.errors import BackendUnavailable, InvalidSetting
from touchline.storage import Database, sqlite_damage, tables

NOON = datetime(2009, 4, 15, 12, 0, 0, 1, tzinfo=UTC)

COUNT_UP = """
import sys
from sqlalchemy import select, update
from touchline.storage import Database
from touchline.storage.tables import http_requests
database = Database.open(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with database.begin() as connection:
        count = connection.execute(select(http_requests.c.count)).scalar_one()
        connection.execute(update(http_requests).values(count=count + 1))
database.close()
"""


def a_request_count(count: int) -> dict[str, Any]:
    return {"project": "nba", "source": "games", "day": "2009-04-15", "count": count}


def a_report(verdict: object, at: datetime = NOON) -> dict[str, Any]:
    return {"id": "1", "project": "nba", "at": at, "release_id": "r", "verdict": verdict}


def _is_in_utc_range(at: datetime) -> bool:
    try:
        return at.astimezone(UTC).year > 0
    except OverflowError:
        return False


def a_row(table: Table) -> dict[str, Any]:
    """A value of every column, by its type."""
    values = {
        "Text": "ü 'quoted' \\ \n 🏟",
        "Instant": NOON,
        "BigInteger": 2**53 + 1,
        "Double": 0.1 + 0.2,
        "Boolean": True,
        "LargeBinary": b"\x00\xff",
        "JSON": {"nested": [1, 0.5, None, "ü"]},
    }
    return {column.name: values[type(column.type).__name__] for column in table.columns}


@pytest.mark.parametrize(
    "table", [t for t in tables.metadata.sorted_tables if not t.foreign_keys], ids=lambda t: t.name
)
def test_what_is_written_to_a_table_is_what_is_read(database: Database, table: Table) -> None:
    with database.begin() as connection:
        connection.execute(insert(table), a_row(table))
    with database.connect() as connection:
        assert connection.execute(select(table)).mappings().one() == a_row(table)


def test_both_databases_keep_every_type_of_value(any_database: Database) -> None:
    for table in (tables.predictions, tables.stage_changes, tables.drift_reports):
        with any_database.begin() as connection:
            connection.execute(insert(table), a_row(table))
        with any_database.connect() as connection:
            assert connection.execute(select(table)).mappings().one() == a_row(table)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(at=st.datetimes(timezones=st.timezones()).filter(_is_in_utc_range))
def test_an_instant_comes_back_in_utc_to_the_microsecond(database: Database, at: datetime) -> None:
    with database.begin() as connection:
        connection.execute(delete(tables.clocks))
        connection.execute(insert(tables.clocks), {"project": "nba", "instant": at})
    with database.connect() as connection:
        found = connection.execute(select(tables.clocks.c.instant)).scalar_one()
    # Not `found == at`: Python calls local times that a clock change makes ambiguous unequal to all others.
    assert found == at.astimezone(UTC)
    assert found.tzinfo is UTC


def test_instants_of_different_zones_compare_as_instants(any_database: Database) -> None:
    east = timezone(timedelta(hours=9))
    with any_database.begin() as connection:
        connection.execute(insert(tables.clocks), {"project": "early", "instant": NOON.astimezone(east)})
        connection.execute(insert(tables.clocks), {"project": "late", "instant": NOON + timedelta(microseconds=1)})
    with any_database.connect() as connection:
        found = connection.execute(select(tables.clocks.c.project).where(tables.clocks.c.instant <= NOON)).scalars()
        assert found.all() == ["early"]


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="an instant needs a time zone"), database.begin() as connection:
        connection.execute(insert(tables.clocks), {"project": "nba", "instant": NOON.replace(tzinfo=None)})


def test_nan_is_not_json_on_any_database(any_database: Database) -> None:
    with pytest.raises((ValueError, StatementError), match="not JSON compliant"), any_database.begin() as connection:
        connection.execute(insert(tables.drift_reports), a_report({"psi": float("nan")}))


def test_a_json_value_of_none_is_null(any_database: Database) -> None:
    with pytest.raises(IntegrityError), any_database.begin() as connection:
        connection.execute(insert(tables.drift_reports), a_report(None))


def test_a_block_that_raises_leaves_nothing(any_database: Database) -> None:
    def write_and_fail() -> None:
        with any_database.begin() as connection:
            connection.execute(insert(tables.http_requests), a_request_count(1))
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_and_fail()
    with any_database.connect() as connection:
        assert connection.execute(select(tables.http_requests)).all() == []


def test_a_read_can_not_write(any_database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), any_database.connect() as connection:
        connection.execute(insert(tables.http_requests), a_request_count(1))


def test_a_read_is_one_picture_while_others_write(any_database: Database) -> None:
    count = select(tables.http_requests.c.count)
    with any_database.begin() as connection:
        connection.execute(insert(tables.http_requests), a_request_count(1))
    with any_database.connect() as reader:
        assert reader.execute(count).scalar_one() == 1
        with any_database.begin() as writer:
            writer.execute(update(tables.http_requests).values(count=2))
        assert reader.execute(count).scalar_one() == 1


def test_a_write_after_a_read_on_the_same_pool_is_allowed(any_database: Database) -> None:
    with any_database.connect() as connection:
        connection.execute(select(tables.http_requests)).all()
    with any_database.append() as connection:
        connection.execute(insert(tables.http_requests), a_request_count(1))


@pytest.mark.services
def test_no_count_is_lost_between_processes(any_database: Database) -> None:
    with any_database.begin() as connection:
        connection.execute(insert(tables.http_requests), a_request_count(0))
    for child in [start(COUNT_UP, any_database.url, "25") for _ in range(4)]:
        finish(child)
    with any_database.connect() as connection:
        assert connection.execute(select(tables.http_requests.c.count)).scalar_one() == 100


@pytest.mark.parametrize("url", ["mysql://here/x", "not a url", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_is_neither_kind_says_what_it_must_read(url: str) -> None:
    with pytest.raises(InvalidSetting, match="must read sqlite:///FILE or postgresql://"):
        Database.open(url)


def test_a_password_is_not_told() -> None:
    database = Database.open("postgres://ann:secret@localhost:1/nba")
    assert "secret" not in database.name
    assert "secret" in database.url


@pytest.mark.parametrize("name", ["plain.db", "a #1 50% of it?.db"])
def test_a_damaged_file_is_told_from_a_sound_one_whatever_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
        connection.commit()
    assert sqlite_damage(file) is None
    data = bytearray(file.read_bytes())
    data[5000:9000] = b"garbage " * 500
    file.write_bytes(data)
    assert sqlite_damage(file) is not None


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_a_file_that_goes_away_while_it_is_open_takes_no_more_writes(tmp_path: Path, change: str) -> None:
    """SQLite writes on into a deleted file: everything since then would be lost without a word."""
    file = tmp_path / "touchline.db"
    database = Database.open(f"sqlite:///{file}")
    database.migrate()
    watch = database.watch(tables.http_requests)
    if change == "replaced":
        (tmp_path / "backup.db").write_bytes(file.read_bytes())
        (tmp_path / "backup.db").replace(file)
    else:
        file.unlink()
    for transaction in (database.begin, database.append, database.connect):
        with pytest.raises(BackendUnavailable, match="deleted or replaced while it was open"), transaction():
            pytest.fail("the transaction began")
    assert watch is not None
    database.close()


def test_a_read_only_file_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "touchline.db"
    database = Database.open(f"sqlite:///{file}")
    database.migrate()
    database.close()
    read_only = Database.open(f"sqlite:///{file}")

    def write() -> None:
        with read_only.begin() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")  # as on a file system that is mounted to be read
            connection.execute(insert(tables.http_requests).values({**a_request_count(1), "project": "s3cret"}))

    with pytest.raises(BackendUnavailable, match="writable for this user") as raised:
        write()
    assert "s3cret" not in str(raised.value)
    read_only.close()


def test_a_database_of_scratch_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    flushed, scratch = (
        Database.open(f"sqlite:///{tmp_path}/{name}.db", is_flushed=is_flushed)
        for name, is_flushed in (("flushed", True), ("scratch", False))
    )
    for database, level in ((flushed, 2), (scratch, 0)):  # FULL and OFF
        with database.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        database.close()
