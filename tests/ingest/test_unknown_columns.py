"""Columns that the contract does not declare: refused, or left out and named where the source ignores them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.ingest.builders import Game, House, a_game, a_source, day, frame
from touchline.errors import ColumnsMismatch
from touchline.ingest import CsvFiles

NOW = day(1, month=6)
WIDE = frame([a_game("a"), a_game("b")]).with_columns(attendance=pl.lit(7), note=pl.lit("late"))


def test_unknown_columns_are_refused_unless_the_source_ignores_them(house: House) -> None:
    with pytest.raises(ColumnsMismatch, match=r"unknown columns 'attendance', 'note'.* Source\(extra='ignore'\)"):
        house.take(WIDE, now=NOW)
    report = house.take(WIDE, now=NOW, extra="ignore")
    assert (report.manifest.accepted, report.manifest.rejected) == (2, 0)
    assert report.message.endswith("ignored the unknown columns attendance, note")
    assert {*Game.model_fields} <= {*report.snapshot.scan_ingested().collect_schema()}
    assert "note" not in report.snapshot.scan_ingested().collect_schema()


def test_the_error_of_a_missing_column_names_the_unknown_one_that_may_be_it(house: House) -> None:
    with pytest.raises(ColumnsMismatch, match=r"lacks the column 'tipoff'.*'tip_off' may be 'tipoff'"):
        house.take(WIDE.rename({"tipoff": "tip_off"}), now=NOW, extra="ignore")


def test_a_source_that_becomes_strict_reads_equal_bytes_again(house: House, tmp_path: Path) -> None:
    WIDE.write_csv(tmp_path / "games.csv")
    provider = CsvFiles(tmp_path / "games.csv")
    house.ingest(a_source(provider=provider, extra="ignore"), now=NOW)
    with pytest.raises(ColumnsMismatch, match="'note'"):
        house.ingest(a_source(provider=provider), now=NOW)
