"""Sources where teams have them: new rows of a SQL table alone, and a version of a Delta table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import psycopg
import pytest

from tests.ingest.builders import House, a_source, day
from touchline.ingest import DeltaTable, SqlTable

NOW = day(1, month=6)
ROWS = [("a", "2020-01-01T00:00:00Z", "x", 1), ("b", "2020-01-02T00:00:00Z", "y", 2)]


def _insert(database: Path, rows: list[tuple[str, str, str, int]]) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS games (game_id TEXT, tipoff TEXT, venue TEXT, points INTEGER)")
        connection.executemany("INSERT INTO games VALUES (?, ?, ?, ?)", rows)


def test_only_rows_from_the_newest_stored_value_on_are_read(house: House, tmp_path: Path) -> None:
    database = tmp_path / "games.db"
    _insert(database, ROWS)
    source = a_source(provider=SqlTable(url=f"sqlite:///{database}", table="games", incremental_on="points"))
    assert house.ingest(source, now=NOW).manifest.rows_in == 2
    _insert(database, [("c", "2020-01-03T00:00:00Z", "z", 2), ("d", "2020-01-04T00:00:00Z", "z", 5)])
    assert house.ingest(source, now=NOW).manifest.rows_in == 3  # b again, since c has the same value
    assert [row[0] for row in house.versions()] == ["a", "b", "c", "d"]


def test_an_instant_of_postgres_is_compared_as_one(house: House, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as server:
        server.execute("CREATE TABLE games (game_id text, tipoff timestamptz, venue text, points bigint)")
        server.cursor().executemany("INSERT INTO games VALUES (%s, %s, %s, %s)", ROWS)
        server.commit()
        source = a_source(provider=SqlTable(url=postgres_url, table="public.games", incremental_on="tipoff"))
        assert house.ingest(source, now=NOW).manifest.rows_in == 2
        server.execute("INSERT INTO games VALUES ('c', '2020-01-03T02:00:00+02', 'z', 3)")
        server.commit()
        assert house.ingest(source, now=NOW).manifest.rows_in == 2
    assert [row[0] for row in house.versions()] == ["a", "b", "c"]


@pytest.mark.skipif(find_spec("deltalake") is None, reason="pip install 'touchline[delta]'")
def test_a_version_of_a_delta_table_is_read(house: House, tmp_path: Path) -> None:
    import deltalake

    folder = str(tmp_path / "lake")
    frame = pl.DataFrame(ROWS, schema=["game_id", "tipoff", "venue", "points"], orient="row")
    deltalake.write_deltalake(folder, frame.head(1).to_arrow())
    deltalake.write_deltalake(folder, frame.tail(1).to_arrow(), mode="append")
    assert house.ingest(a_source(provider=DeltaTable(folder, version=0)), now=NOW).manifest.rows_in == 1
    report = house.ingest(a_source(provider=DeltaTable(folder)), now=NOW)
    assert report.manifest.rows_in == 2
    assert [row[:3] for row in house.versions()] == [("a", "x", 1), ("b", "y", 2)]
