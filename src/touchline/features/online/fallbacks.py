"""The values that a view's policy serves where the online store has no value, or only an expired one.

`offline_last` serves the newest row of the entity in the view's history, however old; `compute` computes the view on
what is ingested now. Slow work is done once for all requests that wait for it. Polars is imported at the first read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from touchline.features.vectors.packed_row import PackedRow
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import micros

if TYPE_CHECKING:
    import polars as pl

    from touchline.features.declaration.view import FeatureView
    from touchline.features.offline.histories import FeatureHistory
    from touchline.features.online.base import OnlineStore

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

Fallback = Callable[[ServedView, Mapping[str, Any], datetime], PackedRow | None]
"""Gives the newest row of an entity (its join keys by name) known at a cutoff, or None."""

ComputeHistory = Callable[["FeatureView"], "FeatureHistory"]
"""Computes a view on the current snapshots, unless that was done already."""


class OfflineLast:
    """Reads the entity's newest row from the history that `find` gives for its view, or None without one."""

    def __init__(self, find: Callable[[ServedView], FeatureHistory | None]) -> None:
        self._find = find

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        history = self._find(view)
        return None if history is None else newest_known_row(history, view, entity, cutoff)


class ComputeOnMiss:
    """Computes a view that lacks an entity or has only an expired value of it, and writes the row online.

    `declared` gives the views by name. A view is not computed where its code is no longer that of the release.
    """

    def __init__(
        self, declared: Callable[[], Mapping[str, FeatureView]], compute: ComputeHistory, online: OnlineStore
    ) -> None:
        self._declared = declared
        self._compute = compute
        self._online = online
        self._flight = SingleFlight(self._history)

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        history = self._flight(view)
        row = None if history is None else newest_known_row(history, view, entity, cutoff)
        if row is None or (view.ttl_micros is not None and row.event < micros(cutoff) - view.ttl_micros):
            return None
        key = view.key(dict(zip(view.request_columns, entity.values(), strict=True)))
        if key is not None:
            self._online.write([(key, view.layout.pack(*row))])
        return row

    def _history(self, view: ServedView) -> FeatureHistory | None:
        declared = self._declared().get(view.view)
        if declared is None or declared.feature_version != view.feature_version:
            return None
        return self._compute(declared)


def newest_known_row(
    history: FeatureHistory, view: ServedView, entity: Mapping[str, Any], cutoff: datetime
) -> PackedRow | None:
    """The entity's newest row of a history among those known at the cutoff."""
    rows = _known_rows(history, view, entity, cutoff)
    if rows.is_empty():
        return None
    newest = rows.row(-1, named=True)
    values = tuple(
        micros(newest[name]) if kind == "timestamp" and newest[name] is not None else newest[name]
        for name, kind in view.features
    )
    return PackedRow(micros(newest["event_timestamp"]), micros(newest["created_timestamp"]), values)


def _known_rows(history: FeatureHistory, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> pl.DataFrame:
    import polars as pl

    kinds = dict(zip(view.join_keys, view.key_types, strict=True))
    same = [pl.col(key) == (int(value) if kinds[key] == "int" else value) for key, value in entity.items()]
    known = pl.max_horizontal("event_timestamp", "created_timestamp") <= cutoff
    rows = pl.concat([frame.filter(*same, known) for frame in history.scan_parts()])
    return rows.sort("event_timestamp", "created_timestamp", maintain_order=True).collect()


@dataclass
class SingleFlight(Generic[Key, Result]):
    """Calls with the same key at the same time share one piece of work; all get its result, or its failure.

    >>> SingleFlight(len)("abc")
    3
    """

    work: Callable[[Key], Result]
    _running: dict[Key, _Flight[Result]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, key: Key) -> Result:
        with self._lock:
            flight = self._running.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._running[key] = _Flight()
            else:
                flight.waiting += 1
        if not is_first:
            return flight.result()
        try:
            flight.results.append(self.work(key))
        except BaseException as failure:
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._running[key]
            flight.done.set()
        return flight.results[0]

    def waiting(self, key: Key) -> int:
        """The number of calls that wait for this key now, beside the one that does the work."""
        with self._lock:
            flight = self._running.get(key)
            return 0 if flight is None else flight.waiting


@dataclass
class _Flight(Generic[Result]):
    done: threading.Event = field(default_factory=threading.Event)
    results: list[Result] = field(default_factory=list)
    failure: BaseException | None = None
    waiting: int = 0

    def result(self) -> Result:
        self.done.wait()
        if self.failure is not None:
            raise self.failure
        return self.results[0]
