"""A declared field over a whole column: its values as the model reads them, and which of them do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from touchline.contracts.fields import Kind
from touchline.contracts.instants import DATE, ZONED, parse_instant
from touchline.contracts.json_text import LARGEST_EXACT
from touchline.contracts.parse import normalized, parse_times
from touchline.errors import InvalidInstant
from touchline.serving.predicting.declared_field import LONGEST_TEXT, DeclaredField

if TYPE_CHECKING:
    import polars as pl

Faults = Iterator[tuple["pl.Series", str]]
_SIGNS = {"minimum": "<", "maximum": ">", "exclusiveMinimum": "<=", "exclusiveMaximum": ">="}


def read_column(field: DeclaredField, given: pl.Series) -> tuple[pl.Series, list[tuple[pl.Series, str]]]:
    """The column typed, text read as the type of the field, and per fault a mask and words. NaN is null."""
    if given.dtype.is_float():
        given = given.fill_nan(None)
    typed, fault = _READERS[field.type](given, field)
    is_bad = [(given.is_not_null() & typed.is_null(), fault), *_beyond(typed, field)]
    if field.is_nullable:
        return typed, is_bad
    if field.default is not None:
        return typed.zip_with(given.is_not_null(), _constant(typed, field.default)), is_bad
    if field.is_required:
        is_bad.insert(0, (given.is_null(), "missing"))
    return typed, is_bad


def _constant(like: pl.Series, value: Any) -> pl.Series:
    """A column of one value, in the type of another column."""
    import polars as pl

    return pl.Series(like.name, [value], dtype=like.dtype, strict=False).new_from_index(0, len(like))


def read_instants(given: pl.Series) -> pl.Series:
    """Instants in UTC, microseconds, from values with a zone: ISO 8601 text, or typed. All else is null, as in HTTP."""
    import polars as pl

    if given.dtype == pl.String:
        texts = given.set(~given.str.contains(ZONED).fill_null(True), None)
        found = texts.str.to_uppercase().str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        # Polars takes one spelling a column; the others are read one by one.
        found = found.set(~found.dt.year().is_between(1, 9999).fill_null(True), None)
        left = (texts.is_not_null() & found.is_null()).arg_true()
        return found.scatter(left, pl.Series([_instant(text) for text in texts.gather(left)], dtype=found.dtype))
    if getattr(given.dtype, "time_zone", None) is None:
        return pl.Series(given.name, [None] * len(given), dtype=pl.Datetime("us", "UTC"))
    return given.cast(pl.Datetime("us", given.dtype.time_zone)).dt.convert_time_zone("UTC")  # type: ignore[attr-defined]


def _instant(text: str) -> datetime | None:
    with suppress(InvalidInstant):
        return parse_instant(text)
    return None


def _as_it_is(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:  # noqa: ARG001
    return given, ""


def _numbers(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:
    import polars as pl

    if given.dtype == pl.Boolean:
        given = pl.Series(given.name, [None] * len(given), dtype=pl.Float64)
    found = given.cast(pl.Float64, strict=False)
    fits = found.is_finite()
    if field.type == "integer":
        is_int64 = given.cast(pl.Int64, strict=False).is_not_null() & (not given.dtype.is_float())
        fits &= is_int64 | ((found == found.floor()) & (found.abs() <= LARGEST_EXACT))
    word = "a whole number" if field.type == "integer" else "a number"
    return found.set(~fits.fill_null(True), None), f"not {word}"


def _truths(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:  # noqa: ARG001
    import polars as pl

    if given.dtype == pl.String:
        given = given.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    found = given if given.dtype == pl.Boolean else pl.Series(given.name, [None] * len(given), dtype=pl.Boolean)
    return found, "not true or false"


def _texts(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:
    import polars as pl

    if given.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return pl.Series(given.name, [None] * len(given), dtype=pl.String), "not text"
    found = normalized(given.cast(pl.String))
    longest = min(field.limits.get("maxLength", LONGEST_TEXT), LONGEST_TEXT)
    fits = found.str.len_chars().is_between(field.limits.get("minLength", 0), longest)
    fits &= ~found.str.contains("\0", literal=True)
    if "pattern" in field.limits:
        fits &= found.str.contains(field.limits["pattern"])
    return found.set(~fits.fill_null(True), None), "not text as declared"


def _levels(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:
    import polars as pl

    words = f"not one of {', '.join(map(str, field.levels))}"
    kind = pl.String if any(isinstance(level, str) for level in field.levels) else pl.Float64
    found = given.cast(kind, strict=False)
    if kind == pl.Float64:
        found = found.set(~found.is_in([float(level) for level in field.levels]).fill_null(True), None)
        is_whole = all(isinstance(level, int) for level in field.levels)
        return (found.cast(pl.Int64) if is_whole else found), words
    found = normalized(found)
    return found.set(~found.is_in([str(level) for level in field.levels]).fill_null(True), None), words


def _instants(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:
    return _with_spelt(given, read_instants(given), field), f"not an instant with a zone (ISO 8601){_or_forms(field)}"


def _with_spelt(given: pl.Series, times: pl.Series, field: DeclaredField) -> pl.Series:
    """The times, with those that are written as the contract's `DateFormat` says."""
    import polars as pl

    left = (given.is_not_null() & times.is_null()).arg_true()
    if not field.formats or given.dtype != pl.String or left.is_empty():
        return times
    kind: Kind = "date" if field.type == "date" else "datetime"
    return times.scatter(left, parse_times(kind, given.gather(left), field.formats, field.zone))


def _or_forms(field: DeclaredField) -> str:
    return f", nor {field.forms}" if field.formats else ""


def _days(given: pl.Series, field: DeclaredField) -> tuple[pl.Series, str]:
    import polars as pl

    found = given
    if given.dtype == pl.String:
        texts = given.set(~given.str.contains(f"^{DATE}$").fill_null(True), None)
        found = texts.str.to_date("%Y-%m-%d", strict=False)
    elif given.dtype != pl.Date:
        found = pl.Series(given.name, [None] * len(given), dtype=pl.Date)
    found = found.set(~found.dt.year().is_between(1, 9999).fill_null(True), None)
    return _with_spelt(given, found, field), f"not a day (ISO 8601){_or_forms(field)}"


_READERS = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": _truths,
    "string": _texts,
    "level": _levels,
    "instant": _instants,
    "date": _days,
    "any": _as_it_is,
}


def _beyond(typed: pl.Series, field: DeclaredField) -> Faults:
    if field.type not in ("number", "integer"):
        return
    for key, sign in _SIGNS.items():
        if key in field.limits:
            bound = float(field.limits[key])
            tests = {"<": typed < bound, ">": typed > bound, "<=": typed <= bound, ">=": typed >= bound}
            yield tests[sign], f"{key} is {field.limits[key]}"
    if "multipleOf" in field.limits:
        step = field.limits["multipleOf"]
        values = typed.drop_nulls().unique().to_list()
        yield typed.is_in([value for value in values if not _is_multiple(value, step)]), f"multipleOf is {step}"


def _is_multiple(value: float, step: float) -> bool:
    """With Pydantic's tolerance, since Pydantic checks the values that come over HTTP."""
    try:
        _multiples(step).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _multiples(step: float) -> TypeAdapter[float]:
    return TypeAdapter(Annotated[float, Field(multiple_of=step)])
