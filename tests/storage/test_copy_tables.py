"""All rows of one database are copied into another of either kind, and counted and hashed on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.predictions.builders import a_row, write_rows
from touchline.errors import BackupRefused
from touchline.storage import Database, copy_tables
from touchline.storage.tables import clocks, outcomes, predictions
from touchline.storage.ulids import ulid_at

AT = datetime(2024, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
LABELS = ["yes", 7, 0.1, False, {"ü": [1, "\N{SNOWMAN}"]}]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/other/touchline.db")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def server(postgres_url: str) -> Iterator[Database]:
    opened = Database.open(postgres_url)
    opened.migrate()
    yield opened
    opened.close()


def _fill(database: Database) -> None:
    rows = [a_row(ulid_at(AT + timedelta(days=day)), views={"v": [day, 0.1 + 0.2]}) for day in range(70)]
    write_rows(database, rows)
    zone = timezone(timedelta(hours=5))
    with database.begin() as connection:
        connection.execute(clocks.insert().values(project="shop", instant=AT.astimezone(zone)))
        for revision, label in enumerate(LABELS):
            row = {"project": "shop", "example_id": "e", "revision": revision, "label": label, "source": "api"}
            connection.execute(outcomes.insert().values(**row, label_timestamp=AT, received_at=AT))


def _content(database: Database) -> list[list[tuple[object, ...]]]:
    with database.connect() as connection:
        return [
            sorted(map(tuple, connection.execute(sa.select(table)).all()), key=repr)
            for table in (predictions, clocks, outcomes)
        ]


def test_rows_travel_from_sqlite_to_postgres_and_back(database: Database, server: Database, other: Database) -> None:
    _fill(database)
    there = copy_tables(database, server)
    back = copy_tables(server, other)
    assert there == back
    assert {one.table: one.rows for one in there if one.rows} == {"predictions": 70, "clocks": 1, "outcomes": 5}
    assert _content(other) == _content(database) == _content(server)


def test_a_database_that_has_rows_is_never_mixed_with_another(database: Database, other: Database) -> None:
    _fill(database)
    _fill(other)
    with other.begin() as connection:
        connection.execute(clocks.update().values(instant=AT + timedelta(days=1)))
        connection.execute(outcomes.delete().where(outcomes.c.revision == 0))
    before = _content(other)
    with pytest.raises(
        BackupRefused,
        match=r"\(rows there and here: clocks 1 and 1, outcomes 4 and 5, predictions 70 and 70\): two homes would",
    ):
        copy_tables(database, other)
    assert _content(other) == before


def test_a_copy_that_is_there_already_is_compared_and_stays(database: Database, server: Database) -> None:
    _fill(database)
    first = copy_tables(database, server)
    before = _content(server)
    assert copy_tables(database, server) == first
    assert _content(server) == before
