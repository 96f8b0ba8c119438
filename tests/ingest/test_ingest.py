from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tests.ingest.builders import PROJECT, Game, House, a_game, a_source, day, frame
from touchline.errors import ColumnRetyped, LeaseHeld, SnapshotNotFound
from touchline.ingest import CsvFiles, FrameProvider, ParquetFiles, SqlTable, content_hash, read_log
from touchline.ingest.snapshots import list_snapshots, snapshot_hash
from touchline.storage import Database

NOW = day(1, month=6)
CSV = "game_id,tipoff,venue,points\na,2020-01-01T00:00:00Z,x,1\nb,2020-01-02T00:00:00Z,,2\n"


def test_the_same_bytes_twice_make_one_snapshot_and_two_log_lines(house: House, tmp_path: Path) -> None:
    file = tmp_path / "games.csv"
    file.write_text(CSV)
    source = a_source(provider=CsvFiles(file))
    first, second = house.ingest(source, now=NOW), house.ingest(source, now=NOW)
    assert (first.status, second.status, second.message) == ("new", "unchanged", "nothing new")
    assert first.snapshot == second.snapshot
    assert len(list_snapshots(PROJECT, "games", house.database)) == 1
    assert [line.status for line in read_log(house.database, PROJECT)] == ["unchanged", "new"]


def test_an_unchanged_file_is_hashed_and_not_read(house: House, tmp_path: Path) -> None:
    file, reads = tmp_path / "games.csv", []

    def prepare(table: pl.DataFrame) -> pl.DataFrame:
        reads.append(table.height)
        return table

    source = a_source(provider=CsvFiles(file, prepare=prepare))
    file.write_text(CSV)
    statuses = [house.ingest(source, now=NOW).status for _ in range(3)]
    assert (statuses, reads) == (["new", "unchanged", "unchanged"], [2])
    file.write_text(CSV.replace("x,1", "x,7"))
    assert house.ingest(source, now=NOW).status == "new"
    assert reads == [2, 2]


def test_the_same_rows_from_another_kind_of_file_are_the_same_snapshot(house: House, tmp_path: Path) -> None:
    (tmp_path / "games.csv").write_text(CSV)
    first = house.ingest(a_source(provider=CsvFiles(tmp_path / "games.csv")), now=NOW)
    frame([a_game("b", day(2), venue=None, points=2), a_game("a")]).write_parquet(tmp_path / "games.parquet")
    second = house.ingest(a_source(provider=ParquetFiles(tmp_path / "games.parquet")), now=NOW)
    assert (second.status, second.snapshot_hash) == ("unchanged", first.snapshot_hash)


def test_a_manifest_says_what_was_read_and_what_became_of_it(house: House, tmp_path: Path) -> None:
    file = tmp_path / "games.csv"
    file.write_text(CSV + "c,2020-01-03T00:00:00Z,x,-5\n")
    report = house.ingest(a_source(provider=CsvFiles(file), max_rejected_share=0.5), now=NOW)
    manifest = report.manifest
    digest = sha256(file.read_bytes()).hexdigest()
    assert (manifest.rows_in, manifest.accepted, manifest.rejected, manifest.added) == (3, 2, 1, 2)
    assert (manifest.raw_hash, manifest.files[0].name, manifest.files[0].sha256) == (digest, "games.csv", digest)
    assert manifest.snapshot_hash == report.snapshot.hash
    assert house.stores.objects.read(f"{PROJECT}/raw/{digest}") == file.read_bytes()
    assert read_log(house.database, PROJECT) == [manifest]


def test_a_snapshot_is_named_by_its_content_and_each_row_knows_its_ingest(house: House) -> None:
    first = house.take([a_game("a")], now=NOW)
    second = house.take([a_game("b")], now=NOW)
    versions = second.snapshot.read()
    assert snapshot_hash(first.snapshot.scan_ingested().collect()) == first.snapshot.hash
    assert second.snapshot.parts[0] == first.snapshot.parts[0]
    assert versions["_manifest"].to_list() == [first.manifest.id, second.manifest.id]
    assert (second.snapshot.sequence, second.snapshot.parent_hash) == (2, first.snapshot.hash)
    assert house.snapshot(first.snapshot.hash[:12]).rows == 1


def test_two_homes_that_read_the_same_rows_have_the_same_snapshot(house: House, tmp_path: Path) -> None:
    other_database = Database.open(f"sqlite:///{tmp_path}/other.db")
    other_database.migrate()
    other = House(other_database, tmp_path / "others")
    one = house.take([a_game("a"), a_game("b")], now=day(2, month=3))
    two = other.take([a_game("b"), a_game("a")], now=NOW)
    other_database.close()
    assert one.snapshot.hash == two.snapshot.hash


