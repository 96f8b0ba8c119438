"""A row whose fields are all given in their plainest form, decoded and checked in one pass over its bytes.

Most requests are such rows. Any other is read, and refused with its reasons, by the models of `request_fields`, which
take three times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

from touchline.contracts.json_text import LARGEST_EXACT
from touchline.registry import LoadedRelease
from touchline.serving.predicting.declared_field import (
    LARGEST_INTEGER,
    LONGEST_TEXT,
    SMALLEST_INTEGER,
    DeclaredField,
    declared_field,
)
from touchline.serving.predicting.request_fields import LONGEST_KEY, KeyField
from touchline.serving.predicting.scored_row import Row

_BOUNDS: Final = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
_LENGTHS: Final = {"minLength": "min_length", "maxLength": "max_length"}


class PlainRows:
    """The plain rows of one release: each key and each input is there once, as its contract declares it."""

    def __init__(self, release: LoadedRelease, keys: Sequence[KeyField]) -> None:
        kinds = {key.name: _kind_of_key(key) for key in keys}
        fields = [declared_field(column) for column in release.inputs]
        kinds |= {field.name: _kind_of(field) for field in fields}
        self._decoder = _decoder(kinds)
        self._names = tuple(kinds)
        self._has_text = bool(keys) or any(field.type in ("string", "level") for field in fields)
        self._rest: Row = {"cutoff": None, "example_id": None} | ({"features": None} if release.views else {})

    def read(self, body: bytes) -> Row | None:
        """The checked keys and inputs of a row, in the contract's order; None where `RequestReader` must read it."""
        # Text outside ASCII, or with escapes, may be the same text in another spelling.
        if self._decoder is None or (self._has_text and (not body.isascii() or b"\\" in body)):
            return None
        try:
            row: Row = self._decoder.decode(body)
        except msgspec.MsgspecError:
            return None
        # The decoder ignores unknown keys, and of a repeated one the last counts: each key has its colon.
        if body.count(b":") != len(row):
            return None
        if tuple(row) != self._names:  # the log keeps the inputs in the order of the contract
            row = {name: row[name] for name in self._names}
        return row

    def whole(self, row: Row) -> Row:
        """The plain row as `RequestReader` gives it, with the fields that it does not have."""
        return row | self._rest


def _decoder(kinds: dict[str, Any]) -> msgspec.json.Decoder[Any] | None:
    """A decoder of objects with these fields; None where one of them has no plain form."""
    if None in kinds.values():
        return None
    return msgspec.json.Decoder(TypedDict("PlainRow", kinds))  # type: ignore[operator]  # fields known at run time


def _kind_of_key(key: KeyField) -> Any:
    if key.kind != "str" or key.levels:
        return None
    return Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_KEY)]


def _kind_of(field: DeclaredField) -> Any:
    """The type of a field's plain values, or None. A null is plain where it is allowed and stands for nothing else."""
    limits = dict(field.limits)
    kind: Any = None
    if field.type == "number":
        kind = _limited(float, limits, _BOUNDS)
    elif field.type == "integer":
        limits["minimum"] = max(limits.get("minimum", SMALLEST_INTEGER), -LARGEST_EXACT)
        limits["maximum"] = min(limits.get("maximum", LARGEST_INTEGER), LARGEST_EXACT)
        kind = _limited(int, limits, _BOUNDS)
    elif field.type == "string":
        limits["maxLength"] = min(limits.get("maxLength", LONGEST_TEXT), LONGEST_TEXT)
        kind = _limited(str, limits, _LENGTHS)
    elif field.type == "boolean" and not limits:
        kind = bool
    elif field.type == "level" and all(isinstance(level, str) for level in field.levels):
        kind = Literal[field.levels]
    return kind | None if kind is not None and field.is_nullable else kind


def _limited(kind: type, limits: dict[str, Any], names: dict[str, str]) -> Any:
    """The type within its limits; None where it has one that is not among these."""
    if not limits.keys() <= names.keys():
        return None
    return Annotated[kind, msgspec.Meta(**{names[name]: limit for name, limit in limits.items()})] if limits else kind
