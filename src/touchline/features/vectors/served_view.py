"""A joined view in a release's JSON, for serving: keys, layout, TTL and fall-back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from touchline.contracts.json_text import LARGEST_EXACT, nfc
from touchline.errors import InvalidEntityKey
from touchline.features.vectors.packed_row import Layout

if TYPE_CHECKING:
    from touchline.features.declaration.types import DeclaredJoin

METADATA_PREFIX = b"tlm:"
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class ServedView:
    """One view joined to a request: which of its columns hold the entity's keys, and how its packed rows lie."""

    project: str
    view: str
    feature_version: str
    prefix: str
    request_columns: tuple[str, ...]
    join_keys: tuple[str, ...]
    key_types: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    ttl_seconds: float | None = None
    fallback: str = "null"

    @classmethod
    def of(cls, project: str, join: DeclaredJoin) -> ServedView:
        """The served form of a declared join."""
        view = join.view
        return cls(
            project=project,
            view=view.name,
            feature_version=view.feature_version,
            prefix=join.prefix,
            request_columns=join.example_columns,
            join_keys=view.entity.join_keys,
            key_types=tuple(view.key_types.values()),
            features=tuple((feature.name, feature.dtype) for feature in view.features),
            ttl_seconds=None if view.ttl is None else view.ttl.total_seconds(),
            fallback=view.fallback,
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ServedView:
        features = tuple((name, kind) for name, kind in document["features"])
        lists = {name: tuple(document[name]) for name in ("request_columns", "join_keys", "key_types")}
        return cls(**{**document, **lists, "features": features})

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return document

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.view, self.features)

    @cached_property
    def keys(self) -> ViewKeys:
        return view_keys(self.project, self.view, self.feature_version)

    @cached_property
    def ttl_micros(self) -> int | None:
        return None if self.ttl_seconds is None else round(self.ttl_seconds * 1_000_000)

    def column(self, feature: str) -> str:
        """The model column of a feature."""
        return f"{self.prefix}_{feature}" if self.prefix else feature

    def key(self, row: Mapping[str, Any]) -> bytes | None:
        """The online key of the entity a request row names; None where a key is null or absent."""
        if self._only_column is not None:
            value = row.get(self._only_column)
            if type(value) is self._only_type:
                return self.keys.rows + str(value).encode()
        values = [row.get(column) for column in self.request_columns]
        if any(value is None for value in values):
            return None
        return self.keys.rows + entity_key(self.view, self.join_keys, self.key_types, values)

    @cached_property
    def _only_column(self) -> str | None:
        """The request column of a view with one key, which most have and which is worth a short cut."""
        return self.request_columns[0] if len(self.request_columns) == 1 else None

    @cached_property
    def _only_type(self) -> type:
        return str if self.key_types[0] == "str" else int


class ViewKeys(NamedTuple):
    """The prefix of a view's rows in the online store, and the key of what was materialized."""

    rows: bytes
    metadata: bytes


def view_keys(project: str, view: str, feature_version: str) -> ViewKeys:
    name = f"{project}:{view}:{feature_version}"
    return ViewKeys(f"tl:{name}:".encode(), METADATA_PREFIX + name.encode())


def entity_key(view: str, names: Sequence[str], types: Sequence[str], values: Sequence[Any]) -> bytes:
    """The bytes that name an entity. Text is named by its NFC; whole numbers may come as digits, as they do in
    a URL, or as 3.0, as pandas has them beside nulls.

    >>> entity_key("form", ["team"], ["str"], ["Bayern"])
    b'Bayern'
    """
    texts = [_key_text(view, name, kind, value) for name, kind, value in zip(names, types, values, strict=True)]
    if len(texts) == 1:
        return texts[0].encode()
    return _SEPARATOR.join(text.replace("\\", "\\\\").replace(_SEPARATOR, "\\u") for text in texts).encode()


def _key_text(view: str, name: str, kind: str, value: Any) -> str:
    if kind == "str":
        if isinstance(value, str):
            return nfc(value)
        raise InvalidEntityKey(view, name, value, "text")
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return str(int(value))
    raise InvalidEntityKey(view, name, value, "a whole number")


def view_label(view: str, prefix: str) -> str:
    """The name of a joined view in responses and in the log: the view, and the prefix where there is one.

    >>> view_label("team_form", "home")
    'team_form:home'
    """
    return f"{view}:{prefix}" if prefix else view