def test_rows_that_come_twice_count_once_and_are_told(house: House) -> None:
    report = house.take([a_game(), a_game()], now=NOW)
    assert (report.snapshot.rows, report.manifest.rejected) == (1, 0)
    assert "1 rows came twice" in report.message


def test_a_new_column_of_the_contract_is_known_from_the_ingest_that_brought_it(house: House) -> None:
    class Wider(Game):
        referee: str | None = None

    house.take([a_game()], now=day(5))
    batch = frame([a_game()]).with_columns(referee=pl.lit("R"))
    report = house.take(batch, now=day(9), contract=Wider)
    assert (report.manifest.settled, report.manifest.changed) == (1, 0)
    assert report.snapshot.read()["referee"].to_list() == [None, "R"]


def test_a_column_that_cannot_take_its_new_type_is_refused(house: House) -> None:
    class Retyped(Game):
        venue: int | None = None  # type: ignore[assignment]  # the change under test

    house.take([a_game(venue="x")], now=day(5))
    batch = frame([a_game()]).with_columns(venue=pl.lit(1))
    with pytest.raises(ColumnRetyped, match=r"games\.venue is stored as String and cannot become Int64"):
        house.take(batch, now=day(9), contract=Retyped)


def test_a_batch_without_rows_is_nothing_new(house: House) -> None:
    house.take([a_game()], now=day(5))
    assert house.take([], now=day(6)).message == "nothing new"


def test_an_unknown_snapshot_says_where_the_known_ones_are(house: House) -> None:
    with pytest.raises(SnapshotNotFound, match=r"nba\.games has no snapshot yet\. Run: touchline ingest -p nba"):
        house.snapshot()
    house.take([a_game()], now=day(5))
    with pytest.raises(SnapshotNotFound, match=r"begins with 'zz'\. Known ones: touchline data show games -p nba"):
        house.snapshot("zz")


def test_the_second_of_two_ingests_at_once_is_told_and_the_first_goes_on(house: House) -> None:
    inside, release = threading.Event(), threading.Event()

    def slow() -> tuple[pl.DataFrame, tuple[()]]:
        inside.set()
        assert release.wait(120)
        return frame([a_game()]), ()

    done: list[str] = []
    first = threading.Thread(
        target=lambda: done.append(house.ingest(a_source(provider=FrameProvider(slow)), now=NOW).status)
    )
    first.start()
    assert inside.wait(120)
    with pytest.raises(LeaseHeld, match=r"nba/ingest/games is being done by touchline ingest, process \d+ on "):
        house.take([a_game("b")], now=NOW)
    release.set()
    first.join()
    assert done == ["new"]
    assert house.snapshot().rows == 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_later_file_of_a_folder_corrects_an_earlier_one(house: House, tmp_path: Path, kind: str) -> None:
    days = [[a_game("a"), a_game("b", points=2)], [a_game("a", points=5), a_game("b", points=2)], [a_game("c")]]
    for number, rows in enumerate(days):
        if kind == "csv":
            frame(rows).write_csv(tmp_path / f"{number}.csv")
        else:
            frame(rows).write_parquet(tmp_path / f"{number}.parquet")
    provider = CsvFiles(tmp_path / "*.csv") if kind == "csv" else ParquetFiles(tmp_path / "*.parquet")
    report = house.ingest(a_source(provider=provider), now=NOW)
    points = dict(report.snapshot.read().select("game_id", "points").iter_rows())
    assert (points, report.manifest.rejected) == ({"a": 5, "b": 2, "c": 1}, 0)
    assert "1 rows of earlier files were corrected by later files" in report.message
    assert "1 rows came twice" in report.message


def test_rows_of_one_file_that_contradict_each_other_are_still_rejected(house: House, tmp_path: Path) -> None:
    frame([a_game("a"), a_game("b")]).write_csv(tmp_path / "1.csv")
    frame([a_game("a", points=5), a_game("a", points=6)]).write_csv(tmp_path / "2.csv")
    source = a_source(provider=CsvFiles(tmp_path / "*.csv"), max_rejected_share=0.6)
    report = house.ingest(source, now=NOW)
    assert (report.manifest.rejected, report.snapshot.read()["game_id"].to_list()) == (2, ["b"])


# --- providers ------------------------------------------------------------------------------------


def a_sqlite(folder: Path) -> str:
    url = f"sqlite:///{folder}/shop.db"
    rows = pl.read_csv(CSV.encode(), infer_schema=False)
    import sqlite3

    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("create table games (game_id text, tipoff text, venue text, points integer)")
        connection.executemany("insert into games values (?, ?, ?, ?)", rows.rows())
    connection.close()
    return url


def plain(folder: Path) -> CsvFiles:
    (folder / "games.csv").write_text(CSV)
    return CsvFiles(str(folder / "*.csv"))


