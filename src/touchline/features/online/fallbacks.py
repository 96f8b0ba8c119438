"""The values that a view's policy serves where the online store has no value, or only an expired one.

`offline_last` serves the newest row of the entity in the view's history, however old; `compute` computes the view on
what is ingested now. All rows of a request are looked up in one pass over the files of a history, and slow work is done
once for all requests that wait for it. Polars is imported at the first read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

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


class EntityAtCutoff(NamedTuple):
    """An entity, its join keys by name, and the instant up to which its rows may be known."""

    entity: Mapping[str, Any]
    cutoff: datetime


Fallback = Callable[[ServedView, Sequence[EntityAtCutoff]], Sequence[PackedRow | None]]
"""Gives for each lookup the newest row of its entity known at its cutoff, or None, in the order of the lookups."""

ComputeHistory = Callable[["FeatureView"], "FeatureHistory"]
"""Computes a view on the current snapshots, unless that was done already."""


class OfflineLast:
    """Reads the entity's newest row from the history that `find` gives for its view, or None without one."""

    def __init__(self, find: Callable[[ServedView], FeatureHistory | None]) -> None:
        self._find = find

    def __call__(self, view: ServedView, lookups: Sequence[EntityAtCutoff]) -> Sequence[PackedRow | None]:
        history = self._find(view)
        return [None] * len(lookups) if history is None else newest_known_rows(history, view, lookups)


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

    def __call__(self, view: ServedView, lookups: Sequence[EntityAtCutoff]) -> Sequence[PackedRow | None]:
        history = self._flight(view)
        if history is None:
            return [None] * len(lookups)
        known = newest_known_rows(history, view, lookups)
        rows = [_unless_expired(view, row, lookup.cutoff) for lookup, row in zip(lookups, known, strict=True)]
        self._write(view, [(lookup, row) for lookup, row in zip(lookups, rows, strict=True) if row is not None])
        return rows

    def _write(self, view: ServedView, rows: Sequence[tuple[EntityAtCutoff, PackedRow]]) -> None:
        """Write the rows online; of several of one entity the newest."""
        newest: dict[bytes, PackedRow] = {}
        for lookup, row in rows:
            key = view.key(dict(zip(view.request_columns, lookup.entity.values(), strict=True)))
            if key is not None and (key not in newest or newest[key][:2] < row[:2]):
                newest[key] = row
        if newest:
            self._online.write([(key, view.layout.pack(*row)) for key, row in newest.items()])

    def _history(self, view: ServedView) -> FeatureHistory | None:
        declared = self._declared().get(view.view)
        if declared is None or declared.feature_version != view.feature_version:
            return None
        return self._compute(declared)


def _unless_expired(view: ServedView, row: PackedRow | None, cutoff: datetime) -> PackedRow | None:
    if row is None or view.ttl_micros is None or row.event >= micros(cutoff) - view.ttl_micros:
        return row
    return None


def newest_known_rows(
    history: FeatureHistory, view: ServedView, lookups: Sequence[EntityAtCutoff]
) -> Sequence[PackedRow | None]:
    """For each lookup the entity's newest row among those known at its cutoff; each file is read once."""
    import polars as pl

    if not lookups:
        return []
    scans = history.scan_parts()
    requested = _requested(scans[0].collect_schema(), view, lookups)
    keys = list(view.join_keys)
    entities = requested.select(keys).unique()
    # Files are sorted by key: the range lets the reader skip parts of them, which a join does not.
    near = [pl.col(key).is_between(pl.lit(entities[key].min()), pl.lit(entities[key].max())) for key in keys]
    rows = pl.concat([scan.filter(*near).join(entities.lazy(), on=keys, how="semi") for scan in scans]).collect()
    # Of rows with equal stamps the one that was stored last counts.
    rows = rows.sort("event_timestamp", "created_timestamp", maintain_order=True).with_row_index("_row")
    newest = _newest_by_instant(rows.lazy(), keys)
    matched = (
        requested.lazy()
        .sort("_cutoff")
        .join_asof(newest, left_on="_cutoff", right_on="_known", by=keys, check_sortedness=False)
    )
    found = matched.sort("_lookup").collect()["_newest"].to_list()
    features = rows.select("event_timestamp", "created_timestamp", *(name for name, _ in view.features))
    packed = {place: _packed(view, features.row(place)) for place in {*found} - {None}}
    return [None if place is None else packed[place] for place in found]


def _requested(schema: pl.Schema, view: ServedView, lookups: Sequence[EntityAtCutoff]) -> pl.DataFrame:
    """The lookups as a frame: the join keys with the types of the history, `_cutoff`, and `_lookup`, their place."""
    import polars as pl

    kinds = dict(zip(view.join_keys, view.key_types, strict=True))
    columns = [
        pl.Series(key, [int(x.entity[key]) if kind == "int" else x.entity[key] for x in lookups]).cast(schema[key])
        for key, kind in kinds.items()
    ]
    cutoffs = pl.Series("_cutoff", [lookup.cutoff for lookup in lookups], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame([*columns, cutoffs]).with_row_index("_lookup")


def _newest_by_instant(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """By entity and instant `_known` at which a row became known, the newest row (`_newest`) known since then.

    A correction of an old event becomes known after newer events, and does not take their place.
    """
    import polars as pl

    known = pl.max_horizontal("event_timestamp", "created_timestamp").alias("_known")
    in_order = rows.select(*keys, "_row", known).sort("_known", "_row")
    return in_order.select(*keys, "_known", pl.col("_row").cum_max().over(keys).alias("_newest"))


def _packed(view: ServedView, row: tuple[Any, ...]) -> PackedRow:
    event, created, *features = row
    values = tuple(
        micros(value) if kind == "timestamp" and value is not None else value
        for value, (_, kind) in zip(features, view.features, strict=True)
    )
    return PackedRow(micros(event), micros(created), values)


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
