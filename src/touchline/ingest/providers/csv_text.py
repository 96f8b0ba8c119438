"""Delimited text to a frame of text columns; a line that is no row is kept apart with its reason."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from dataclasses import dataclass, replace

import polars as pl

from touchline.errors import SourceFileEmpty, SourceFileUnreadable
from touchline.ingest.providers.base import BROKEN_SCHEMA, no_broken_lines

_DELIMITERS = (",", ";", "\t", "|")
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_MANY_LINES = 20
# A value may be equal to the name of its column; in two columns it is no chance.
_LEAST_NAMES = 2
_OTHER_TEXTS = {
    "an HTML page": re.compile(rb"<(!doctype|html|head|table|\?xml)"),
    "JSON": re.compile(rb'[\[{]\s*("[^"]*"\s*:|\{|\[)'),
}
_SEPARATOR_LINE = re.compile(rb'\A"?sep=[,;\t|]"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True)
class CsvFormat:
    """The dialect of a CSV text; `known` are the expected column names."""

    delimiter: str | None
    encoding: str
    null_values: tuple[str, ...]
    column_names: frozenset[str]


@dataclass(frozen=True)
class CsvRows:
    """The rows of a text, and the lines that are none."""

    frame: pl.DataFrame
    broken: pl.DataFrame
    nameless: int = 0
    headers: int = 0

    def without_headers(self) -> CsvRows:
        """The rows without those that repeat the header, as in exports written one after another; `headers` of them."""
        named = [name for name in self.frame.columns if name.strip()]
        alike = self.frame.filter(pl.col(named[0]) == named[0].strip())
        if len(named) < _LEAST_NAMES or alike.is_empty():
            return self
        # A name such as `NA` is null in the row; so is the name of a column that has none.
        is_header = pl.all_horizontal(pl.col(name).fill_null(name.strip()) == name.strip() for name in named[1:])
        is_header &= pl.col(named[0]) == named[0].strip()
        frame = self.frame.filter(~is_header)
        return replace(self, frame=frame, headers=self.frame.height - frame.height)


def read_csv_text(content: bytes, form: CsvFormat, *, name: str, table: str) -> CsvRows:
    """The rows of a delimited text; raises where no row of it can be trusted.

    A column without a name is dropped when it is empty, else called `column_N` by its place (the first keeps "").
    """
    refuse_workbook(content, name=name, table=table)
    text = _as_utf8(content, form.encoding, name=name, table=table)
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    if not text.strip():
        raise SourceFileEmpty(table, name)
    text = _without_separator_line(text)
    first_line = text[: text.find(b"\n") if b"\n" in text else len(text)].decode(errors="replace").rstrip("\r")
    delimiter = _delimiter(first_line, form, name=name, table=table)
    header = next(csv.reader([first_line], delimiter=delimiter))
    nameless = [place for place, column in enumerate(header) if not column.strip()]
    header = [f"column_{place + 1}" if place in nameless and place else column for place, column in enumerate(header)]
    repeated = [column for column, times in Counter(header).items() if times > 1]
    if repeated:
        raise SourceFileUnreadable(
            table, name, f"its header names {repeated[0]!r} {header.count(repeated[0])} times", "Name each column once."
        )
    rows = _read(text, header, delimiter, form.null_values, name=name, table=table)
    _validate_header(header, rows, name=name, table=table)
    frame = _cleaned(rows.frame, form.null_values)
    unused = [header[place] for place in nameless if frame[header[place]].null_count() == frame.height]
    return CsvRows(frame.drop(unused), rows.broken, len(unused))


def refuse_workbook(content: bytes, *, name: str, table: str) -> None:
    """Raise for a file that is a workbook or an archive, by its kind."""
    kinds = {b"PK\x03\x04": "a zip archive", b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)"}
    kind = kinds.get(content[:4])
    if kind is not None:
        kind = "an Excel workbook (.xlsx)" if b"xl/" in content else kind
        raise SourceFileUnreadable(table, name, f"it is {kind}, not text", "Save the sheet as CSV.")
    begin = content[:200].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for kind, pattern in _OTHER_TEXTS.items():
        if pattern.match(begin):
            raise SourceFileUnreadable(table, name, f"it is {kind}, not delimited text", "Save its table as CSV.")


def delimiter_of(content: bytes, encoding: str) -> str:
    """The delimiter that a text's header shows."""
    text = _without_separator_line(content.decode(encoding).removeprefix("\ufeff").encode())
    first_line = next(iter(text.decode().splitlines()), "")
    return _delimiter(first_line, CsvFormat(None, encoding, (), frozenset()), name="", table="")


def _without_separator_line(text: bytes) -> bytes:
    """The text without the line `sep=;` that Excel writes, and reads, before a header."""
    return _SEPARATOR_LINE.sub(b"", text, count=1)


def _as_utf8(content: bytes, encoding: str, *, name: str, table: str) -> bytes:
    codec = encoding.lower().replace("_", "-")
    if codec in ("utf-8", "utf8", "utf-8-sig"):
        # The fast reader takes zero bytes for text; only the wide encodings have them.
        if content[:2] in _BOMS or b"\0" in content[:1000]:
            _check_utf8(content, name=name, table=table)
        return content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except (UnicodeDecodeError, LookupError) as wrong:
        raise SourceFileUnreadable(
            table, name, f"it is not in the declared encoding {encoding!r} ({wrong})", "Declare the right encoding=."
        ) from wrong


