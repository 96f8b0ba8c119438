"""Features for the serving path: packed rows to model vectors. No Feast, no pandas, no Polars."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from touchline.errors import FeaturesExpired, OnlineStoreUnavailable
from touchline.features.away import Away
from touchline.features.columns import ColumnSpec, Vectors
from touchline.features.counters import ReadCounters
from touchline.features.marks import instant_of, micros, watermark_in
from touchline.features.on_demand import Transform
from touchline.features.online_store import OnlineStore
from touchline.features.packed import PackedRow
from touchline.features.recall import Recall
from touchline.features.served import ServedView
from touchline.features.vector_rows import RowPlan

Presence = Literal["present", "missing", "expired", "fallback"]
Request = Mapping[str, Any]


class ViewStatus(NamedTuple):
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

    `columns` is the model's order; on-demand columns are computed here, by the code that made the training set.
    `away` answers while the store does not (without it the request fails); `recalls` answers under the view policies
    "offline_last" and "compute" what is missing or expired online.
    """

    views: tuple[ServedView, ...]
    columns: tuple[ColumnSpec, ...]
    store: OnlineStore
    transforms: tuple[Transform, ...] = ()
    away: Away | None = None
    recalls: Mapping[str, Recall] = field(default_factory=dict)
    counters: ReadCounters = field(default_factory=ReadCounters, compare=False)

    @cached_property
    def _plan(self) -> RowPlan:
        return RowPlan(self.views, self.columns, self.transforms)

    @cached_property
    def _marks(self) -> list[bytes]:
        return [view.keys.meta for view in self.views]

    def read(self, rows: Sequence[Request], cutoffs: Sequence[datetime]) -> FeatureRows:
        """The vectors of request rows (entity keys and raw inputs by name), as known at their cutoffs."""
        started = time.perf_counter()
        keys = [[view.key(row) for view in self.views] for row in rows]
        values, is_away = self._fetch(keys)
        watermarks = [self._watermark(view, values) for view in self.views]
        lines, statuses = [], []
        for row, row_keys, cutoff in zip(rows, keys, cutoffs, strict=True):
            line, found = self._row(row, [key and values.get(key) for key in row_keys], watermarks, cutoff, is_away)
            lines.append(line)
            statuses.append(found)
        vectors = self._plan.vectors(lines, rows)
        pairs = [(found.view, found.status) for row in statuses for found in row]
        self.counters.count(pairs, time.perf_counter() - started)
        return FeatureRows(vectors, tuple(statuses))

    def read_one(self, row: Request, cutoff: datetime) -> tuple[Vectors, tuple[ViewStatus, ...]]:
        """The same for one row: a vector float64 [columns] and the status of each view."""
        found = self.read([row], [cutoff])
        return found.vectors[0], found.statuses[0]

    def _fetch(self, keys: Sequence[Sequence[bytes | None]]) -> tuple[dict[bytes, bytes | None], bool]:
        """Values by key, and whether they come from elsewhere because the store is away."""
        asked = list({key: None for row in keys for key in row if key is not None} | dict.fromkeys(self._marks))
        if not asked:
            return {}, False
        try:
            found = dict(zip(asked, self.store.read(asked), strict=True))
        except OnlineStoreUnavailable:
            self.counters.count_failure()
            if self.away is None:
                raise
            return dict(zip(asked, self.away.read(asked), strict=True)), True
        if self.away is not None:
            self.away.keep(found)
        return found, False

    def _row(
        self,
        row: Request,
        values: Sequence[bytes | None],
        watermarks: Sequence[int | None],
        cutoff: datetime,
        is_away: bool,
    ) -> tuple[list[Any], tuple[ViewStatus, ...]]:
        """The values of the model's columns in one row, and where each view's came from."""
        line = self._plan.start(row)
        at = micros(cutoff)
        statuses = []
        for place, (view, data, watermark) in enumerate(zip(self.views, values, watermarks, strict=True)):
            packed = view.layout.unpack(data, _name(view, row)) if data is not None else None
            status = _presence(view, packed, at)
            if status != "present":
                status, packed = self._second_try(view, row, packed, status, cutoff)
            elif is_away:
                status = "fallback"
            if packed is not None and status in ("present", "fallback"):
                self._plan.fill(line, place, packed.values)
            statuses.append(_status(view, status, packed, watermark))
        return line, tuple(statuses)

    def _second_try(
        self, view: ServedView, row: Request, packed: PackedRow | None, status: Presence, cutoff: datetime
    ) -> tuple[Presence, PackedRow | None]:
        """What the view's policy makes of a value that is missing, expired or from after the cutoff."""
        if view.fallback == "fail":
            raise _expired(view, _name(view, row), status, packed)
        recall = self.recalls.get(view.fallback)
        if recall is not None:
            entity = {key: row.get(column) for key, column in zip(view.join_keys, view.request_columns, strict=True)}
            recalled = recall(view, entity, cutoff) if None not in entity.values() else None
            if recalled is not None:
                return "fallback", recalled
        # A row from after the cutoff tells nothing about the cutoff; the entity's older value is no longer online.
        return (status, None) if status == "fallback" else (status, packed)

    def _watermark(self, view: ServedView, values: Mapping[bytes, bytes | None]) -> int | None:
        data = values.get(view.keys.meta)
        return watermark_in(data, view.view) if data else None


def _presence(view: ServedView, packed: PackedRow | None, at: int) -> Presence:
    if packed is None:
        return "missing"
    if packed.event > at or packed.created > at:
        return "fallback"
    if view.ttl_micros is not None and packed.event < at - view.ttl_micros:
        return "expired"
    return "present"


def _status(view: ServedView, status: Presence, packed: PackedRow | None, watermark: int | None) -> ViewStatus:
    """A row newer than the mark was written since: for this entity more is known."""
    if packed is not None:
        known = max(packed.event, packed.created)
        watermark = known if watermark is None or known > watermark else watermark
    return ViewStatus(
        view.view,
        view.prefix,
        view.feature_version,
        status,
        instant_of(packed.event) if packed is not None else None,
        instant_of(watermark) if watermark is not None else None,
    )


def _name(view: ServedView, row: Request) -> str:
    return ", ".join(str(row.get(column)) for column in view.request_columns)


def _expired(view: ServedView, key: str, status: str, packed: PackedRow | None) -> FeaturesExpired:
    if packed is None:
        return FeaturesExpired(view.view, key, "not there", "none to be missing")
    if status == "fallback":
        return FeaturesExpired(view.view, key, f"from {instant_of(packed.event)}", "none from after the cutoff")
    return FeaturesExpired(view.view, key, f"{status}: from {instant_of(packed.event)}", f"{view.ttl_seconds:g} s")
