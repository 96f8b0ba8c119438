"""A file that nobody has declared yet, read far enough to infer a contract from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from touchline.contracts import compile_contract
from touchline.contracts.parse import parse_column
from touchline.errors import SourceFileMissing, SourceFileUnreadable
from touchline.ingest.providers.csv_files import CsvFiles
from touchline.ingest.providers.csv_text import CsvFormat, CsvRows, delimiter_of, read_csv_text, refuse_workbook
from touchline.ingest.providers.files import gunzipped
from touchline.ingest.providers.number_text import (
    NumberStyle,
    ambiguous_dots,
    has_decimal_commas,
    infer_number_style,
    with_plain_numbers,
)

if TYPE_CHECKING:
    from touchline.ingest.spec import Source

_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_LONG_BOMS = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_UNUSED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
# Letters with accents stand alone or in pairs in Western texts.
_WESTERN_RUN = 2
_PARQUET = b"PAR1"
_WIDE_NUMBERS = (pl.UInt64, pl.Int128, pl.UInt128)


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
    content = _content(path)
    if content.startswith(_PARQUET):
        return FileSample(_flat_table(path), "ParquetFiles", {})
    text = gunzipped(content, path.name, path.name)
    rows, inferred = _text_rows(text, path, CsvFiles.model_fields["null_values"].default)
    rows = rows.without_headers()
    usual = {"delimiter": ",", "encoding": "utf-8"}
    arguments = {name: value for name, value in inferred.items() if value != usual[name]}
    numbers = _number_styles(rows.frame)
    plain = with_plain_numbers(rows.frame, numbers)
    unsure = {column.name: ambiguous_dots(column) for column in rows.frame.iter_columns() if column.name not in numbers}
    notes = (*_encoding_notes(rows.frame, arguments), *_notes(rows, numbers), *_unsure_notes(unsure))
    return FileSample(plain, "CsvFiles", arguments, notes, numbers)


@dataclass(frozen=True)
class DeclaredRows:
    """The rows of a file under the names of the contracts: with values as they are written, and as sources declare."""

    written: pl.DataFrame
    declared: pl.DataFrame


def read_as_declared(path: Path, sources: Sequence[Source]) -> DeclaredRows:
    """The rows of a file under the names of the contracts, its nulls, numbers and times read as the sources declare.

    Declared times are in ISO spelling, booleans true or false; a value that is none stays as it is. `prepare` is not
    run: it may need columns that rows to predict lack.
    """
    content = _content(path)
    if content.startswith(_PARQUET):
        written = frame = pl.read_parquet(path)
    else:
        texts = gunzipped(content, path.name, path.name)
        declared = [source.provider for source in sources if isinstance(source.provider, CsvFiles)]
        nulls = {word for provider in declared for word in provider.null_values}
        rows, _ = _text_rows(texts, path, tuple(nulls) or CsvFiles.model_fields["null_values"].default)
        styles = {name: style for provider in declared for name, style in provider.numbers.items()}
        written = rows.frame
        frame = with_plain_numbers(written, styles if declared else _number_styles(written))
    for source in sources:
        written = _with_contract_names(written, source)
        frame = _with_plain_values(_with_contract_names(frame, source), source)
    return DeclaredRows(written, frame)


def _with_contract_names(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    names: Mapping[str, str] = getattr(source.provider, "rename", {})
    # A name may be a column's new one and another's old one; a file that has the new ones already keeps them.
    used = {old: new for old, new in names.items() if old in frame.columns}
    return frame.rename({old: new for old, new in used.items() if new not in frame.columns or new in used})


def _with_plain_values(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Times in ISO spelling, and booleans, which a source may write as yes and no, as true and false."""
    for name, spec in compile_contract(source.contract).fields.items():
        if name not in frame.columns or spec.kind not in ("date", "datetime", "bool"):
            continue
        given = frame[name]
        values = parse_column(spec, given, source.zone).values
        if spec.kind == "bool":
            texts = values.cast(pl.String).alias(name)
        else:
            texts = values.dt.strftime("%Y-%m-%d" if spec.kind == "date" else "%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
        frame = frame.with_columns(texts.zip_with(values.is_not_null() | given.is_null(), given.cast(pl.String)))
    return frame


def _flat_table(path: Path) -> pl.DataFrame:
    """The table of a Parquet file whose columns hold single values. Raises `SourceFileUnreadable` for others."""
    frame = pl.read_parquet(path)
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested() or dtype in (pl.Binary, pl.Object)]
    if nested:
        reason = f"its column {nested[0]!r} holds {frame.schema[nested[0]]}, not single values"
        raise SourceFileUnreadable(
            path.stem, path.name, reason, "Write it without the column, or as columns of numbers or texts."
        )
    for name, dtype in frame.schema.items():
        if dtype in (pl.Duration, pl.Time):
            reason, step = f"its column {name!r} holds {dtype}", "Write it as a number of seconds, or as text."
            raise SourceFileUnreadable(path.stem, path.name, reason, step)
        if dtype in _WIDE_NUMBERS and frame[name].cast(pl.Int64, strict=False).null_count() > frame[name].null_count():
            reason, step = f"its column {name!r} holds whole numbers beyond 2^63", "Write them as text."
            raise SourceFileUnreadable(path.stem, path.name, reason, step)
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise SourceFileMissing(path.name, str(path), Path.cwd())
    return path.read_bytes()


