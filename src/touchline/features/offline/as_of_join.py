"""One view's history joined as of the cutoffs of many examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from touchline.features.declaration.types import INSTANT
from touchline.features.offline.as_of_search import (
    NONE,
    Int64s,
    Stamps,
    Timeline,
    as_indices,
    build_timeline,
    entity_numbers,
    neighbours_together,
    newest_known,
    within_ttl,
)

BLOCK = 16_384  # examples looked up at once; what that takes stays in the processor's cache
NEVER = np.iinfo(np.int64).min  # before every instant: an example without a cutoff knows nothing


@dataclass(frozen=True)
class HistoryColumns:
    """The roles of a history's columns. Without `created`, a value is known from its event on."""

    keys: tuple[str, ...]
    features: tuple[str, ...]
    event: str = "event_timestamp"
    created: str | None = "created_timestamp"

    @property
    def stamps(self) -> list[str]:
        return [self.event] if self.created is None else [self.event, self.created]


@dataclass(frozen=True)
class Lookup:
    """Examples that look into a history: their keys under the history's names, cutoffs and TTL in microseconds.

    A value's age is taken at `aged_at`, by default at the cutoff.
    """

    keys: pl.DataFrame
    cutoffs: Int64s
    ttl: int | None = None
    aged_at: Int64s | None = None


def instants(column: pl.Series) -> Int64s:
    """Microseconds since 1970, in any zone and unit; without a zone, UTC; a null is before every instant."""
    moment = column.dt.replace_time_zone("UTC") if column.dtype == pl.Datetime and _is_naive(column) else column
    return moment.cast(INSTANT).to_physical().fill_null(NEVER).to_numpy()


def join_part(history: pl.LazyFrame, columns: HistoryColumns, lookups: Sequence[Lookup]) -> list[pl.DataFrame]:
    """For each lookup the features that were newest and known at each cutoff, a row for each of its rows.

    The stamps decide which rows match; features are read only then, and gathered by row.
    """
    stamps = _read_stamps(history, columns)
    order = _sorting_order(history, columns, stamps)
    if order is not None:
        stamps = stamps.ordered(order)
    timeline, event = build_timeline(stamps), stamps.event
    del stamps
    rows = [_rows(lookup, timeline, event) for lookup in lookups]
    del timeline, event
    if order is not None:
        rows = [np.where(found >= 0, order[found], NONE) for found in rows]
    features = history.select(columns.features).collect().rechunk()
    return [features.select(pl.all().gather(as_indices(found))) for found in rows]


def _read_stamps(history: pl.LazyFrame, columns: HistoryColumns) -> Stamps:
    frame = history.select(*columns.keys, *columns.stamps).collect().rechunk()
    event = instants(frame[columns.event])
    created = None if columns.created is None else _created(frame[columns.created], event)
    return Stamps(frame.select(columns.keys), event, created)


def _rows(lookup: Lookup, timeline: Timeline, event: Int64s) -> Int64s:
    entities = entity_numbers(timeline, lookup.keys.select(timeline.entities.columns))
    aged_at = lookup.cutoffs if lookup.aged_at is None else lookup.aged_at
    order = neighbours_together(entities, len(timeline.entities))
    rows = np.empty_like(order)
    for begin in range(0, len(order), BLOCK):
        block = order[begin : begin + BLOCK]
        found = newest_known(timeline, entities[block], lookup.cutoffs[block])
        rows[block] = within_ttl(found, event, aged_at[block], lookup.ttl)
    return rows


def _sorting_order(history: pl.LazyFrame, columns: HistoryColumns, stamps: Stamps) -> Int64s | None:
    """The order that sorts the history; None where it lies sorted, as touchline writes it.

    Rows that share entity, event and created time are put in the order of their values, so that the same one wins
    in whatever order they were written.
    """
    if stamps.rise():
        return None
    sortable = stamps.keys.with_columns(pl.Series("_event", stamps.event))
    if stamps.created is not None:
        sortable = sortable.with_columns(pl.Series("_created", stamps.created))
    order = None
    if stamps.break_order():
        order = _arg_sort(sortable)
        stamps = stamps.ordered(order)
    if not stamps.have_ties():
        return order
    values = history.select(name for name in columns.features if name not in columns.keys).collect()
    plain = [name for name, dtype in values.schema.items() if not dtype.is_nested() and dtype != pl.Object]
    return _arg_sort(pl.concat([sortable, values.select(plain)], how="horizontal"))


def _arg_sort(frame: pl.DataFrame) -> Int64s:
    ordered = frame.select(pl.arg_sort_by(*frame.columns, maintain_order=True))
    return ordered.to_series().cast(pl.Int64).to_numpy()


def _created(column: pl.Series, event: Int64s) -> Int64s:
    """A value without a created time is known from its event on."""
    created = instants(column)
    return np.where(created == NEVER, event, created) if column.null_count() else created


def _is_naive(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None