def gzipped(folder: Path) -> CsvFiles:
    (folder / "games.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    return CsvFiles(folder / "games.csv.gz")


def semicolons_in_latin_1(folder: Path) -> CsvFiles:
    (folder / "games.csv").write_bytes(CSV.replace(",", ";").replace(";;", ";-;").encode("latin-1"))
    return CsvFiles(folder / "games.csv", encoding="latin-1", null_values=("-",))


def with_a_byte_order_mark(folder: Path) -> CsvFiles:
    (folder / "games.csv").write_text(CSV.replace("\n", "\r\n"), encoding="utf-8-sig")
    return CsvFiles(folder / "games.csv")


def renamed_and_blanks(folder: Path) -> CsvFiles:
    text = CSV.replace("game_id", "Game ID").replace(",x,", ",  x , ").replace("points\n", "points,B365H,note\n")
    (folder / "games.csv").write_text(text.replace("1\n", "1,2.5,n\n").replace(",2\n", ",2,2.5,n\n"))
    return CsvFiles(folder / "games.csv", rename={"Game ID": "game_id"}, ignore=("B365*", "note"))


def prepared(folder: Path) -> CsvFiles:
    (folder / "games.csv").write_text(CSV.replace("game_id", "number"))
    return CsvFiles(folder / "games.csv", prepare=lambda rows: rows.rename({"number": "game_id"}))


def two_files(folder: Path) -> CsvFiles:
    header, first, *_ = CSV.split("\n")
    (folder / "one.csv").write_text(f"{header}\n{first}\n")
    (folder / "two.csv").write_text("points,tipoff,game_id\n2,2020-01-02T00:00:00Z,b\n")
    return CsvFiles(str(folder / "*.csv"))


def parquet(folder: Path) -> ParquetFiles:
    table = pl.read_csv(CSV.encode(), try_parse_dates=True)
    table.write_parquet(folder / "games.parquet")
    return ParquetFiles(folder / "games.parquet")


def sql_table(folder: Path) -> SqlTable:
    return SqlTable(url=a_sqlite(folder), table="games")


def sql_query(folder: Path) -> SqlTable:
    return SqlTable(url=a_sqlite(folder), query="select * from games order by game_id desc")


KINDS: list[Callable[[Path], Any]] = [
    plain,
    gzipped,
    semicolons_in_latin_1,
    with_a_byte_order_mark,
    renamed_and_blanks,
    prepared,
    two_files,
    parquet,
    sql_table,
    sql_query,
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_origin_brings_the_same_rows(kind: Callable[[Path], Any], house: House, tmp_path: Path) -> None:
    folder = tmp_path / "origin"
    folder.mkdir()
    house.ingest(a_source(provider=kind(folder)), now=NOW)
    assert [row[:3] for row in house.versions()] == [("a", "x", 1), ("b", None, 2)]


def test_rows_can_be_numbered_and_carry_the_name_of_their_file(house: House, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("tipoff,points\n2020-01-01T00:00:00Z,1\n2020-01-02T00:00:00Z,2\n")
    provider = CsvFiles(tmp_path / "g.csv", row_column="game_id", file_column="venue")
    house.ingest(a_source(provider=provider), now=NOW)
    assert [row[:3] for row in house.versions()] == [("1", "g.csv", 1), ("2", "g.csv", 2)]


def test_content_hashes_see_every_difference() -> None:
    base = pl.DataFrame({"a": ["x", "yz"], "b": [1.0, None]})
    others = [
        base.rename({"a": "c"}),
        base.with_columns(pl.col("b").fill_null(0.0)),
        base.with_columns(a=pl.Series(["xy", "z"])),
        base.reverse(),
        base.with_columns(pl.col("b").cast(pl.Int64)),
        base.with_columns(a=pl.Series(["x", None])),
    ]
    assert len({content_hash(table) for table in [base, *others]}) == len(others) + 1
    assert content_hash(base) == content_hash(pl.concat([base.head(1), base.tail(1)], rechunk=False))


# --- the declaration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "gameid"}, r"key names 'gameid', which Game does not declare\. Did you mean 'game_id'\?"),
        ({"event_time": "tip"}, "event_time names 'tip'"),
        ({"event_time": "points"}, "event_time 'points' may be null"),
        ({"event_time": "game_id"}, "event_time 'game_id' is str; it must be a date or a datetime"),
        ({"key": "venue"}, "key 'venue' may be null in Game"),
        ({"hidden_until_known": ("tipoff",)}, "hidden_until_known 'tipoff' must be nullable"),
        ({"zone": "Europe/Londn"}, "'Europe/Londn' is no time zone"),
        ({"provider": "games.csv"}, r"str has no method fetch\(\)"),
        ({"name": "Games 1"}, "String should match pattern"),
        ({"knwon_after": timedelta(1)}, "Extra inputs are not permitted"),
    ],
)
def test_a_source_that_does_not_fit_its_contract_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_source(**changes)
