"""JSON records as columns: nested objects flattened with dots, mixed values as text."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl


def at_path(body: Any, path: str) -> Any:
    """The value at a dotted path; None where the path ends early."""
    for part in filter(None, path.split(".")):
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    return body


def json_page(body: Any, path: str) -> list[dict[str, Any]]:
    """The list of records at a path; raises `KeyError` when there is none."""
    found = at_path(body, path)
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise KeyError(path)
    return found


def rows_of(records: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a record, in the order of keys as they first appear.

    >>> rows_of([{"id": 1, "team": {"name": "A"}}, {"id": 2}]).columns
    ['id', 'team.name']
    """
    flat = [_flat(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    return pl.DataFrame([_column(name, [record.get(name) for record in flat]) for name in names])


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = orjson.dumps(value).decode() if isinstance(value, list) else value
    return flat


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if len(kinds) > 1:
        return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)
    return pl.Series(name, values) if kinds else pl.Series(name, values, dtype=pl.Null)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