def _text_rows(text: bytes, path: Path, null_values: tuple[str, ...]) -> tuple[CsvRows, dict[str, str]]:
    """The rows of a delimited text, and the delimiter and the encoding that were inferred."""
    refuse_workbook(text, name=path.name, table=path.stem)
    encoding = _encoding(text, path.name)
    form = CsvFormat(None, encoding, null_values, frozenset())
    rows = read_csv_text(text, form, name=path.name, table=path.stem)
    return rows, {"delimiter": delimiter_of(text, encoding), "encoding": encoding}


def _number_styles(frame: pl.DataFrame) -> dict[str, NumberStyle]:
    is_decimal_comma = any(has_decimal_commas(column) for column in frame.iter_columns())
    styles = {
        column.name: infer_number_style(column, is_decimal_comma=is_decimal_comma) for column in frame.iter_columns()
    }
    return {name: style for name, style in styles.items() if style is not None}


def _encoding(text: bytes, name: str) -> str:
    """UTF-16 and UTF-32 only with a mark or zero bytes, UTF-8 where all of it is, else the Western one-byte encoding.

    Raises `SourceFileUnreadable` for texts that are neither: no rule tells the encodings of other scripts apart.
    """
    if text.startswith(_LONG_BOMS):
        return "utf-32"
    if text.startswith(_WIDE_BOMS):
        return "utf-16"
    begin = text[:1000]
    if begin.count(b"\0") >= len(begin) // 4 > 0:
        return "utf-16-le" if text[1:2] == b"\0" else "utf-16-be"
    if b"\0" in text:
        line = text.count(b"\n", 0, text.index(b"\0")) + 1
        raise SourceFileUnreadable(Path(name).stem, name, f"line {line} holds a zero byte", "Remove it.")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as wrong:
        _validate_western(text, name, wrong)
        # The bytes that cp1252 leaves out are control characters in latin-1: such a text is neither.
        return "cp1252"
    return "utf-8"


def _validate_western(text: bytes, name: str, wrong: UnicodeDecodeError) -> None:
    runs = _BEYOND_ASCII.findall(text)
    others = [run for run in runs if not _is_utf8(run)]
    line = text.count(b"\n", 0, wrong.start) + 1
    is_unused = any(byte in _UNUSED_IN_CP1252 for run in others for byte in run)
    if is_unused or 2 * sum(len(run) > _WESTERN_RUN for run in others) > len(others):
        raise SourceFileUnreadable(
            Path(name).stem,
            name,
            f"it is neither UTF-8 nor a Western European encoding (first in line {line})",
            "Save it as UTF-8, for example with `iconv -f ENCODING -t UTF-8` (Cyrillic: CP1251, Chinese: GB18030, "
            "Japanese: CP932).",
        ) from wrong
    if len(others) < len(runs):
        reason = f"it mixes UTF-8 with another encoding (first in line {line})"
        raise SourceFileUnreadable(Path(name).stem, name, reason, "Write it again in one encoding.") from wrong


def _is_utf8(run: bytes) -> bool:
    try:
        run.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _encoding_notes(frame: pl.DataFrame, arguments: Mapping[str, str]) -> Iterator[str]:
    """The encoding that was found where it is one byte a letter, with a text that shows whether it is right."""
    if arguments.get("encoding") != "cp1252":
        return
    texts = (text for column in frame.iter_columns() for text in (column.name, *column.drop_nulls().unique()))
    example = next((text for text in texts if not text.isascii()), "")
    yield f"the file is read as {arguments['encoding']}, as in {example!r}; correct encoding= if letters are wrong"


def _unsure_notes(examples: Mapping[str, str | None]) -> Iterator[str]:
    for name, value in examples.items():
        if value is not None:
            yield (
                f"{value} in {name!r} is read as a number with decimals; if its dot groups thousands, declare "
                f'numbers={{"{name}": "1.234,56"}}'
            )


def _notes(rows: CsvRows, numbers: Mapping[str, NumberStyle]) -> Iterator[str]:
    for name, style in numbers.items():
        yield f"numbers of {name!r} are read as {style}, signs such as $ and % aside; correct numbers= if needed"
    if rows.headers:
        yield f"rows that repeat the header ({rows.headers}) are left out, here and by ingest"
    if rows.nameless:
        yield f"{rows.nameless} columns without a name hold nothing and are dropped"
    if rows.broken.height:
        first = rows.broken["value"][0]
        yield (
            f"{rows.broken.height} of {rows.broken.height + rows.frame.height} lines could not be read as rows "
            f"(first: {first}); ingest counts them as rejected"
        )
