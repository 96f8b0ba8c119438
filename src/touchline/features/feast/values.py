"""Feast's protobuf values as packed rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.value_type import ValueType

from touchline.errors import FeatureTypeMoved
from touchline.features.vectors.packed_row import Layout
from touchline.features.vectors.served_view import ViewKeys, entity_key, view_keys
from touchline.features.vectors.watermark import micros

# The packed kind of a Feast type and the field of its value; every other type travels serialized.
_KINDS: dict[ValueType, tuple[str, str]] = {
    ValueType.DOUBLE: ("float", "double_val"),
    ValueType.FLOAT: ("float", "float_val"),
    ValueType.INT64: ("int", "int64_val"),
    ValueType.INT32: ("int", "int32_val"),
    ValueType.BOOL: ("bool", "bool_val"),
    ValueType.STRING: ("str", "string_val"),
    ValueType.BYTES: ("bytes", "bytes_val"),
    ValueType.UNIX_TIMESTAMP: ("timestamp", "unix_timestamp_val"),
}
_SECOND = 1_000_000
VERSION_TAG: Final = "touchline.feature_version"


class FeastLayout:
    """The packed layout of one Feast feature view: the same bytes as the view it was made from by `to_feast()`."""

    def __init__(
        self, project: str, name: str, version: str, fields: tuple[tuple[str, ValueType], ...], keys: Any
    ) -> None:
        self.names = [feature for feature, _ in fields]
        self.fields = [(feature, kind.value) for feature, kind in fields]
        kinds = [_KINDS.get(kind, ("proto", "")) for _, kind in fields]
        self.layout = Layout(name, [(feature, kind) for feature, (kind, _) in zip(self.names, kinds, strict=True)])
        self.keys: ViewKeys = view_keys(project, name, version or f"{self.layout.id:08x}")
        self._fields = [(kind, field) for kind, field in kinds]
        self._join_keys: tuple[str, ...] = keys

    def key(self, entity: EntityKey) -> bytes:
        """The online key of an entity, its join keys in the view's order."""
        values = dict(zip(entity.join_keys, entity.entity_values, strict=True))
        names = [name for name in self._join_keys if name in values] or sorted(values)
        plain = [_plain_key(values[name]) for name in names]
        types = ["int" if isinstance(value, int) else "str" for value in plain]
        return self.keys.rows + entity_key(self.layout.view, names, types, plain)

    def pack(self, values: Mapping[str, Value], event: datetime, created: datetime | None) -> tuple[int, bytes]:
        """The instant from which the values are known (its event without a created time), and the packed row."""
        happened = micros(_aware(event))
        known = micros(_aware(created)) if created is not None else happened
        pairs = zip(self.names, self._fields, strict=True)
        row = [self._packed(name, kind, field, values.get(name)) for name, (kind, field) in pairs]
        return max(happened, known), self.layout.pack(happened, known, row)

    def values(self, row: Sequence[Any], feature_names: Sequence[str]) -> dict[str, Value]:
        """Protobuf values of the wanted features; a null is a value without content."""
        found = {}
        for name, (kind, field), value in zip(self.names, self._fields, row, strict=True):
            if name in feature_names:
                found[name] = _proto(kind, field, value)
        return found

    def _packed(self, name: str, kind: str, field: str, value: Value | None) -> Any:
        case = value.WhichOneof("val") if value is not None else None
        if value is None or case is None or case == "null_val":
            return None
        if kind == "proto":
            return value.SerializeToString()
        if case != field:
            raise FeatureTypeMoved(self.layout.view, name, case, field)
        content = getattr(value, field)
        return content * _SECOND if kind == "timestamp" else content


@lru_cache(1024)
def _layout(
    project: str, name: str, version: str, fields: tuple[tuple[str, ValueType], ...], keys: tuple[str, ...]
) -> FeastLayout:
    return FeastLayout(project, name, version, fields, keys)


def feast_layout(project: str, view: Any) -> FeastLayout:
    """The layout of a Feast view."""
    return layout_of(project, view, [(field.name, field.dtype.to_value_type().value) for field in view.features])


def layout_of(project: str, view: Any, fields: Iterable[tuple[str, int]]) -> FeastLayout:
    """The layout that a Feast view has, or had, with these fields: names and numbers of Feast's value types."""
    typed = tuple((name, ValueType(number)) for name, number in fields)
    keys = tuple(column.name for column in view.entity_columns)
    return _layout(project, view.name, feature_version(view), typed, keys)


def feature_version(view: Any) -> str:
    """The version of a view that touchline made; empty for any other view."""
    return str((view.tags or {}).get(VERSION_TAG, ""))


def _proto(kind: str, field: str, value: Any) -> Value:
    if value is None:
        return Value()
    if kind == "proto":
        parsed: Value = Value.FromString(value)
        return parsed
    return Value(**{field: value // _SECOND if kind == "timestamp" else value})


def _plain_key(value: Value) -> str | int:
    case = value.WhichOneof("val")
    if case in ("int64_val", "int32_val"):
        return int(getattr(value, case))
    if case == "string_val":
        return str(value.string_val)
    return str(value.SerializeToString().hex())


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