def _check_utf8(content: bytes, *, name: str, table: str) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as wrong:
        bom = _BOMS.get(content[:2])
        line = content.count(b"\n", 0, wrong.start) + 1
        found = f"byte 0x{content[wrong.start]:02x} in line {line} is not UTF-8"
        step = f"Declare encoding={bom or 'cp1252'!r} (or the one it was written in)."
        raise SourceFileUnreadable(table, name, found, step) from wrong


def _delimiter(line: str, form: CsvFormat, *, name: str, table: str) -> str:
    def matches(delimiter: str) -> tuple[int, int]:
        fields = [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]
        return len(form.column_names.intersection(fields)), len(fields)

    best = max(_DELIMITERS, key=matches)
    if form.delimiter is None:
        return best
    if matches(form.delimiter)[0] == 0 and matches(best) > matches(form.delimiter):
        shown = line if len(line) <= 60 else line[:60] + "…"
        raise SourceFileUnreadable(
            table,
            name,
            f"delimiter {form.delimiter!r} makes {matches(form.delimiter)[1]} column(s) of its header {shown!r}",
            f"It looks separated by {best!r}: declare delimiter={best!r}.",
        )
    return form.delimiter


def _read(
    text: bytes, header: list[str], delimiter: str, null_values: tuple[str, ...], *, name: str, table: str
) -> CsvRows:
    try:
        frame = pl.read_csv(
            text, infer_schema=False, separator=delimiter, new_columns=header, null_values=list(null_values)
        )
    except pl.exceptions.ComputeError:  # not UTF-8, too many fields, or a quote in the wrong place
        _check_utf8(text, name=name, table=table)
        return _read_line_by_line(text, header, delimiter, null_values, name=name, table=table)
    if frame.height and frame[header[-1]].null_count() and _has_short_lines(text, len(header), delimiter):
        return _read_line_by_line(text, header, delimiter, null_values, name=name, table=table)
    blank = pl.all_horizontal(pl.all().is_null())
    return CsvRows(frame.filter(~blank) if frame[header[0]].null_count() else frame, no_broken_lines())


def _validate_header(header: list[str], rows: CsvRows, *, name: str, table: str) -> None:
    """Raise where most lines do not fit the first one: a title, or a header that lacks a name."""
    if rows.broken.height > rows.frame.height + 1:
        shown = ", ".join(map(repr, header[:5]))
        raise SourceFileUnreadable(
            table,
            name,
            f"{rows.broken.height} of its {rows.broken.height + rows.frame.height} lines do not fit its first line, "
            f"which is taken for the header ({shown}): {rows.broken['value'][0]}",
            "Remove titles and comments above the header, and name each column in it (R's row names too).",
        )


def _has_short_lines(text: bytes, width: int, delimiter: str) -> bool:
    """Whether a line lacks fields, which the fast reader would fill with nulls; undecided counts as yes."""
    if b'"' in text:
        return True
    lines = pl.read_csv(text, infer_schema=False, separator="\x01", quote_char=None, new_columns=["line"])
    full = lines["line"].str.count_matches(delimiter, literal=True) == width - 1
    return not (full | lines["line"].is_null()).all()


def _read_line_by_line(
    text: bytes, header: list[str], delimiter: str, null_values: tuple[str, ...], *, name: str, table: str
) -> CsvRows:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter)
    columns = next(reader)
    # A delimiter at the end of a line, in the header or in the rows alone, is no column.
    least = len(_without_empty_end(columns, 0))
    rows: list[list[str]] = []
    reasons: list[str] = []
    records: list[str] = []
    begin = reader.line_num
    for fields in reader:
        given = _without_empty_end(fields, least)
        if least <= len(given) <= len(header):
            rows.append(given + [""] * (len(header) - len(given)))
        elif fields:
            _refuse_open_quote(reader.line_num - begin, begin + 1, name=name, table=table)
            reasons.append(f"{len(fields)} fields, the header has {len(header)} ({name} line {begin + 1})")
            records.append(delimiter.join(fields))
        begin = reader.line_num
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
    frame = frame.select(pl.when(~pl.all().is_in(list(null_values))).then(pl.all()).name.keep())
    return CsvRows(frame, pl.DataFrame({"value": reasons, "record": records}, schema=BROKEN_SCHEMA))


def _without_empty_end(fields: list[str], least: int) -> list[str]:
    """The fields of a line without the empty ones at its end that lie beyond the first `least`."""
    end = len(fields)
    while end > least and not fields[end - 1].strip():
        end -= 1
    return fields[:end]


def _refuse_open_quote(lines: int, first: int, *, name: str, table: str) -> None:
    if lines > _MANY_LINES:
        raise SourceFileUnreadable(
            table, name, f"a quote opened in line {first} is not closed within {lines} lines", "Close or remove it."
        )


def _cleaned(frame: pl.DataFrame, null_values: tuple[str, ...]) -> pl.DataFrame:
    """Values without the blanks around them, null where they spell null."""
    stripped = frame.select(pl.all().str.strip_chars())
    sizes = pl.all().str.len_bytes().sum()
    if stripped.select(sizes).equals(frame.select(sizes)):  # the reader itself has seen to the nulls
        return frame
    given = pl.when(~pl.all().is_in(list(null_values))).then(pl.all())
    return stripped.select(given.name.keep())
