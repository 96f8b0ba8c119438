"""The JSON Schema of a request row: entity keys, and inputs that the model reads unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchline.features import ColumnSpec
from touchline.training import Task

Contracts = Sequence[dict[str, Any]]

_KINDS = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


def request_schema(project: str, task: Task, columns: Sequence[ColumnSpec]) -> dict[str, Any]:
    """The schema; limits and notes come from the contract where an input has the name of a source's column."""
    known = {column.name: column for column in columns}
    contracts = [_with_zone(source.contract.model_json_schema(), source.zone) for source in task.examples.sources]
    properties = {name: _key(task, name, contracts) for name in task.entity_columns}
    properties |= {name: _input(name, known.get(name), contracts) for name in task.inputs if name not in properties}
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


def _input(name: str, column: ColumnSpec | None, contracts: Contracts) -> dict[str, Any]:
    declared = _declared(name, contracts)
    if declared is not None:
        return declared
    if column is None or column.kind == "number":
        return {"anyOf": [{"type": "number"}, {"type": "null"}]}
    return {"anyOf": [{"type": "string"}, {"type": "null"}], "examples": list(column.levels[:20])}


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
