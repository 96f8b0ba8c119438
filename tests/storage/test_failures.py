"""What goes wrong with a disk, a lock or a server is told in words, and changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, insert, select

from tests.servers import running_postgres
from tests.storage.children import kill, start, wait_for_line
from touchline.errors import BackendUnavailable, DatabaseBusy, TextUnstorable
from touchline.storage import Database, tables, validate_writable

WRITE_FOREVER = """
import sys
from itertools import count
from sqlalchemy import insert
from touchline.storage import Database
from touchline.storage.tables import http_requests
database = Database.open(sys.argv[1])
for n in count(int(sys.argv[2])):
    with database.begin() as connection:
        for source in ("a", "b"):
            row = {"project": "nba", "source": source, "day": str(n), "count": n}
            connection.execute(insert(http_requests), row)
    print(n, flush=True)
"""

# SIGXFSZ ignored, a write past the limit fails as a full disk does.
FILL_THE_DISK = """
import resource, signal, sys
from sqlalchemy import insert
from touchline.errors import DiskFull
from touchline.storage import Database
from touchline.storage.tables import drift_reports
from datetime import datetime, UTC
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
database = Database.open(sys.argv[1])
row = {"id": "1", "project": "nba", "at": datetime.now(UTC), "release_id": "r", "verdict": "x" * 2_000_000}
try:
    with database.begin() as connection:
        connection.execute(insert(drift_reports), row)
except DiskFull as full:
    print(full, flush=True)
"""


def test_a_full_disk_says_so_and_keeps_what_was_there(database: Database) -> None:
    child = start(FILL_THE_DISK, database.url)
    assert wait_for_line(child).startswith("No space left to write the transaction in Database sqlite:////")
    child.communicate()
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.drift_reports)).scalar_one() == 0


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_text_that_no_database_keeps_is_the_fault_of_its_sender(any_database: Database, text: str) -> None:
    if text == "a\0b" and any_database.name.startswith("Database sqlite"):
        return  # it keeps that one
    row = {"project": "nba", "source": text, "day": "1", "count": 1}
    with pytest.raises(TextUnstorable, match="the database cannot keep"), any_database.begin() as connection:
        connection.execute(insert(tables.http_requests), row)


def test_a_database_that_stays_locked_says_how_long_it_waited(database: Database) -> None:
    with closing(sqlite3.connect(str(database.engine.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with database.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=10")
        with pytest.raises(DatabaseBusy, match="held the write lock for more than 30 s"), database.begin():
            pass
        other.execute("ROLLBACK")
    with database.begin() as connection:
        connection.execute(insert(tables.http_requests), {"project": "p", "source": "s", "day": "d", "count": 1})


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "touchline.db").write_text("this is a letter to my grandmother, who keeps it " * 100)
    database = Database.open(f"sqlite:///{tmp_path}/touchline.db")
    with pytest.raises(BackendUnavailable, match=r"touchline.db is not available: file is not a database"):
        database.migrate()
    database.close()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable, match=r"cannot be made \(Not a directory\).*TOUCHLINE_HOME"):
        Database.open(f"sqlite:///{tmp_path}/file/deeper/touchline.db")


def test_a_server_that_is_away_says_where_and_hides_the_password() -> None:
    database = Database.open("postgresql://ann:secret@127.0.0.1:1/nba")
    with pytest.raises(BackendUnavailable, match=r"ann:\*\*\*@127.0.0.1:1/nba is not available.*refused") as failure:
        database.migrate()
    assert "secret" not in str(failure.value)


@pytest.mark.services
def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    database = Database.open(f"{postgres_url}_not")
    with pytest.raises(BackendUnavailable, match="does not exist"):
        database.migrate()


@pytest.mark.services
def test_a_connection_that_the_server_ended_is_made_anew(postgres_url: str, postgres_server: str) -> None:
    database = Database.open(postgres_url)
    database.migrate()
    with psycopg.connect(postgres_server, autocommit=True) as server:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        assert server.execute(ended, [database.engine.url.database]).fetchall()
    assert database.revision() == tables.HEAD
    database.close()


@pytest.mark.services
def test_a_connection_that_ends_within_a_transaction_is_told(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with pytest.raises(BackendUnavailable, match="terminating connection"), database.begin() as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    database.close()


@pytest.mark.services
def test_a_killed_writer_leaves_whole_transactions(any_database: Database) -> None:
    last = 0
    for _ in range(3):
        child = start(WRITE_FOREVER, any_database.url, str(last))
        for _ in range(3):
            committed = int(wait_for_line(child))
        kill(child)
        rows = tables.http_requests
        with any_database.begin() as connection:
            pairs = connection.execute(select(rows.c.count, func.count()).group_by(rows.c.count)).all()
        assert {count for _, count in pairs} == {2}
        last = max(count for count, _ in pairs) + 1
        assert last > committed


@pytest.mark.services
def test_a_standby_and_a_refused_password_are_told_with_the_next_step() -> None:
    with running_postgres(is_standby=True, access="host all locked 127.0.0.1/32 scram-sha-256") as url:
        database = Database.open(url)
        with pytest.raises(BackendUnavailable, match=r"during recovery\. It is a standby: name the primary"):
            database.migrate()
        database.close()
        locked = Database.open(url.replace("touchline@", "locked:a-secret@"))
        with pytest.raises(BackendUnavailable, match="Correct user and password in TOUCHLINE_DATABASE_URL") as refused:
            locked.revision()
        assert "a-secret" not in str(refused.value)
        locked.close()


def test_a_user_who_may_only_read_is_told_so(postgres_url: str) -> None:
    owner = Database.open(postgres_url)
    owner.migrate()
    validate_writable(owner)
    owner.close()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE ROLE only_reads LOGIN IN ROLE pg_read_all_data")
        try:
            reader = Database.open(postgres_url.replace("touchline@", "only_reads@"))
            with pytest.raises(BackendUnavailable, match="Make the user of TOUCHLINE_DATABASE_URL the owner"):
                validate_writable(reader)
            reader.close()
        finally:
            server.execute("DROP ROLE only_reads")
