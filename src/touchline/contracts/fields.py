"""A contract's fields, read from its Pydantic model; what cannot be checked in bulk is refused here."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import GroupedMetadata
from pydantic import AwareDatetime, NaiveDatetime, PydanticUndefinedAnnotation, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from touchline.contracts.contract import Contract, DateFormat
from touchline.contracts.json_text import nfc
from touchline.errors import InvalidContract

Kind = Literal["bool", "int", "float", "str", "datetime", "date"]
Scalar = bool | int | float | str | datetime | date

_KINDS: dict[Any, Kind] = {bool: "bool", int: "int", float: "float", str: "str", datetime: "datetime", date: "date"}
_CONSTRAINTS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")
_NEUTRAL = ("allow_inf_nan",)
# Settings of a model that change which values pass and have no columnar twin.
_REFUSED_CONFIG = ("str_to_lower", "str_to_upper", "str_strip_whitespace", "str_min_length", "str_max_length", "strict")
_SUPPORTED = "bool, int, float, str, datetime, date, Literal, Enum and any of them | None"


@dataclass(frozen=True)
class FieldSpec:
    """One column: its kind, whether nulls may be in it, and the rules its values keep."""

    name: str
    kind: Kind
    nullable: bool
    required: bool
    default: Any
    levels: tuple[Scalar, ...]
    constraints: tuple[tuple[str, Any], ...]
    formats: tuple[str, ...]
    zone: Literal["any", "aware", "naive"]


@dataclass(frozen=True)
class _Annotation:
    type: Any
    nullable: bool
    metadata: tuple[Any, ...]


def read_fields(contract: type[Contract]) -> dict[str, FieldSpec]:
    """The contract's columns; raises `InvalidContract` for anything a bulk check would have to ignore."""
    if not contract.__pydantic_complete__:
        _complete(contract)
    _refuse_validators(contract)
    return {name: _read_field(contract, name, info) for name, info in contract.model_fields.items()}


def place_of(contract: type[Contract], field: str | None = None) -> tuple[str, int | None]:
    """The file and line a contract, or one of its fields, is written in."""
    try:
        file = inspect.getsourcefile(contract) or contract.__module__
        lines, start = inspect.getsourcelines(contract)
    except (OSError, TypeError):
        return contract.__module__, None
    for offset, line in enumerate(lines):
        if field is not None and line.strip().startswith((f"{field}:", f"{field} :")):
            return str(Path(file)), start + offset
    return str(Path(file)), start


def refuse(contract: type[Contract], field: str | None, what: str, next_step: str) -> InvalidContract:
    """The error that names contract, field, file and line."""
    file, line = place_of(contract, field)
    return InvalidContract(contract.__name__, field, file=file, line=line, what=what, next_step=next_step)


def _complete(contract: type[Contract]) -> None:
    try:
        contract.model_rebuild()
    except (PydanticUndefinedAnnotation, NameError) as unknown:
        raise refuse(
            contract, None, f"a type is not defined ({unknown})", "Import it where the contract is."
        ) from unknown


def _refuse_validators(contract: type[Contract]) -> None:
    decorators = contract.__pydantic_decorators__
    functions = {
        **decorators.validators,
        **decorators.field_validators,
        **decorators.root_validators,
        **decorators.model_validators,
        **decorators.computed_fields,
    }
    for name in functions:
        raise refuse(
            contract,
            None,
            f"{name!r} is a Pydantic validator or computed field, which cannot run on a million rows",
            "Write it as @row_check (an expression over the columns) or @dataset_check.",
        )
    for key in _REFUSED_CONFIG:
        if contract.model_config.get(key):
            raise refuse(contract, None, f"model_config {key!r} has no columnar form", "Remove it.")
    if contract.model_config.get("extra") != "forbid":
        raise refuse(contract, None, "model_config lets unknown columns pass", "Leave extra='forbid'.")


def _read_field(contract: type[Contract], name: str, info: FieldInfo) -> FieldSpec:
    if info.alias or info.validation_alias:
        raise refuse(
            contract, name, "it has an alias", "Rename the column in the provider: rename={'source': 'field'}."
        )
    if info.default_factory is not None:
        raise refuse(contract, name, "it has a default_factory", "Give a constant default.")
    annotation = _unwrap(contract, name, _Annotation(info.annotation, False, tuple(info.metadata)))
    kind, levels, zone = _kind(contract, name, annotation.type)
    constraints, formats = _constraints(contract, name, kind, annotation.metadata)
    default = None if info.default is PydanticUndefined else info.default
    return FieldSpec(
        name=name,
        kind=kind,
        nullable=annotation.nullable,
        required=info.is_required(),
        default=default.value if isinstance(default, Enum) else default,
        levels=tuple(nfc(level) if isinstance(level, str) else level for level in levels),
        constraints=constraints,
        formats=formats,
        zone=zone,
    )


