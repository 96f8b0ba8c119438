"""A file that nobody has declared is read and its declaration inferred; one that is declared is read as declared."""

from __future__ import annotations

from datetime import date, time, timedelta
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


def test_rows_that_repeat_the_header_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x, NA,,y\n1,2,,0\nx, NA,,y\n3,4,,y\n")
    sample = inspect_file(tmp_path / "t.csv")
    assert sample.frame["x"].to_list() == ["1", "3"]
    assert "rows that repeat the header (1) are left out, here and by ingest" in sample.notes


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


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["USD 1,200.50", "USD 30"], ["1200.50", "30"]),
        (["1.200,50 EUR", "30,00 EUR"], ["1200.50", "30.00"]),
        (["1\u2019200.50", "30.25"], ["1200.50", "30.25"]),
        (["1\u202f200,5", "30,25"], ["1200.5", "30.25"]),
        (["12,34,567.00", "1,23,456.50"], ["1234567.00", "123456.50"]),
        (["\u22123.5", "7"], ["-3.5", "7"]),
        (["12.50-", "7.25"], ["-12.50", "7.25"]),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, texts: list[str], numbers: list[str]) -> None:
    (tmp_path / "t.csv").write_text("n;v\n" + "".join(f"{text};a\n" for text in texts), encoding="utf-8")
    assert inspect_file(tmp_path / "t.csv").frame["n"].to_list() == numbers


def test_a_western_encoding_is_said_with_a_text_that_shows_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("x,city\n1,Köln\n".encode("cp1252"))
    assert inspect_file(tmp_path / "t.csv").notes[0].startswith("the file is read as cp1252, as in 'Köln'")


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"1", b"2"]])
def test_a_column_that_holds_no_single_values_is_named(tmp_path: Path, values: list[object]) -> None:
    pl.DataFrame({"x": [1, 2], "odd": values}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceFileUnreadable, match="its column 'odd' holds"):
        inspect_file(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pl.Series([timedelta(hours=1)] * 2), "holds Duration"),
        (pl.Series([time(9, 30)] * 2), "holds Time"),
        (pl.Series([2**63, 2**63 + 1], dtype=pl.UInt64), "holds whole numbers beyond 2\\^63"),
    ],
)
def test_a_column_of_a_type_that_no_contract_has_is_named(tmp_path: Path, values: pl.Series, found: str) -> None:
    pl.DataFrame({"x": [1, 2], "odd": values}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceFileUnreadable, match=f"its column 'odd' {found}"):
        inspect_file(tmp_path / "t.parquet")


def test_levels_of_parquet_are_texts(tmp_path: Path) -> None:
    levels = pl.Series(["a", "b"], dtype=pl.Enum(["a", "b", "c"]))
    pl.DataFrame({"one": levels, "two": levels.cast(pl.Categorical)}).write_parquet(tmp_path / "t.parquet")
    assert inspect_file(tmp_path / "t.parquet").frame.dtypes == [pl.String, pl.String]


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
    assert rows.written.to_dicts()[0] == {"sold_on": "24.12.2024", "price": "1.234", "size": "7"}
    assert rows.declared.to_dicts() == [
        {"sold_on": "2024-12-24", "price": "1234", "size": "7"},
        {"sold_on": "2024-12-25", "price": None, "size": "8"},
        {"sold_on": "never", "price": "3.5", "size": "9"},
    ]


class Member(Contract):
    size: int
    is_open: bool | None = None


def test_a_boolean_is_read_from_a_file_to_predict_as_it_is_ingested(tmp_path: Path) -> None:
    source = Source(name="members", contract=Member, key="size", provider=CsvFiles("*"))
    (tmp_path / "t.csv").write_text("size,is_open\n1,Yes\n2,off\n3,\n4,perhaps\n5,1\n")
    rows = read_as_declared(tmp_path / "t.csv", [source]).declared
    assert rows["is_open"].to_list() == ["true", "false", None, "perhaps", "true"]


def test_numbers_that_are_declared_as_plain_are_never_reread(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("price,size\n2.810,1\n624,2\n")
    assert inspect_file(tmp_path / "t.csv").numbers == {"price": "1.234,56"}
    assert read_as_declared(tmp_path / "t.csv", [a_source(CsvFiles("*"))]).declared["price"].to_list() == [
        "2.810",
        "624",
    ]
    unknown = read_as_declared(tmp_path / "t.csv", [a_source(ParquetFiles("*"))]).declared
    assert unknown["price"].cast(pl.Float64).to_list() == [2810.0, 624.0]


def test_a_new_name_may_be_the_old_one_of_another_column(tmp_path: Path) -> None:
    provider = CsvFiles("*", rename={"a": "b", "b": "c"})
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert read_as_declared(tmp_path / "t.csv", [a_source(provider)]).declared.to_dicts() == [{"b": "1", "c": "2"}]
    (tmp_path / "t.csv").write_text("b,c\n1,2\n")
    assert read_as_declared(tmp_path / "t.csv", [a_source(provider)]).declared.columns == ["b", "c"]


def test_an_encoding_is_inferred_from_the_whole_file(tmp_path: Path) -> None:
    rows = "x,name\n" + "".join(f"{n},abc\n" for n in range(5000))
    late = (rows + "1,M\u00fcller\n").encode()
    cases = {
        "utf-8": late,
        "cp1252": late.decode().encode("latin-1"),
        "utf-16": late.decode().encode("utf-16"),
        "utf-16-le": late.decode().encode("utf-16-le"),
        "utf-32": late.decode().encode("utf-32"),
    }
    for encoding, content in cases.items():
        (tmp_path / "t.csv").write_bytes(content)
        sample = inspect_file(tmp_path / "t.csv")
        assert sample.frame.columns == ["x", "name"]
        assert sample.arguments.get("encoding", "utf-8") == encoding


@pytest.mark.parametrize(
    ("word", "encoding"), [("Москва", "cp1251"), ("北京", "gb18030"), ("東京", "cp932"), ("Köln", "cp437")]
)
def test_an_encoding_that_cannot_be_told_is_refused_instead_of_read_as_another(
    tmp_path: Path, word: str, encoding: str
) -> None:
    words = [word, "Zürich" if encoding == "cp437" else word]
    (tmp_path / "t.csv").write_bytes("".join(["x,name\n", *(f"1,{each}\n" for each in words)]).encode(encoding))
    with pytest.raises(
        SourceFileUnreadable, match=r"neither UTF-8 nor a Western European encoding \(first in line 2\)"
    ):
        inspect_file(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("Sales of 2024\n\nx,y\n1,2\n3,4\n", "3 of its 3 lines do not fit its first line"),
        ("# by a tool\n# on monday\nx,y\n1,2\n3,4\n", "3 of its 4 lines do not fit its first line"),
        ('"x","y"\n"1",1,2\n"2",3,4\n', "R's row names too"),
        ("x,y\n1,a\0b\n", "line 2 holds a zero byte"),
        ("<html><table><tr><td>1</td></tr>", "it is an HTML page"),
        ('{"x": 1, "y": 2}\n{"x": 3, "y": 4}\n', "it is JSON"),
    ],
)
def test_a_file_whose_first_line_is_no_header_is_refused_with_the_reason(
    tmp_path: Path, content: str, found: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(SourceFileUnreadable, match=found):
        inspect_file(tmp_path / "t.csv")


def test_mixed_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("x,name\n1,Müller\n".encode() + "2,Müller\n".encode("latin-1"))
    with pytest.raises(SourceFileUnreadable, match=r"it mixes UTF-8 with another encoding \(first in line 3\)"):
        inspect_file(tmp_path / "t.csv")
