"""Bad input: a clear error or a counted quarantine, and the last good snapshot stays."""

from __future__ import annotations

import gzip
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pytest
from pydantic import AwareDatetime, Field

from tests.ingest.builders import PROJECT, Game, House, a_game, a_source, day, frame
from touchline.clock import FrozenClock
from touchline.contracts import Contract, DateFormat
from touchline.errors import (
    BatchRejected,
    ColumnsMismatch,
    DiskFull,
    ProviderFailed,
    SourceFileEmpty,
    SourceFileMissing,
    SourceFileUnreadable,
    TouchlineError,
)
from touchline.ingest import (
    CsvFiles,
    FetchContext,
    FrameProvider,
    ParquetFiles,
    inspect_file,
    read_log,
    show_quarantine,
)

NOW = day(1, month=6)
HEADER = "game_id,tipoff,venue,points"
GOOD = [f"g{number:02d},2020-01-{1 + number:02d}T00:00:00Z,x,{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def good(house: House) -> Iterator[None]:
    """A good snapshot is there before, and still there, unchanged, after every kind of bad input."""
    before = house.take([a_game("before")], now=NOW).snapshot
    yield
    if house.snapshot() != before:
        assert house.snapshot().parent_hash == before.hash


@dataclass
class Taken:
    house: House
    file: Path

    def __call__(self, content: str | bytes | None, *, contract: type[Contract] = Game, **changes: Any) -> Any:
        if content is not None:
            self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        source = a_source(provider=CsvFiles(self.file, **changes.pop("csv", {})), contract=contract, **changes)
        return self.house.ingest(source, now=NOW)

    def lines(self, *lines: str, **changes: Any) -> Any:
        return self("\n".join([HEADER, *GOOD, *lines]) + "\n", **changes)

    def rejected(self) -> list[tuple[int, str, str | None]]:
        found = show_quarantine(PROJECT, "games", stores=self.house.stores).rows
        return found.select("row", "rule", "value").rows()


@pytest.fixture
def take(house: House, tmp_path: Path) -> Taken:
    return Taken(house, tmp_path / "games.csv")


def test_a_missing_file(take: Taken) -> None:
    with pytest.raises(
        SourceFileMissing, match=r"^nba\.games: no file matches '.*games\.csv' \(looked from .*\)\. Put"
    ):
        take(None)


@pytest.mark.parametrize("content", ["", " \n\n", HEADER, HEADER + "\n"])
def test_an_empty_file(take: Taken, content: str) -> None:
    with pytest.raises(SourceFileEmpty, match=r"^nba\.games: .*games\.csv has no rows\. A source with nothing in it"):
        take(content)


def test_a_wrong_delimiter(take: Taken) -> None:
    content = "\n".join([HEADER, *GOOD]).replace(",", ";")
    message = (
        r"^nba\.games: games\.csv cannot be read: delimiter ',' makes 1 column\(s\) of its header "
        r"'game_id;tipoff;venue;points'\. It looks separated by ';': declare delimiter=';'\. Nothing was changed\.$"
    )
    with pytest.raises(SourceFileUnreadable, match=message):
        take(content, csv={"delimiter": ","})


def test_a_wrong_encoding(take: Taken) -> None:
    content = "\n".join([HEADER, *GOOD]).replace("2020-01-05T00:00:00Z,x", "2020-01-05T00:00:00Z,café").encode("cp1252")
    message = r"games\.csv cannot be read: byte 0xe9 in line 6 is not UTF-8\. Declare encoding='cp1252'"
    with pytest.raises(SourceFileUnreadable, match=message):
        take(content)
    with pytest.raises(SourceFileUnreadable, match="it is not in the declared encoding 'ascii'"):
        take(content, csv={"encoding": "ascii"})
    with pytest.raises(SourceFileUnreadable, match=r"Declare encoding='utf-16'"):
        take("\n".join([HEADER, *GOOD]).encode("utf-16"))


def test_a_damaged_archive_and_a_file_of_another_kind(take: Taken, house: House, tmp_path: Path) -> None:
    with pytest.raises(SourceFileUnreadable, match="its gzip is damaged or cut off"):
        take(gzip.compress("\n".join([HEADER, *GOOD]).encode())[:-20])
    (tmp_path / "games.parquet").write_text(HEADER)
    with pytest.raises(SourceFileUnreadable, match="it is no Parquet file, or a damaged one"):
        house.ingest(a_source(provider=ParquetFiles(tmp_path / "games.parquet")), now=NOW)


def test_a_missing_and_an_extra_column(take: Taken) -> None:
    content = "\n".join([HEADER.replace("tipoff", "tip_off"), *GOOD])
    message = (
        r"^nba\.games lacks the column 'tipoff' and has the unknown column 'tip_off' \('tip_off' may be 'tipoff'\)\. "
        r"The contract's columns: game_id, tipoff, venue, points\. Rename columns in the provider"
    )
    with pytest.raises(ColumnsMismatch, match=message):
        take(content)


def test_rows_that_repeat_the_header_are_left_out_and_counted(take: Taken) -> None:
    report = take("\n".join([HEADER, *GOOD[:9], HEADER, *GOOD[9:], HEADER]))
    assert (report.manifest.accepted, report.manifest.rejected) == (20, 0)
    assert "2 rows repeat the header and are left out" in report.manifest.message


def test_a_column_named_twice(take: Taken) -> None:
    with pytest.raises(SourceFileUnreadable, match="its header names 'venue' 2 times"):
        take(f"{HEADER},venue\n")


def test_a_duplicate_key_rejects_all_its_rows(take: Taken) -> None:
    report = take.lines("g01,2020-01-02T00:00:00Z,x,99", max_rejected_share=0.2)
    assert take.rejected() == [(1, "game_id names one row", "g01"), (20, "game_id names one row", "g01")]
    assert (report.manifest.accepted, report.manifest.rejected) == (19, 2)


class TwoFormats(Contract):
    game_id: str
    tipoff: Annotated[date, DateFormat("%d/%m/%Y")]


def test_a_date_in_two_formats_in_one_file(take: Taken) -> None:
    rows = [f"g{number:02d},{1 + number:02d}/01/2020" for number in range(20)]
    take(
        "\n".join(["game_id,tipoff", *rows, "h1,2020-01-05", "h2,05/01/20"]),
        contract=TwoFormats,
        max_rejected_share=0.1,
    )
    rule = "tipoff fits '%d/%m/%Y'"
    assert take.rejected() == [(20, rule, "2020-01-05"), (21, rule, "05/01/20")]


def test_nulls_where_none_may_be(take: Taken) -> None:
    report = take.lines("h,,x,1")
    assert take.rejected() == [(20, "tipoff is not null", None)]
    assert report.message == (
        "20 new, 0 corrected and 0 settled rows; 20 new rows are older than the ingest before and count as known from "
        "now on (touchline ingest --backfill, if they were known at the time); "
        "quarantined: 1 of 21 rows break 'tipoff is not null' (first: game_id h, null)"
    )


def test_numbers_out_of_range(take: Taken) -> None:
    take.lines("h,2020-01-01T00:00:00Z,x,-1")
    assert take.rejected() == [(20, "points >= 0", "-1")]


def test_a_future_date(take: Taken) -> None:
    take.lines("h,2999-01-01T00:00:00Z,x,1")
    assert take.rejected() == [(20, "tipoff is at most 1 days in the future", "2999-01-01T00:00:00Z")]


class Zoned(Contract):
    game_id: str
    tipoff: AwareDatetime
    venue: str
    points: int = Field(ge=0)


def test_a_time_zone_that_is_missing(take: Taken) -> None:
    take.lines("h,2020-01-01T00:00:00,x,1", contract=Zoned)
    assert take.rejected() == [(20, "tipoff is an ISO date and time with a time zone", "2020-01-01T00:00:00")]


def test_lines_with_too_few_or_too_many_fields(take: Taken) -> None:
    take.lines("h,2020-01-01T00:00:00Z,x", max_rejected_share=0.2)
    rule = "has as many fields as the header"
    assert take.rejected() == [(20, rule, "3 fields, the header has 4 (games.csv line 22)")]
    take.lines("h,2020-01-01T00:00:00Z,x,1,9,9", max_rejected_share=0.2)
    assert take.rejected() == [(20, rule, "6 fields, the header has 4 (games.csv line 22)")]


def test_a_quote_that_is_never_closed(take: Taken) -> None:
    with pytest.raises(SourceFileUnreadable, match="a quote opened in line 22 is not closed within"):
        take.lines('h,2020-01-01T00:00:00Z,"x,1', *GOOD, *GOOD)


def test_a_batch_with_a_tenth_of_its_rows_broken_is_refused_and_kept_to_be_looked_at(take: Taken, house: House) -> None:
    message = (
        r"^nba\.games: 3 of 23 rows break 'points is a whole number' \(first: game_id h0, many\); "
        r"13\.0% of the rows, at most 5\.0% are allowed\. The batch was rejected; "
        r"the stored table is still snapshot 1\. "
        r"See every row: touchline data quarantine games -p nba$"
    )
    with pytest.raises(BatchRejected, match=message):
        take.lines(*[f"h{number},2020-01-01T00:00:00Z,x,many" for number in range(3)])
    assert [row for row, _, _ in take.rejected()] == [20, 21, 22]
    assert house.snapshot().rows == 1
    newest = read_log(house.database, PROJECT)[0]
    assert (newest.status, newest.rows_in, newest.rejected, newest.added) == ("rejected", 23, 3, 0)


def test_a_dataset_check_stops_the_batch(house: House) -> None:
    games = [a_game(f"g{number}", day(1)) for number in range(1001)]
    with pytest.raises(
        BatchRejected, match=r"^nba\.games: not_too_many: 1002 games are too many\. The batch was rejected"
    ):
        house.take(games, now=NOW)
    assert house.snapshot().rows == 1


def test_a_function_of_the_project_that_fails(house: House) -> None:
    def broken() -> tuple[pl.DataFrame, tuple[()]]:
        raise KeyError("season")

    message = r"^nba\.games: FrameProvider failed with KeyError: 'season'\. Correct the provider"
    with pytest.raises(ProviderFailed, match=message):
        house.ingest(a_source(provider=FrameProvider(broken)), now=NOW)


def test_every_failure_is_logged(take: Taken, house: House) -> None:
    with pytest.raises(TouchlineError):
        take(None)
    newest = read_log(house.database, PROJECT)[0]
    assert newest.status == "failed"
    assert newest.message.startswith("nba.games: no file matches")


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """A write past `size` fails as on a full disk (EFBIG takes the place of ENOSPC)."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full(house: House) -> None:
    chance = random.Random(1)
    games = frame([a_game(f"g{number}", day(1), venue=chance.randbytes(2000).hex()) for number in range(900)])
    with (
        no_file_larger_than(2**20),
        pytest.raises(DiskFull, match=r"No space left to write .*snapshots/games") as full,
    ):
        house.take(games, now=NOW)
    assert "stored before is untouched" in str(full.value)
    assert house.snapshot().rows == 1
    assert house.take(games, now=NOW).status == "new"


def test_events_before_now_are_taken_whatever_their_age(house: House) -> None:
    report = house.take([a_game("old", datetime.fromisoformat("1890-01-01T00:00:00+00:00"))], now=NOW)
    assert report.snapshot.rows == 2
    assert timedelta(0) < NOW - house.versions()[1][3]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04....xl/workbook.xml", r"an Excel workbook \(\.xlsx\)"),
        (b"PK\x03\x04....notes.txt", "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"an Excel workbook \(\.xls\)"),
    ],
)
def test_a_workbook_is_called_by_its_name(take: Taken, tmp_path: Path, content: bytes, kind: str) -> None:
    with pytest.raises(SourceFileUnreadable, match=f"it is {kind}, not text"):
        take(content)
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceFileUnreadable, match=f"it is {kind}, not text"):
        inspect_file(tmp_path / "t.csv")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_every_end_of_line_is_read(take: Taken, end: str) -> None:
    assert take(end.join([HEADER, *GOOD])).snapshot.rows == 21


def test_nameless_columns_that_hold_nothing_are_dropped_and_said(take: Taken, tmp_path: Path) -> None:
    lines = [f"{line},,," for line in [HEADER, *GOOD]]
    assert take("\n".join(lines)).snapshot.rows == 21
    (tmp_path / "t.csv").write_text("\n".join(lines))
    sample = inspect_file(tmp_path / "t.csv")
    assert sample.frame.columns == HEADER.split(",")
    assert sample.notes == ("3 columns without a name hold nothing and are dropped",)
    (tmp_path / "t.csv").write_text("a,,b,\n1,2,3,4\n")
    assert inspect_file(tmp_path / "t.csv").frame.columns == ["a", "column_2", "b", "column_4"]


@pytest.mark.parametrize(
    ("header_end", "row_ends"),
    [(",,,", [""]), (",,,", ["", ",,,"]), (",,,", [",", ""]), ("", [","]), ("", ["", ",,"]), (",", [",,"])],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_delimiters_at_the_end_of_the_header_or_of_rows_alone_are_no_columns(
    take: Taken, tmp_path: Path, header_end: str, row_ends: list[str], quote: str
) -> None:
    rows = [f"{quote}{line.split(',')[0]}{quote},{line.split(',', 1)[1]}" for line in GOOD]
    lines = [HEADER + header_end, *(f"{row}{row_ends[n % len(row_ends)]}" for n, row in enumerate(rows))]
    assert take("\n".join(lines)).snapshot.rows == 21
    (tmp_path / "t.csv").write_text("\n".join(lines))
    sample = inspect_file(tmp_path / "t.csv")
    assert (sample.frame.columns, sample.frame.height) == (HEADER.split(","), len(GOOD))
    assert not any("could not be read" in note for note in sample.notes)


@pytest.mark.parametrize(
    ("texts", "style", "numbers"),
    [
        (["3,5", "12,25", "7"], "1.234,56", [3.5, 12.25, 7.0]),
        (["1.234,56", "12,00"], "1.234,56", [1234.56, 12.0]),
        (["2.810", "624", "1.250.000"], "1.234,56", [2810.0, 624.0, 1250000.0]),
        (["2.810", "624"], "1.234,56", [2810.0, 624.0]),
        (["1,234", "56", "7,000,000"], "1,234.56", [1234.0, 56.0, 7000000.0]),
        (["$1,200.50", "$ 3"], "1,234.56", [1200.5, 3.0]),
        (["-1.200,00 €", "3,50 €"], "1.234,56", [-1200.0, 3.5]),
        (["12 %", "3.5%"], "1,234.56", [12.0, 3.5]),
    ],
)
def test_numbers_as_people_write_them_are_declared_and_read(
    take: Taken, tmp_path: Path, texts: list[str], style: str, numbers: list[float]
) -> None:
    class Price(Contract):
        game_id: str
        price: float

    lines = ["game_id;price", *(f"p{n};{texts[n % len(texts)]}" for n in range(12))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    sample = inspect_file(tmp_path / "t.csv")
    assert sample.numbers == {"price": style}
    assert sample.frame["price"].cast(pl.Float64)[: len(texts)].to_list() == numbers
    rows = read_provider(take, CsvFiles(tmp_path / "t.csv", numbers=sample.numbers), ("game_id", "price"))
    assert rows["price"].to_list() == sample.frame["price"].to_list()


@pytest.mark.parametrize("texts", [["1.5", "2.25"], ["0.355", "0.810"], ["355.125", "2.810"], ["1e3", "2"], ["7", "8"]])
def test_plain_numbers_and_text_need_no_style(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "t.csv").write_text("x;name\n" + "\n".join(f"{text};a, b" for text in texts))
    assert inspect_file(tmp_path / "t.csv").numbers == {}


def read_provider(take: Taken, provider: CsvFiles, columns: tuple[str, ...]) -> pl.DataFrame:
    stores = take.house.stores
    context = FetchContext(
        "p", "prices", columns, frozenset(columns), stores.database, stores.objects, FrozenClock(NOW)
    )
    return provider.fetch(context).frame