def _unwrap(contract: type[Contract], name: str, unwrapped: _Annotation) -> _Annotation:
    origin = get_origin(unwrapped.type)
    if origin is Annotated:
        inner, *metadata = get_args(unwrapped.type)
        return _unwrap(contract, name, _Annotation(inner, unwrapped.nullable, (*metadata, *unwrapped.metadata)))
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(unwrapped.type) if member is not type(None)]
        nullable = len(members) < len(get_args(unwrapped.type))
        if len(members) != 1:
            raise refuse(contract, name, f"{unwrapped.type} is several types", f"Use one of {_SUPPORTED}.")
        return _unwrap(contract, name, _Annotation(members[0], unwrapped.nullable or nullable, unwrapped.metadata))
    return unwrapped


def _kind(
    contract: type[Contract], name: str, annotation: Any
) -> tuple[Kind, tuple[Scalar, ...], Literal["any", "aware", "naive"]]:
    if annotation is AwareDatetime:
        return "datetime", (), "aware"
    if annotation is NaiveDatetime:
        return "datetime", (), "naive"
    if annotation in _KINDS:
        return _KINDS[annotation], (), "any"
    levels = _levels(contract, name, annotation)
    if levels is None:
        shown = getattr(annotation, "__name__", str(annotation))
        raise refuse(contract, name, f"the type {shown!r} cannot be checked in bulk", f"Use one of {_SUPPORTED}.")
    kinds = {type(level) for level in levels}
    if len(kinds) != 1 or kinds <= {float, datetime, date} or not kinds <= set(_KINDS):
        raise refuse(contract, name, f"its levels {levels} are not all text, or all whole numbers", "Use one kind.")
    return _KINDS[kinds.pop()], levels, "any"


def _levels(contract: type[Contract], name: str, annotation: Any) -> tuple[Scalar, ...] | None:
    if get_origin(annotation) is Literal:
        levels = get_args(annotation)
        if None in levels:
            raise refuse(contract, name, "None is one of its levels", "Write Literal[...] | None.")
        return tuple(level.value if isinstance(level, Enum) else level for level in levels)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    return None


def _constraints(
    contract: type[Contract], name: str, kind: Kind, metadata: tuple[Any, ...]
) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
    unwrapped: list[tuple[str, Any]] = []
    formats: tuple[str, ...] = ()
    for item in metadata:
        if isinstance(item, DateFormat):
            formats = item.formats
            continue
        for key, value in _pairs(item):
            if key not in _CONSTRAINTS:
                raise refuse(
                    contract,
                    name,
                    f"{key!r} cannot be checked in bulk",
                    f"Use {', '.join(_CONSTRAINTS)}, or write a @row_check.",
                )
            unwrapped.append((key, value))
    if formats and kind not in ("date", "datetime"):
        raise refuse(contract, name, f"DateFormat is given for a column of {kind}", "Use it on date and datetime.")
    return tuple(unwrapped), formats


def _pairs(item: Any) -> Iterator[tuple[str, Any]]:
    """The constraints one piece of metadata stands for; an unknown kind gives its own name."""
    if isinstance(item, FieldInfo):
        for inner in item.metadata:
            yield from _pairs(inner)
    elif isinstance(item, StringConstraints):
        yield from _given({key: getattr(item, key) for key in item.__dataclass_fields__})
    elif isinstance(item, GroupedMetadata):
        for inner in item:
            yield from _pairs(inner)
    else:
        values = _attributes(item)
        named = {key: value for key, value in values.items() if key in _CONSTRAINTS}
        yield from _given(values if named or isinstance(values.get("strict"), bool) else {type(item).__name__: True})


def _attributes(item: Any) -> dict[str, Any]:
    if hasattr(item, "__dataclass_fields__"):
        return {key: getattr(item, key) for key in item.__dataclass_fields__}
    return dict(getattr(item, "__dict__", {}))


def _given(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if value is None or value is False or key in _NEUTRAL:
            continue
        yield key, value
