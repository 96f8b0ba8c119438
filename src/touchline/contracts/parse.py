"""Columns as they come, text or typed, turned into the contract's types.

A value that does not fit becomes null here and is reported by its position; whether nulls are allowed is the rules'
business. Text is parsed by its declared format alone: a date in another spelling is a failure, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from touchline.contracts.fields import FieldSpec, Kind

DTYPES: dict[Kind, pl.DataType] = {
    "bool": pl.Boolean(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "str": pl.String(),
    "datetime": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
_ISO_DATES = ("%Y-%m-%d",)
_ISO_NAIVE = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
_ISO_AWARE = tuple(f"{form}%#z" for form in _ISO_NAIVE[:-1])
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%b %y")
# As spreadsheets and forms write them in English, German, French, Spanish, Italian, Portuguese and Russian.
TRUE_WORDS = frozenset(
    {"true", "t", "yes", "y", "1", "1.0", "on", "ja", "j", "wahr", "oui", "vrai"}
    | {"si", "sí", "sì", "sim", "verdadero", "verdadeiro", "vero", "да"}
)
FALSE_WORDS = frozenset(
    {"false", "f", "no", "n", "0", "0.0", "off", "nein", "falsch", "non", "faux"} | {"não", "nao", "falso", "нет"}
)
_WORDS: dict[Kind, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "datetime": "an ISO date and time",
    "date": "an ISO date",
}


@dataclass(frozen=True)
class ParsedColumn:
    """A column in its contract type, and the positions whose value did not fit it."""

    values: pl.Series
    failed: pl.Series | None


def parse_column(spec: FieldSpec, raw: pl.Series, zone: str) -> ParsedColumn:
    """`raw` in the field's type; naive times are taken in `zone`, as the wall clock there shows them."""
    if raw.dtype == DTYPES[spec.kind] and spec.kind not in ("datetime", "str"):
        return _nan_as_null(spec, raw)
    if isinstance(raw.dtype, (pl.Categorical, pl.Enum)):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.Null:
        return ParsedColumn(raw.cast(DTYPES[spec.kind]), None)
    read = _TEXT[spec.kind] if raw.dtype == pl.String else _TYPED[spec.kind]
    values = read(spec, raw, zone)
    failed = raw.is_not_null() & values.is_null()
    if raw.dtype.is_float():
        failed = failed & raw.is_not_nan()
    elif raw.dtype == pl.String and spec.kind != "str" and failed.any():
        failed = failed & (raw.str.strip_chars() != "")
        if spec.kind == "float":
            failed = failed & (raw.str.strip_chars().str.to_lowercase() != "nan")
    parsed = _nan_as_null(spec, values)
    return ParsedColumn(parsed.values, failed if failed.any() else None)


def parse_time(kind: Kind, text: str, formats: tuple[str, ...], zone: str) -> Any:
    """The day or the instant that a text spells in one of the formats, read as a column is; None where it does not.

    >>> parse_time("date", "Jan 3, 2025", ("%b %d, %Y",), "UTC")
    datetime.date(2025, 1, 3)
    """
    return parse_times(kind, pl.Series([text]), formats, zone)[0]


def parse_times(kind: Kind, texts: pl.Series, formats: tuple[str, ...], zone: str) -> pl.Series:
    """The same for many texts."""
    spec = FieldSpec("time", kind, True, False, None, (), (), formats, "any")
    return parse_column(spec, texts, zone).values


def normalized(texts: pl.Series) -> pl.Series:
    """The texts in NFC; the same column, without a copy, where all is ASCII."""
    is_ascii = (texts.str.len_bytes() == texts.str.len_chars()).all()
    return texts if is_ascii else texts.str.normalize("NFC")


def plain_words(texts: pl.Series) -> pl.Series:
    """The texts without blanks around them, in lower case, and in NFKC: letters of full width are letters."""
    return texts.str.normalize("NFKC").str.strip_chars().str.to_lowercase()


