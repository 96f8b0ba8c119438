"""A declared field over a whole column: its values as the model reads them, and which of them do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from touchline.registry import InputField

if TYPE_CHECKING:
    import polars as pl

Faults = Iterator[tuple["pl.Series", str]]
_WITH_ZONE = r"^\d{4}-\d\d-\d\d[Tt ].*([Zz]|[+-]\d\d:?\d\d)$"
_SIGNS = {"minimum": "<", "maximum": ">", "exclusiveMinimum": "<=", "exclusiveMaximum": ">="}


def read_column(field: InputField, given: pl.Series) -> tuple[pl.Series, list[tuple[pl.Series, str]]]:
    """The column typed, text read as what the field declares, and per fault a mask and words. A null is no value."""
    schema, is_nullable = _where_not_null(field.schema)
    if schema.get("default") is not None:
        given = given.fill_null(_as_in(given, schema["default"]))
    typed, faults = _READERS.get(_kind(schema), _as_it_is)(given, schema)
    is_bad = [(given.is_not_null() & typed.is_null(), faults), *_beyond(typed, schema)]
    if field.is_required and not is_nullable:
        is_bad.insert(0, (given.is_null(), "missing"))
    return typed, is_bad


def read_instants(given: pl.Series) -> pl.Series:
    """Instants in UTC, microseconds, from values with a zone: ISO 8601 text, or typed. All else is null, as in HTTP."""
    import polars as pl

    if given.dtype == pl.String:
        zoned = given.str.contains(_WITH_ZONE)
        return given.set(~zoned.fill_null(True), None).str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if getattr(given.dtype, "time_zone", None) is None:
        return pl.Series(given.name, [None] * len(given), dtype=pl.Datetime("us", "UTC"))
    return given.cast(pl.Datetime("us", given.dtype.time_zone)).dt.convert_time_zone("UTC")  # type: ignore[attr-defined]


def _where_not_null(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    is_nullable = len(options) < len(schema.get("anyOf", [schema]))
    chosen = options[0] if options else {}
    return {**chosen, **({"default": schema["default"]} if "default" in schema else {})}, is_nullable


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return "enum"
    return "instant" if schema.get("format") == "date-time" else str(schema.get("type"))


def _as_in(given: pl.Series, default: Any) -> Any:
    import polars as pl

    if given.dtype != pl.String:
        return default
    return str(default).lower() if isinstance(default, bool) else str(default)


def _as_it_is(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:  # noqa: ARG001
    return given, ""


def _numbers(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:
    import polars as pl

    if given.dtype == pl.Boolean:
        given = pl.Series(given.name, [None] * len(given), dtype=pl.Float64)
    found = given.cast(pl.Float64, strict=False)
    fits = found.is_finite()
    if schema.get("type") == "integer":
        is_int64 = given.cast(pl.Int64, strict=False).is_not_null() & (not given.dtype.is_float())
        fits &= is_int64 | ((found == found.floor()) & found.is_between(-(2.0**63), 2.0**63, closed="left"))
    word = "a whole number" if schema.get("type") == "integer" else "a number"
    return found.set(~fits.fill_null(True), None), f"not {word}"


def _truths(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:  # noqa: ARG001
    import polars as pl

    if given.dtype == pl.String:
        given = given.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    found = given if given.dtype == pl.Boolean else pl.Series(given.name, [None] * len(given), dtype=pl.Boolean)
    return found, "not true or false"


def _texts(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:
    import polars as pl

    if given.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return pl.Series(given.name, [None] * len(given), dtype=pl.String), "not text"
    found = given.cast(pl.String)
    fits = found.str.len_chars().is_between(schema.get("minLength", 0), schema.get("maxLength", 10_000))
    fits &= ~found.str.contains("\0", literal=True)
    if "pattern" in schema:
        fits &= found.str.contains(schema["pattern"])
    return found.set(~fits.fill_null(True), None), "not text as declared"


def _levels(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:
    import polars as pl

    allowed = schema.get("enum") or [schema["const"]]
    words = f"not one of {', '.join(map(str, allowed))}"
    kind = pl.String if any(isinstance(level, str) for level in allowed) else pl.Float64
    found = given.cast(kind, strict=False)
    if kind == pl.Float64:
        found = found.set(~found.is_in([float(level) for level in allowed]).fill_null(True), None)
        return (found.cast(pl.Int64) if all(isinstance(level, int) for level in allowed) else found), words
    return found.set(~found.is_in([str(level) for level in allowed]).fill_null(True), None), words


def _instants(given: pl.Series, schema: Mapping[str, Any]) -> tuple[pl.Series, str]:  # noqa: ARG001
    return read_instants(given), "not an instant with a zone (ISO 8601)"


_READERS = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": _truths,
    "string": _texts,
    "enum": _levels,
    "instant": _instants,
}


def _beyond(typed: pl.Series, schema: Mapping[str, Any]) -> Faults:
    if schema.get("type") not in ("number", "integer"):
        return
    for key, sign in _SIGNS.items():
        if key in schema:
            bound = float(schema[key])
            tests = {"<": typed < bound, ">": typed > bound, "<=": typed <= bound, ">=": typed >= bound}
            yield tests[sign], f"{key} is {schema[key]}"
    if "multipleOf" in schema:
        step = schema["multipleOf"]
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
