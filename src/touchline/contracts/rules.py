"""A field's rules as dataframely columns, each with the sentence a person reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import dataframely as dy
import polars as pl

from touchline.contracts.fields import FieldSpec

Check = Callable[[pl.Expr], pl.Expr]
_SHOWN_LEVELS = 6


def field_checks(spec: FieldSpec) -> dict[str, Check]:
    """The sentence and the expression of every rule a value of this field keeps; nulls pass."""
    checks = {}
    for name, bound in spec.constraints:
        sentence, check = _BUILD[name](_bound(bound))
        checks[f"{spec.name} {sentence}"] = check
    if spec.levels:
        shown = ", ".join(repr(level) for level in spec.levels[:_SHOWN_LEVELS])
        more = f" or {len(spec.levels) - _SHOWN_LEVELS} more" if len(spec.levels) > _SHOWN_LEVELS else ""
        checks[f"{spec.name} is one of {shown}{more}"] = _is_in(spec.levels)
    if spec.kind == "float":
        checks[f"{spec.name} is finite"] = lambda values: values.is_finite()
    return checks


def dataframely_column(spec: FieldSpec, checks: dict[str, Check]) -> dy.Column:
    """The column that dataframely evaluates; rules are numbered in the order of `checks`."""
    numbered: dict[str, Check] = {f"r{index}": check for index, check in enumerate(checks.values())}
    shared: dict[str, Any] = {"alias": spec.name, "nullable": spec.nullable, "check": numbered or None}
    if spec.kind == "datetime":
        return dy.Datetime(time_unit="us", time_zone="UTC", **shared)
    if spec.kind == "float":
        return dy.Float64(allow_inf=True, allow_nan=True, **shared)
    plain: dict[str, type[dy.Column]] = {"bool": dy.Bool, "int": dy.Int64, "str": dy.String, "date": dy.Date}
    return plain[spec.kind](**shared)


def _bound(bound: Any) -> Any:
    """A naive bound on an instant is read as UTC."""
    if isinstance(bound, datetime) and bound.tzinfo is None:
        return bound.replace(tzinfo=UTC)
    return bound


def _shown(bound: Any) -> str:
    return bound.isoformat() if isinstance(bound, (date, datetime)) else str(bound)


def _is_in(levels: tuple[Any, ...]) -> Check:
    return lambda values: values.is_in(list(levels))


def _multiple_of(step: float) -> Check:
    if isinstance(step, int):
        return lambda values: values % step == 0

    # Pydantic's tolerance: a billionth of the value.
    def check(values: pl.Expr) -> pl.Expr:
        rest, slack = (values % step).abs(), values.abs() / 1e9
        return (rest <= slack) | ((rest - abs(step)).abs() <= slack)

    return check


_BUILD: dict[str, Callable[[Any], tuple[str, Check]]] = {
    "ge": lambda bound: (f">= {_shown(bound)}", lambda values: values >= bound),
    "gt": lambda bound: (f"> {_shown(bound)}", lambda values: values > bound),
    "le": lambda bound: (f"<= {_shown(bound)}", lambda values: values <= bound),
    "lt": lambda bound: (f"< {_shown(bound)}", lambda values: values < bound),
    "multiple_of": lambda step: (f"is a multiple of {step}", _multiple_of(step)),
    "min_length": lambda size: (f"has at least {size} characters", lambda values: values.str.len_chars() >= size),
    "max_length": lambda size: (f"has at most {size} characters", lambda values: values.str.len_chars() <= size),
    "pattern": lambda form: (f"matches {_pattern(form)!r}", lambda values: values.str.contains(_pattern(form))),
}


def _pattern(form: Any) -> str:
    return str(getattr(form, "pattern", form))
