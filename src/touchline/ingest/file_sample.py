"""A file that nobody has declared yet, read far enough to infer a contract from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from touchline.errors import SourceFileMissing, SourceFileUnreadable
from touchline.ingest.providers.csv_files import CsvFiles
from touchline.ingest.providers.csv_text import CsvFormat, CsvRows, delimiter_of, read_csv_text, refuse_workbook
from touchline.ingest.providers.files import gunzipped
from touchline.ingest.providers.number_text import (
    NumberStyle,
    has_decimal_commas,
    infer_number_style,
    with_plain_numbers,
)

_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ACCENTED = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class FileSample:
    """The rows of a file and how it must be declared: the provider's name and its arguments beside the path."""

    frame: pl.DataFrame
    kind: str
    arguments: dict[str, str]
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, NumberStyle] = field(default_factory=dict)


def inspect_file(path: Path) -> FileSample:
    """Read a Parquet file, or a delimited text whose delimiter and encoding are found out."""
    if not path.is_file():
        raise SourceFileMissing(path.name, str(path), Path.cwd())
    content = path.read_bytes()
    if content.startswith(_PARQUET):
        return FileSample(pl.read_parquet(path), "ParquetFiles", {})
    text = gunzipped(content, path.name, path.name)
    refuse_workbook(text, name=path.name, table=path.stem)
    encoding = _encoding(text, path.name)
    form = CsvFormat(None, encoding, CsvFiles.model_fields["null_values"].default, frozenset())
    rows = read_csv_text(text, form, name=path.name, table=path.stem)
    inferred = {"delimiter": delimiter_of(text, encoding), "encoding": encoding}
    usual = {"delimiter": ",", "encoding": "utf-8"}
    arguments = {name: value for name, value in inferred.items() if value != usual[name]}
    numbers = _number_styles(rows.frame)
    plain = with_plain_numbers(rows.frame, numbers)
    return FileSample(plain, "CsvFiles", arguments, tuple(_notes(rows, numbers)), numbers)


def _number_styles(frame: pl.DataFrame) -> dict[str, NumberStyle]:
    is_decimal_comma = any(has_decimal_commas(column) for column in frame.iter_columns())
    styles = {
        column.name: infer_number_style(column, is_decimal_comma=is_decimal_comma) for column in frame.iter_columns()
    }
    return {name: style for name, style in styles.items() if style is not None}


def _encoding(text: bytes, name: str) -> str:
    """UTF-16 only with its mark or zero bytes, UTF-8 where all of it is, else the Western single-byte encoding."""
    if text.startswith(_WIDE_BOMS):
        return "utf-16"
    if b"\0" in text[:1000]:
        return "utf-16-le" if text[1:2] == b"\0" else "utf-16-be"
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as wrong:
        if _ACCENTED.search(text):
            line = text.count(b"\n", 0, wrong.start) + 1
            reason = f"it mixes UTF-8 with another encoding (first in line {line})"
            raise SourceFileUnreadable(Path(name).stem, name, reason, "Write it again in one encoding.") from wrong
        try:
            text.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252"
    return "utf-8"


def _notes(rows: CsvRows, numbers: Mapping[str, NumberStyle]) -> Iterator[str]:
    for name, style in numbers.items():
        yield f"numbers of {name!r} are read as {style}, signs such as $ and % aside; correct numbers= if needed"
    if rows.nameless:
        yield f"{rows.nameless} columns without a name hold nothing and are dropped"
    if rows.broken.height:
        first = rows.broken["value"][0]
        yield (
            f"{rows.broken.height} of {rows.broken.height + rows.frame.height} lines could not be read as rows "
            f"(first: {first}); ingest counts them as rejected"
        )
