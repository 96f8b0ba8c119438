"""The JSON Schema of a request row: entity keys, and inputs that the model reads unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from touchline.features import ColumnSpec
from touchline.training import Task

Contracts = Sequence[dict[str, Any]]

_TYPES_OF_VALUES: Mapping[Any, dict[str, str]] = {
    pl.Boolean: {"type": "boolean"},
    pl.Date: {"type": "string", "format": "date"},
    pl.Datetime: {"type": "string", "format": "date-time"},
}
_KINDS = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


def request_schema(
    project: str, task: Task, columns: Sequence[ColumnSpec], rows: pl.DataFrame | None = None
) -> dict[str, Any]:
    """The schema; limits and notes come from the contract where an input has the name of a source's column.

    `rows` are those of the training set. An input that the examples changed, so that its values no longer fit the
    contract's column of that name, has the type of these values instead.
    """
    known = {column.name: column for column in columns}
    contracts = [_with_zone(source.contract.model_json_schema(), source.zone) for source in task.examples.sources]
    properties = {name: _key(task, name, contracts) for name in task.entity_columns}
    given = {} if rows is None else {name: rows[name] for name in task.inputs if name in rows.columns}
    properties |= {
        name: _input(name, known.get(name), contracts, given.get(name))
        for name in task.inputs
        if name not in properties
    }
    required = [name for name, schema in properties.items() if not _may_be_null(schema)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": project,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _key(task: Task, name: str, contracts: Contracts) -> dict[str, Any]:
    """The schema of an entity key: its kind from the view; levels, and whether it may be null, from the contract."""
    for join in task.features:
        if name in join.example_columns:
            key = join.view.join_keys[join.example_columns.index(name)]
            kind = _KINDS.get(join.view.key_types[key], "string")
            declared = _declared(name, contracts) or {}
            schema: dict[str, Any] = {"type": kind}
            for option in declared.get("anyOf", [declared]):
                levels = option.get("enum") or [option[key] for key in ("const",) if key in option]
                schema |= {"enum": levels} if levels else {}
            description = {"description": f"{join.view.entity.name}: {key}"}
            return ({"anyOf": [schema, {"type": "null"}]} if _may_be_null(declared) else schema) | description
    return {"type": "string"}


def _declared(name: str, contracts: Contracts) -> dict[str, Any] | None:
    """The schema of the column of this name in a contract of the examples' sources."""
    for schema in contracts:
        declared: dict[str, Any] | None = schema["properties"].get(name)
        if declared is not None:
            resolved: dict[str, Any] = _with_definitions(declared, schema.get("$defs", {}))
            return resolved
    return None


def _input(name: str, column: ColumnSpec | None, contracts: Contracts, values: pl.Series | None) -> dict[str, Any]:
    declared = _declared(name, contracts)
    if declared is not None and (values is None or _may_hold(declared, values)):
        return declared
    if column is not None and column.kind == "category":
        return {"anyOf": [{"type": "string"}, {"type": "null"}], "examples": list(column.levels[:20])}
    schema = (
        {"type": "number"} if values is None else _TYPES_OF_VALUES.get(values.dtype.base_type(), {"type": "number"})
    )
    nullable = {"anyOf": [schema, {"type": "null"}]}
    default = (declared or {}).get("default")
    if schema["type"] == "number" and isinstance(default, bool | int | float):
        return nullable | {"default": float(default)}
    return nullable


def _may_hold(declared: Mapping[str, Any], values: pl.Series) -> bool:
    """Whether the values, as JSON, have the type of a contract's column, and its levels where it has some."""
    options = [option for option in declared.get("anyOf", [declared]) if option.get("type") != "null"]
    return any(_option_holds(option, values.drop_nulls()) for option in options)


def _option_holds(option: Mapping[str, Any], values: pl.Series) -> bool:
    levels = option.get("enum") or [option[key] for key in ("const",) if key in option]
    if levels:
        return set(values.unique().to_list()) <= set(levels)
    kind: object = option.get("type")
    form: object = option.get("format")
    if values.is_empty() or kind not in ("boolean", "integer", "number", "string"):
        return True
    if values.dtype == pl.Boolean:
        return kind == "boolean"
    if values.dtype.is_numeric():
        return kind == "number" or (kind == "integer" and (values.dtype.is_integer() or _is_whole(values)))
    is_text = kind == "string" and form not in ("date", "date-time")
    forms = {pl.Date: form == "date", pl.Datetime: form == "date-time", pl.String: is_text}
    return forms.get(values.dtype.base_type(), is_text)


def _is_whole(values: pl.Series) -> bool:
    numbers = values.cast(pl.Float64).drop_nans()
    return bool((numbers == numbers.round()).all())


def _with_definitions(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with references resolved, so that it stands alone."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return _with_definitions(definitions[reference.rsplit("/", 1)[-1]], definitions)
        return {key: _with_definitions(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_with_definitions(value, definitions) for value in schema]
    return schema


def _with_zone(schema: Any, zone: str) -> Any:
    """The schema with the time zone of the source beside each spelling of a time."""
    if isinstance(schema, list):
        return [_with_zone(value, zone) for value in schema]
    if not isinstance(schema, dict):
        return schema
    beside = {"zone": zone} if "dateFormats" in schema and zone != "UTC" else {}
    return {key: _with_zone(value, zone) for key, value in schema.items()} | beside


def _may_be_null(schema: dict[str, Any]) -> bool:
    return "default" in schema or any(option.get("type") == "null" for option in schema.get("anyOf", ()))
