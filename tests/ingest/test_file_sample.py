"""A file that nobody has declared is read and its declaration inferred; one that is declared is read as declared."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import pytest
from pydantic import Field

from touchline.contracts import Contract, DateFormat
from touchline.errors import SourceFileUnreadable
from touchline.ingest import CsvFiles, ParquetFiles, Source, inspect_file, read_as_declared


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"id,x\n1,2\n", {}),
        (b"id;x\n1;2\n", {"delimiter": ";"}),
        ("id\tname\n1\tcafé\n".encode("cp1252"), {"delimiter": "\t", "encoding": "cp1252"}),
        ("id,x\n1,2\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
def test_a_file_nobody_declared_is_read_and_its_declaration_told(
    tmp_path: Path, content: bytes, arguments: dict[str, str]
) -> None:
    (tmp_path / "f").write_bytes(content)
    sample = inspect_file(tmp_path / "f")
    assert (sample.kind, sample.arguments) == ("CsvFiles", arguments)
    assert sample.frame.height == 1


@pytest.mark.parametrize(
    ("texts", "example"),
    [
        (["355.125", "2.810"], "355.125"),
        (["12.500", "-", "999.125"], "12.500"),
        (["355.125", "2.81"], None),
        (["0.355", "2.810"], None),
        (["1.5", "7"], None),
        (["2.810", "624"], None),
    ],
)
def test_a_dot_that_may_group_thousands_is_named(tmp_path: Path, texts: list[str], example: str | None) -> None:
    (tmp_path / "t.csv").write_text("x;name\n" + "\n".join(f"{text};a" for text in texts))
    named = [note for note in inspect_file(tmp_path / "t.csv").notes if "if its dot groups thousands" in note]
    assert [note.split()[0] for note in named] == ([example] if example else [])


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n'])
def test_the_separator_line_that_excel_writes_is_no_header(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.csv").write_text(f"{line}id;x\n1;2\n")
    sample = inspect_file(tmp_path / "t.csv")
    assert sample.frame.to_dicts() == [{"id": "1", "x": "2"}]
    assert sample.arguments == {"delimiter": ";"}


def test_a_negative_number_in_brackets_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('profit,phone\n"(1,200.50)",(030) 12\n($35),(040) 7\n-4,1\n')
    sample = inspect_file(tmp_path / "t.csv")
    assert sample.frame["profit"].to_list() == ["-1200.50", "-35", "-4"]
    assert list(sample.numbers) == ["profit"]
    assert sample.frame["phone"][0] == "(030) 12"


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"1", b"2"]])
def test_a_column_that_holds_no_single_values_is_named(tmp_path: Path, values: list[object]) -> None:
    pl.DataFrame({"x": [1, 2], "odd": values}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceFileUnreadable, match="its column 'odd' holds"):
        inspect_file(tmp_path / "t.parquet")


class Sale(Contract):
    sold_on: Annotated[date, DateFormat("%d.%m.%Y")]
    price: float | None = Field(None, ge=0)
    size: int


def a_source(provider: object, zone: str = "UTC") -> Source:
    return Source(name="sales", contract=Sale, key="size", zone=zone, provider=provider)


def test_a_declared_file_has_the_names_nulls_numbers_and_days_of_its_source(tmp_path: Path) -> None:
    provider = CsvFiles(
        "*", rename={"Tag": "sold_on", "Preis": "price"}, numbers={"Preis": "1.234,56"}, null_values=("-",)
    )
    (tmp_path / "t.csv").write_text("Tag;Preis;size\n24.12.2024;1.234;7\n25.12.2024;-;8\nnever;3,5;9\n")
    rows = read_as_declared(tmp_path / "t.csv", [a_source(provider)])
    assert rows.to_dicts() == [
        {"sold_on": "2024-12-24", "price": "1234", "size": "7"},
        {"sold_on": "2024-12-25", "price": None, "size": "8"},
        {"sold_on": "never", "price": "3.5", "size": "9"},
    ]


def test_numbers_that_are_declared_as_plain_are_never_reread(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("price,size\n2.810,1\n624,2\n")
    assert inspect_file(tmp_path / "t.csv").numbers == {"price": "1.234,56"}
    assert read_as_declared(tmp_path / "t.csv", [a_source(CsvFiles("*"))])["price"].to_list() == ["2.810", "624"]
    unknown = read_as_declared(tmp_path / "t.csv", [a_source(ParquetFiles("*"))])
    assert unknown["price"].cast(pl.Float64).to_list() == [2810.0, 624.0]


def test_a_new_name_may_be_the_old_one_of_another_column(tmp_path: Path) -> None:
    provider = CsvFiles("*", rename={"a": "b", "b": "c"})
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert read_as_declared(tmp_path / "t.csv", [a_source(provider)]).to_dicts() == [{"b": "1", "c": "2"}]
    (tmp_path / "t.csv").write_text("b,c\n1,2\n")
    assert read_as_declared(tmp_path / "t.csv", [a_source(provider)]).columns == ["b", "c"]
