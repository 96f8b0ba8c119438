"""The columns of a source are compared with its contract before an ingest, by files or by the last snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.ingest.builders import PROJECT, Game, House, a_game, a_source, day, frame
from touchline.clock import FrozenClock
from touchline.contracts import Contract
from touchline.errors import ColumnsMismatch
from touchline.ingest import ColumnFindings, CsvFiles, ParquetFiles, Source, check_source_columns

NOW = day(1, month=6)
ROWS = frame([a_game("a"), a_game("b")])


class Wider(Game):
    """A game with its city."""

    city: str


class Narrower(Contract):
    """A game without its venue and points."""

    game_id: str
    tipoff: str


def findings(house: House, source: Source) -> ColumnFindings:
    return check_source_columns(source, project=PROJECT, stores=house.stores, clock=FrozenClock(NOW))


@pytest.fixture(params=["csv", "parquet"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Two files of games."""
    for number, rows in enumerate((ROWS.head(1), ROWS.tail(1))):
        path = tmp_path / f"games{number}.{request.param}"
        rows.write_csv(path) if request.param == "csv" else rows.write_parquet(path)
    kinds = {"csv": CsvFiles, "parquet": ParquetFiles}
    return kinds[request.param](tmp_path / f"games*.{request.param}")


def test_a_column_that_the_files_lack_refuses_the_next_ingest_and_is_named(house: House, provider: Any) -> None:
    source = a_source(provider=provider, contract=Wider)
    (mistake,) = findings(house, source).mistakes
    with pytest.raises(ColumnsMismatch, match=r"nba.games lacks the column 'city'") as refused:
        house.ingest(source, now=NOW)
    assert mistake == f"the next ingest is refused: {refused.value}"


def test_a_column_that_the_contract_lacks_refuses_the_next_ingest_or_is_left_out(house: House, provider: Any) -> None:
    strict = a_source(provider=provider, contract=Narrower, event_time=None)
    assert "has the unknown columns 'venue', 'points'" in findings(house, strict).mistakes[0]
    with pytest.raises(ColumnsMismatch):
        house.ingest(strict, now=NOW)
    found = findings(house, a_source(provider=provider, contract=Narrower, event_time=None, extra="ignore"))
    assert found.mistakes == ()
    assert found.notes == (
        "nba.games has columns that the contract does not declare; they are left out: venue, points",
    )


def test_an_optional_column_that_the_files_lack_is_a_note(house: House, tmp_path: Path) -> None:
    ROWS.drop("points").write_csv(tmp_path / "games.csv")
    source = a_source(provider=CsvFiles(tmp_path / "games.csv"))
    assert findings(house, source) == ColumnFindings(
        notes=("nba.games lacks columns of the contract, so their defaults are used: 'points' is None in every row",)
    )
    assert house.ingest(source, now=NOW).manifest.accepted == 2


def test_files_that_fit_give_nothing_and_nothing_is_stored(house: House, provider: Any) -> None:
    assert findings(house, a_source(provider=provider)) == ColumnFindings()
    assert not [path for path in house.folder.rglob("*") if path.is_file()]


def test_what_a_person_prepares_counts_and_its_failure_is_a_mistake(house: House, tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "games.csv")
    made = CsvFiles(tmp_path / "games.csv", prepare=lambda rows: rows.with_columns(city=pl.lit("x")))
    assert findings(house, a_source(provider=made, contract=Wider)) == ColumnFindings()
    broken = CsvFiles(tmp_path / "games.csv", prepare=lambda rows: rows.select("town"))
    assert "ColumnNotFoundError" in findings(house, a_source(provider=broken)).mistakes[0]
    missing = CsvFiles(tmp_path / "nowhere.csv")
    assert "nowhere.csv" in findings(house, a_source(provider=missing)).mistakes[0]


def test_a_source_that_is_no_file_is_compared_with_its_last_snapshot(house: House) -> None:
    assert findings(house, a_source(contract=Wider)) == ColumnFindings()
    house.take(ROWS, now=NOW)
    (lacking,) = findings(house, a_source(contract=Wider)).notes
    assert "requires 'city', which the last snapshot lacks" in lacking
    (dropped,) = findings(house, a_source(contract=Narrower, event_time=None)).notes
    assert "has 'venue', 'points', which the contract does not declare" in dropped
    assert findings(house, a_source()) == ColumnFindings()
