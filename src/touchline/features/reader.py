"""Features for the serving path: packed rows to model vectors. No Feast, no pandas, no Polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from touchline.errors import FeaturesExpired
from touchline.features.columns import ColumnSpec, Vectors, encode_columns
from touchline.features.marks import instant_of, micros, watermark_in
from touchline.features.on_demand import Transform, apply_transforms
from touchline.features.online_store import OnlineStore
from touchline.features.packed import PackedRow
from touchline.features.served import ServedView

Presence = Literal["present", "missing", "expired", "fallback"]
Request = Mapping[str, Any]


@dataclass(frozen=True)
class ViewStatus:
    """Where the values of one view in one row came from."""

    view: str
    prefix: str
    feature_version: str
    status: Presence
    event_timestamp: datetime | None = None
    watermark: datetime | None = None


@dataclass(frozen=True)
class FeatureRows:
    """Model vectors, float64 [rows, columns] in model order, and the status of each view in each row."""

    vectors: Vectors
    statuses: tuple[tuple[ViewStatus, ...], ...]


@dataclass(frozen=True)
class FeatureReader:
    """Reads the rows of requests: one round trip for all views and all entities, TTL enforced by each view's policy.

    `columns` is the model's order. On-demand columns are computed here, by the code that made the training set.
    """

    views: tuple[ServedView, ...]
    columns: tuple[ColumnSpec, ...]
    store: OnlineStore
    transforms: tuple[Transform, ...] = ()
    _features: tuple[tuple[tuple[str, int, bool], ...], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        wanted = {column.name for column in self.columns} | {name for step in self.transforms for name in step.inputs}
        plan = tuple(
            tuple(
                (view.column(name), index, kind == "timestamp")
                for index, (name, kind) in enumerate(view.features)
                if view.column(name) in wanted
            )
            for view in self.views
        )
        object.__setattr__(self, "_features", plan)

    def read(self, rows: Sequence[Request], cutoffs: Sequence[datetime]) -> FeatureRows:
        """The vectors of request rows (entity keys and raw inputs by name), as known at their cutoffs."""
        packed = self._fetch(rows)
        values = [dict(row) for row in rows]
        statuses = []
        for row, request, cutoff in zip(packed, values, cutoffs, strict=True):
            statuses.append(tuple(self._fill(request, place, found, cutoff) for place, found in enumerate(row)))
        return FeatureRows(self._vectors(values), tuple(statuses))

    def read_one(self, row: Request, cutoff: datetime) -> tuple[Vectors, tuple[ViewStatus, ...]]:
        """The same for one row: a vector float64 [columns] and the status of each view."""
        found = self.read([row], [cutoff])
        return found.vectors[0], found.statuses[0]

    def _fetch(self, rows: Sequence[Request]) -> list[list[_Found]]:
        keys = [[view.key(row) for view in self.views] for row in rows]
        marks = [view.keys.meta for view in self.views]
        asked = list(dict.fromkeys([*marks, *(key for row in keys for key in row if key is not None)]))
        values = dict(zip(asked, self.store.read(asked), strict=True)) if asked else {}
        return [
            [_Found(key, values.get(key) if key else None, values[mark]) for key, mark in zip(row, marks, strict=True)]
            for row in keys
        ]

    def _fill(self, request: dict[str, Any], place: int, found: _Found, cutoff: datetime) -> ViewStatus:
        """Put the view's values into the request and say where they came from."""
        view = self.views[place]
        packed = view.layout.unpack(found.value, found.name) if found.value is not None else None
        status = _presence(view, packed, cutoff)
        if status in ("expired", "missing") and view.fallback == "fail":
            raise _expired(view, found.name, status, packed)
        usable = packed if status == "present" else None
        for column, index, is_instant in self._features[place]:
            value = usable.values[index] if usable else None
            request[column] = value / 1e6 if is_instant and value is not None else value
        return ViewStatus(
            view=view.view,
            prefix=view.prefix,
            feature_version=view.feature_version,
            status=status,
            event_timestamp=instant_of(packed.event) if packed else None,
            watermark=_watermark(view, found.mark, packed),
        )

    def _vectors(self, values: Sequence[Mapping[str, Any]]) -> Vectors:
        columns = self.columns
        arrays = {column.name: [row.get(column.name) for row in values] for column in columns}
        if self.transforms:
            arrays |= self._transformed(values)
        return encode_columns(columns, arrays, len(values))

    def _transformed(self, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        categories = {column.name for column in self.columns if column.kind == "category"}
        needed = {name for step in self.transforms for name in step.inputs}
        arrays = {
            name: np.array([row.get(name) for row in values], dtype=object if name in categories else np.float64)
            for name in needed
            if any(name in row for row in values)
        }
        return dict(apply_transforms(self.transforms, arrays, len(values)))


@dataclass(frozen=True)
class _Found:
    """What the store gave for one view of one row."""

    key: bytes | None
    value: bytes | None
    mark: bytes | None

    @property
    def name(self) -> str:
        return self.key.decode(errors="replace").split(":", 4)[-1] if self.key else "null"


def _presence(view: ServedView, packed: PackedRow | None, cutoff: datetime) -> Presence:
    if packed is None:
        return "missing"
    if max(packed.event, packed.created) > micros(cutoff):
        return "fallback"  # the entity has an older value, but it is no longer online
    if view.ttl_seconds is not None and packed.event < micros(cutoff) - round(view.ttl_seconds * 1e6):
        return "expired"
    return "present"


def _watermark(view: ServedView, mark: bytes | None, packed: PackedRow | None) -> datetime | None:
    """A row newer than the mark was written since: for this entity more is known."""
    newest = [watermark_in(mark, view.view)] if mark else []
    if packed is not None:
        newest.append(max(packed.event, packed.created))
    return instant_of(max(newest)) if newest else None


def _expired(view: ServedView, key: str, status: str, packed: PackedRow | None) -> FeaturesExpired:
    if packed is None:
        return FeaturesExpired(view.view, key, "not there", "none to be missing")
    limit = f"{view.ttl_seconds:g} s" if view.ttl_seconds else "no value from after the cutoff"
    return FeaturesExpired(view.view, key, f"{status}: from {instant_of(packed.event)}", limit)