def expectation(spec: FieldSpec) -> str:
    """The rule that a value which fails to parse breaks, in words."""
    if spec.formats:
        return f"{spec.name} fits {' or '.join(map(repr, spec.formats))}"
    if spec.kind == "datetime" and spec.zone == "aware":
        return f"{spec.name} is {_WORDS['datetime']} with a time zone"
    if spec.kind == "datetime" and spec.zone == "naive":
        return f"{spec.name} is {_WORDS['datetime']} without a time zone"
    return f"{spec.name} is {_WORDS[spec.kind]}"


def _nan_as_null(spec: FieldSpec, values: pl.Series) -> ParsedColumn:
    return ParsedColumn(values.fill_nan(None) if spec.kind == "float" else values, None)


# --- from text ------------------------------------------------------------------------------------


def _retry(raw: pl.Series, values: pl.Series, again: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """`values`, with `again` tried on those positions of `raw` that came out null."""
    if values.null_count() == raw.null_count():
        return values
    left = (raw.is_not_null() & values.is_null()).arg_true()
    return values.scatter(left, again(raw.gather(left).str.strip_chars()))


def _int_from_text(_spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    values = raw.cast(pl.Int64, strict=False)
    return _retry(raw, values, lambda texts: _whole(texts, texts.cast(pl.Float64, strict=False)))


def _whole(texts: pl.Series, numbers: pl.Series) -> pl.Series:
    """Spellings such as `3.0`, which tools write for whole numbers beside nulls."""
    whole = texts.cast(pl.Int64, strict=False)
    exact = numbers.is_not_null() & (numbers == numbers.round()) & (numbers.abs() <= 2**53)
    return whole.zip_with(whole.is_not_null() | ~exact.fill_null(False), numbers.cast(pl.Int64, strict=False))


def _float_from_text(_spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    return _retry(raw, raw.cast(pl.Float64, strict=False), lambda texts: texts.cast(pl.Float64, strict=False))


def _bool_from_text(_spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    words = plain_words(raw)
    known = words.is_in([*TRUE_WORDS, *FALSE_WORDS])
    return words.is_in(list(TRUE_WORDS)).zip_with(known.fill_null(False), pl.Series([None], dtype=pl.Boolean))


def _same_text(_spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    return normalized(raw)


def _date_from_text(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    first, *others = spec.formats or _ISO_DATES
    values = _strptime(raw, pl.Date(), first)
    for form in (*others, first):  # the first once more, for values with blanks around them
        values = _retry(raw, values, partial(_strptime, dtype=pl.Date(), form=form))
    return values


def _datetime_from_text(spec: FieldSpec, raw: pl.Series, zone: str) -> pl.Series:
    first, *others = _datetime_formats(spec, raw)
    values = _read_instants(raw, first, zone)
    for form in (*others, first):  # the first once more, for values with blanks around them
        values = _retry(raw, values, partial(_read_instants, form=form, zone=zone))
    return values


def _datetime_formats(spec: FieldSpec, raw: pl.Series) -> tuple[str, ...]:
    naive = tuple(form for form in spec.formats or _ISO_NAIVE if not _has_offset(form))
    aware = tuple(form for form in spec.formats or _ISO_AWARE if _has_offset(form))
    formats = {"any": naive + aware, "naive": naive, "aware": aware}[spec.zone]
    sample = raw.drop_nulls().head(1).str.strip_chars()
    fits = [form for form in formats if sample.len() and _read_instants(sample, form, "UTC").null_count() == 0]
    return (*fits[:1], *(form for form in formats if form not in fits[:1]))


def _has_offset(form: str) -> bool:
    return any(code in form for code in ("%z", "%#z", "%:z"))


def _read_instants(texts: pl.Series, form: str, zone: str) -> pl.Series:
    if _has_offset(form):
        return _strptime(texts, pl.Datetime("us", "UTC"), form)
    return _in_zone(_strptime(texts, pl.Datetime("us"), form), zone)


def _strptime(texts: pl.Series, dtype: pl.Date | pl.Datetime, form: str) -> pl.Series:
    if form in _MONTHS:  # a month is its first day; the parser needs one
        texts, form = ("1 " + texts).alias(texts.name), f"%d {form}"
    values = texts.str.strptime(dtype, form, strict=False)
    if "%Y" not in form:
        return values
    # %Y reads "05" as the year 5: a two-digit year is another format, so it must not pass.
    return values.zip_with((values.dt.year() >= 1000).fill_null(False), pl.Series([None], dtype=dtype))


def _in_zone(naive: pl.Series, zone: str) -> pl.Series:
    """Wall-clock times of a zone as UTC; an hour that clocks skip is null, one they repeat is its second.

    A row then counts as known an hour late rather than an hour early.
    """
    local = naive.dt.replace_time_zone(zone, non_existent="null", ambiguous="latest")
    return local.dt.convert_time_zone("UTC")


# --- from typed columns ---------------------------------------------------------------------------


def _nothing(spec: FieldSpec, raw: pl.Series) -> pl.Series:
    return pl.Series(raw.name, [None], dtype=DTYPES[spec.kind]).new_from_index(0, raw.len())


def _int_from_typed(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    if raw.dtype.is_integer() or raw.dtype == pl.Boolean:
        return raw.cast(pl.Int64, strict=False)
    if not raw.dtype.is_numeric():
        return _nothing(spec, raw)
    numbers = raw.cast(pl.Float64)
    whole = ((numbers == numbers.round()) & (numbers.abs() <= 2**53)).fill_null(False)
    return numbers.zip_with(whole, pl.Series([None], dtype=pl.Float64)).cast(pl.Int64, strict=False)


def _float_from_typed(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    if raw.dtype.is_numeric() or raw.dtype == pl.Boolean:
        return raw.cast(pl.Float64, strict=False)
    return _nothing(spec, raw)


def _bool_from_typed(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    if not raw.dtype.is_numeric():
        return _nothing(spec, raw)
    known = raw.is_in([0, 1]).fill_null(False)
    return (raw == 1).zip_with(known, pl.Series([None], dtype=pl.Boolean))


def _str_from_typed(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    return raw.cast(pl.String) if raw.dtype.is_integer() else _nothing(spec, raw)


def _datetime_from_typed(spec: FieldSpec, raw: pl.Series, zone: str) -> pl.Series:
    aware = isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None
    if aware and spec.zone != "naive":
        return raw.cast(pl.Datetime("us", raw.dtype.time_zone)).dt.convert_time_zone("UTC")  # type: ignore[attr-defined]
    if not aware and spec.zone != "aware" and raw.dtype in (pl.Datetime, pl.Date):
        return _in_zone(raw.cast(pl.Datetime("us")), zone)
    return _nothing(spec, raw)


def _date_from_typed(spec: FieldSpec, raw: pl.Series, _zone: str) -> pl.Series:
    if not isinstance(raw.dtype, pl.Datetime):
        return _nothing(spec, raw)
    days = raw.dt.date()
    midnight = raw.dt.truncate("1d") == raw
    return days.zip_with(midnight.fill_null(False), pl.Series([None], dtype=pl.Date))


_Reader = Callable[[FieldSpec, pl.Series, str], pl.Series]
_TEXT: dict[Kind, _Reader] = {
    "bool": _bool_from_text,
    "int": _int_from_text,
    "float": _float_from_text,
    "str": _same_text,
    "datetime": _datetime_from_text,
    "date": _date_from_text,
}
_TYPED: dict[Kind, _Reader] = {
    "bool": _bool_from_typed,
    "int": _int_from_typed,
    "float": _float_from_typed,
    "str": _str_from_typed,
    "datetime": _datetime_from_typed,
    "date": _date_from_typed,
}
