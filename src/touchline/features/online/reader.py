"""Features for the serving path: packed rows to model vectors. No Feast, no pandas, no Polars."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import numpy as np

from touchline.errors import FeaturesExpired, OnlineStoreEmptied, OnlineStoreUnavailable
from touchline.features.declaration.on_demand import Transform
from touchline.features.online.base import OnlineStore
from touchline.features.online.fallbacks import EntityAtCutoff, Fallback
from touchline.features.online.read_counters import ReadCounters
from touchline.features.online.store_outage import StandIn
from touchline.features.vectors.columns import ColumnSpec, Vectors
from touchline.features.vectors.packed_row import PackedRow
from touchline.features.vectors.row_plan import RowPlan
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import ViewMetadata, instant_of, micros, watermark_in

Presence = Literal["present", "missing", "expired", "fallback"]
Request = Mapping[str, Any]
_STATUS = attrgetter("status")
_UNKNOWN: tuple[int, datetime | None] = (-(1 << 63), None)  # nothing is known up to any instant
_MANY = 8  # from so many rows on, arrays cost less than they save


class ViewStatus(NamedTuple):
    """The origin of one view's values in one row."""

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
    `stand_in` answers while the store does not; without it the request fails. `fallbacks`, by the name of a view's
    policy, give what is missing or expired online. `history` gives rows as known at a past cutoff, for entities whose
    newest row is younger: without it their values are null. A store that was emptied is told from an unknown entity by
    the metadata of the view: it counts as a store that does not respond, unless the view's fallback gives its values.
    """

    views: tuple[ServedView, ...]
    columns: tuple[ColumnSpec, ...]
    store: OnlineStore
    transforms: tuple[Transform, ...] = ()
    stand_in: StandIn | None = None
    fallbacks: Mapping[str, Fallback] = field(default_factory=dict)
    history: Fallback | None = None
    counters: ReadCounters = field(default_factory=ReadCounters, compare=False)

    @cached_property
    def _plan(self) -> RowPlan:
        return RowPlan(self.columns, self.transforms, self.views)

    @cached_property
    def _metadata_keys(self) -> list[bytes]:
        return [view.keys.metadata for view in self.views]

    @cached_property
    def _view_names(self) -> tuple[str, ...]:
        return tuple(view.view for view in self.views)

    def read(self, rows: Sequence[Request], cutoffs: Sequence[datetime]) -> FeatureRows:
        """The vectors of request rows (entity keys and raw inputs by name), as known at their cutoffs."""
        if len(rows) == 1:
            vector, statuses = self.read_row(rows[0], cutoffs[0])
            return FeatureRows(np.frombuffer(vector).reshape(1, -1).copy(), (statuses,))
        started = time.perf_counter()
        keys = [[view.key(row) for row in rows] for view in self.views]
        # Rows of one request often share entities.
        needed = list(dict.fromkeys(key for key in chain(self._metadata_keys, *keys) if key is not None))
        values, is_stand_in = self._fetch(needed)
        by_key = dict(zip(needed, values, strict=True))
        vectors, columns = self._read_all(keys, rows, cutoffs, by_key, is_stand_in=is_stand_in)
        counts = [(view.view, _counted(column)) for view, column in zip(self.views, columns, strict=True)]
        self.counters.count(counts, time.perf_counter() - started)
        return FeatureRows(vectors, tuple(zip(*columns, strict=True)) if columns else ((),) * len(rows))

    def read_row(self, row: Request, cutoff: datetime) -> tuple[bytes, tuple[ViewStatus, ...]]:
        """One row's vector as float64, little endian, and the status of each view."""
        started = time.perf_counter()
        keys = [view.key(row) for view in self.views]
        needed = [*self._metadata_keys, *(key for key in keys if key is not None)]
        values, is_stand_in = self._fetch(needed)
        present = None if is_stand_in or None in keys else self._present(row, cutoff, needed, values)
        if present is not None:
            self.counters.count_present(self._view_names, time.perf_counter() - started)
            return present
        by_key = dict(zip(needed, values, strict=True))
        vectors, columns = self._read_all([[key] for key in keys], [row], [cutoff], by_key, is_stand_in=is_stand_in)
        statuses = tuple(column[0] for column in columns)
        self.counters.count([(one.view, {one.status: 1}) for one in statuses], time.perf_counter() - started)
        return vectors.tobytes(), statuses

    def read_one(self, row: Request, cutoff: datetime) -> tuple[Vectors, tuple[ViewStatus, ...]]:
        """The same with the vector as an array, float64 [columns]."""
        vector, statuses = self.read_row(row, cutoff)
        return np.frombuffer(vector), statuses

    def _fetch(self, needed: Sequence[bytes]) -> tuple[Sequence[bytes | None], bool]:
        """Values in the order of the keys, and whether a stand-in gave them because the store did not respond."""
        if not needed:
            return (), False
        try:
            values = self.store.read(needed)
            self._validate_filled(needed, values)
        except (OnlineStoreUnavailable, OnlineStoreEmptied):
            self.counters.count_failure()
            if self.stand_in is None:
                raise
            return self.stand_in.read(needed), True
        if self.stand_in is not None:
            self.stand_in.remember(dict(zip(needed, values, strict=True)))
        return values, False

    def _validate_filled(self, needed: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Raise `OnlineStoreEmptied` where a view has no metadata. The metadata keys come first in `needed`."""
        if None not in values[: len(self.views)]:
            return
        absent = {key for key, value in zip(needed, values, strict=True) if value is None}
        for view in self.views:
            if view.keys.metadata in absent and view.fallback not in self.fallbacks:
                raise OnlineStoreEmptied(view.view, view.feature_version, view.project)

    def has_stand_in(self, view: ServedView) -> bool:
        """Whether a request is answered where the store holds nothing of a view: by its fallback, or a stand-in."""
        return view.fallback in self.fallbacks or self.stand_in is not None

    def metadata(self) -> list[ViewMetadata | None]:
        """The metadata of each view; None for one that the store holds nothing of. Raises `OnlineStoreUnavailable`."""
        values = self.store.read(self._metadata_keys) if self.views else []
        return [
            None if value is None else ViewMetadata.unpack(value, view.view)
            for view, value in zip(self.views, values, strict=True)
        ]

    def _present(
        self, row: Request, cutoff: datetime, keys: Sequence[bytes], values: Sequence[bytes | None]
    ) -> tuple[bytes, tuple[ViewStatus, ...]] | None:
        """The vector and statuses of a row whose values are all present, as most are; None for any other row.

        Keys and values are those of the views' metadata, then those of the rows, in the order of the views.
        """
        at, plan, statuses, row_places = micros(cutoff), self._plan, [], len(self.views)
        line = plan.start(row)
        for place, view in enumerate(self.views):
            data = values[row_places + place]
            if data is None:
                return None
            packed = view.layout.unpack(data, keys[row_places + place])
            if _presence(packed, at, view.ttl_micros) != "present":
                return None
            plan.fill(line, place, packed.values)
            statuses.append(_status(view, values[place], "present", packed))
        return plan.finish_one(line, cutoff), tuple(statuses)

    def _read_all(
        self,
        keys: Sequence[Sequence[bytes | None]],
        rows: Sequence[Request],
        cutoffs: Sequence[datetime],
        values: Mapping[bytes, bytes | None],
        *,
        is_stand_in: bool,
    ) -> tuple[Vectors, list[list[ViewStatus]]]:
        """The vectors of all rows, and by view the status of each."""
        plan = self._plan
        lines = plan.start_many(rows) if len(rows) >= _MANY else [plan.start(row) for row in rows]
        batch = _Batch(rows, cutoffs, _all_micros(cutoffs), values, is_stand_in, lines, {})
        columns = [self._view(place, column, batch) for place, column in enumerate(keys)]
        return plan.finish(lines, cutoffs, batch.blocks), columns

    def _view(self, place: int, keys: Sequence[bytes | None], batch: _Batch) -> list[ViewStatus]:
        """Put one view's values into every row; the status of each."""
        if len(keys) >= _MANY and not batch.is_stand_in:
            statuses = self._fill_together(place, keys, batch)
            if statuses is not None:
                return statuses
        return self._fill(place, keys, batch)

    def _fill_together(self, place: int, keys: Sequence[bytes | None], batch: _Batch) -> list[ViewStatus] | None:
        """The same for many rows at once, where all are present; None where one of them is not."""
        view, unpacker = self.views[place], self._plan.unpackers[place]
        rows = [batch.values[key] for key in keys if key is not None] if unpacker is not None else []
        if unpacker is None or len(rows) != len(keys) or None in rows:
            return None
        columns = unpacker.unpack(rows)  # type: ignore[arg-type]  # none of them is None
        if columns is None:
            return None
        at, known_micros = np.array(batch.at), np.maximum(columns.event, columns.created)
        if (known_micros > at).any() or (view.ttl_micros is not None and (columns.event < at - view.ttl_micros).any()):
            return None
        batch.blocks[place] = columns.values
        return _present_statuses(
            view, batch.values.get(view.keys.metadata), columns.event.tolist(), known_micros.tolist()
        )

    def _fill(self, place: int, keys: Sequence[bytes | None], batch: _Batch) -> list[ViewStatus]:
        view = self.views[place]
        unpack, ttl, values, fill = view.layout.unpack, view.ttl_micros, batch.values, self._plan.fill
        rows: list[_StatusAndRow] = []
        absent = []
        for number, (key, at) in enumerate(zip(keys, batch.at, strict=True)):
            data = values[key] if key is not None else None
            packed = unpack(data, key or b"") if data is not None else None
            status = _presence(packed, at, ttl)
            if status != "present":
                absent.append(number)
            elif batch.is_stand_in:
                status = "fallback"
            rows.append((status, packed))
        if absent:
            self._by_policy(view, absent, rows, batch)
        metadata = batch.values.get(view.keys.metadata)
        for number, (status, packed) in enumerate(rows):
            if packed is not None and (status == "present" or status == "fallback"):
                fill(batch.lines[number], place, packed.values)
        return [_status(view, metadata, status, packed) for status, packed in rows]

    def _by_policy(self, view: ServedView, numbers: Sequence[int], rows: list[_StatusAndRow], batch: _Batch) -> None:
        """Replace status and row of these rows, which are missing, expired or newer than the cutoff.

        A row newer than its cutoff is read from the history, then the view's policy holds. Each is one pass over the
        files for all rows of the batch.
        """
        if self.history is not None:
            late = [number for number in numbers if rows[number][0] == "fallback"]
            for number, row in self._looked_up(self.history, view, late, batch):
                # Online only the newest row of an entity is left.
                rows[number] = (_presence(row, batch.at[number], view.ttl_micros), row)
        absent = [number for number in numbers if rows[number][0] != "present"]
        if absent and view.fallback == "fail":
            raise _expired(view, _name(view, batch.rows[absent[0]]), *rows[absent[0]])
        fallback = self.fallbacks.get(view.fallback)
        replacements = {} if fallback is None else dict(self._looked_up(fallback, view, absent, batch))
        for number in absent:
            row = replacements.get(number)
            if row is not None:
                rows[number] = ("fallback", row)
            elif rows[number][0] == "fallback":
                # A row newer than the cutoff must not be used, and the entity's older value is no longer online.
                rows[number] = ("fallback", None)

    def _looked_up(
        self, source: Fallback, view: ServedView, numbers: Sequence[int], batch: _Batch
    ) -> Iterator[tuple[int, PackedRow | None]]:
        """The rows that a source has for the entities of these rows at their cutoffs; no row for a null key."""
        columns = list(zip(view.join_keys, view.request_columns, strict=True))
        lookups = {
            number: EntityAtCutoff(
                {key: batch.rows[number].get(column) for key, column in columns}, batch.cutoffs[number]
            )
            for number in numbers
        }
        complete = {number: lookup for number, lookup in lookups.items() if None not in lookup.entity.values()}
        return zip(complete, source(view, list(complete.values())) if complete else (), strict=True)


_StatusAndRow = tuple[Presence, PackedRow | None]


class _Batch(NamedTuple):
    """The rows of one read, the values that the store gave, and the vectors under way: lines, or blocks by view."""

    rows: Sequence[Request]
    cutoffs: Sequence[datetime]
    at: Sequence[int]
    values: Mapping[bytes, bytes | None]
    is_stand_in: bool
    lines: list[list[Any]] | Vectors
    blocks: dict[int, Vectors]


def _status(view: ServedView, metadata: bytes | None, status: Presence, packed: PackedRow | None) -> ViewStatus:
    """The status of one view."""
    stamps = None if packed is None else packed[:2]
    return _status_of(view.view, view.prefix, view.feature_version, status, metadata, stamps)


@lru_cache(1024)
def _status_of(
    view: str,
    prefix: str,
    version: str,
    status: Presence,
    metadata: bytes | None,
    stamps: tuple[int, int] | None,
) -> ViewStatus:
    """The status by the stamps of the row (event and created), if there is one.

    Cached: rows of one materialization mostly share their stamps, and the same entities are asked for again.
    A row newer than the watermark was pushed since: for this entity more is known.
    """
    limit, watermark = _watermark(metadata, view) if metadata else _UNKNOWN
    event_at = None
    if stamps is not None:
        event_at, known = instant_of(stamps[0]), max(stamps)
        if known > limit:
            watermark = instant_of(known)
    return ViewStatus(view, prefix, version, status, event_at, watermark)


def _present_statuses(
    view: ServedView, metadata: bytes | None, events: Sequence[int], known_micros: Sequence[int]
) -> list[ViewStatus]:
    """The same for rows that are all present, by their event stamps and when they were known."""
    limit, watermark = _watermark(metadata, view.view) if metadata else _UNKNOWN
    new, head = tuple.__new__, (view.view, view.prefix, view.feature_version, "present")
    return [
        new(ViewStatus, (*head, instant_of(event), watermark if late <= limit else instant_of(late)))
        for event, late in zip(events, known_micros, strict=True)
    ]


@lru_cache(256)
def _watermark(metadata: bytes, view: str) -> tuple[int, datetime]:
    """Cached: the watermark changes only when a materialization runs, and many requests read it in between."""
    watermark = watermark_in(metadata, view)
    return watermark, instant_of(watermark)


def _counted(statuses: Sequence[ViewStatus]) -> Mapping[str, int]:
    return Counter(map(_STATUS, statuses))


def _all_micros(cutoffs: Sequence[datetime]) -> list[int]:
    """Requests of many rows mostly have one cutoff."""
    by_cutoff = {cutoff: micros(cutoff) for cutoff in set(cutoffs)}
    return [by_cutoff[cutoff] for cutoff in cutoffs]


def _presence(packed: PackedRow | None, at: int, ttl: int | None) -> Presence:
    if packed is None:
        return "missing"
    event, created, _ = packed
    if event > at or created > at:
        return "fallback"
    return "expired" if ttl is not None and event < at - ttl else "present"


def _name(view: ServedView, row: Request) -> str:
    return ", ".join(str(row.get(column)) for column in view.request_columns)


def _expired(view: ServedView, key: str, status: str, packed: PackedRow | None) -> FeaturesExpired:
    if packed is None:
        return FeaturesExpired(view.view, key, "not there", "none to be missing")
    if status == "fallback":
        return FeaturesExpired(view.view, key, f"from {instant_of(packed.event)}", "none from after the cutoff")
    return FeaturesExpired(view.view, key, f"{status}: from {instant_of(packed.event)}", f"{view.ttl_seconds:g} s")
