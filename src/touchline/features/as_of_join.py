"""One view's history joined as of the cutoffs of many examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from touchline.features.as_of import (
    Int64s,
    Timeline,
    as_indices,
    breaks_order,
    build_timeline,
    entity_starts,
    has_ties,
    newest_known,
    within_ttl,
)
from touchline.features.view_schema import INSTANT

NEVER = np.iinfo(np.int64).min  # before every instant: an example without a cutoff knows nothing


@dataclass(frozen=True)
class HistoryColumns:
    """What the columns of a history mean. Without `created`, a value is known from its event on."""

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
    stamps = history.select(*columns.keys, *columns.stamps).collect()
    keys, event = stamps.select(columns.keys), instants(stamps[columns.event])
    created = None if columns.created is None else _created(stamps[columns.created], event)
    starts = entity_starts(keys)
    order = _sorting_order(history, columns, keys, starts, event, created)
    if order is not None:
        keys, event = keys[order], event[order]
        created = None if created is None else created[order]
        starts = entity_starts(keys)
    timeline = build_timeline(keys, starts, event, created)
    del stamps, keys, created
    rows = [_rows(lookup, timeline, event) for lookup in lookups]
    del timeline, event
    if order is not None:
        rows = [np.where(found >= 0, order[found], -1) for found in rows]
    features = history.select(columns.features).collect()
    return [features.select(pl.all().gather(as_indices(found))) for found in rows]


def _rows(lookup: Lookup, timeline: Timeline, event: Int64s) -> Int64s:
    keys = lookup.keys.select(timeline.keys.columns)
    found = newest_known(timeline, keys, lookup.cutoffs)
    return within_ttl(found, event, lookup.cutoffs if lookup.aged_at is None else lookup.aged_at, lookup.ttl)


def _sorting_order(
    history: pl.LazyFrame,
    columns: HistoryColumns,
    keys: pl.DataFrame,
    starts: Int64s,
    event: Int64s,
    created: Int64s | None,
) -> Int64s | None:
    """The order that sorts the history; None where it lies sorted, as touchline writes it.

    Rows that share entity, event and created time are put in the order of their values, so that the same one wins
    in whatever order they were written.
    """
    sortable = keys.with_columns(pl.Series("_event", event))
    if created is not None:
        sortable = sortable.with_columns(pl.Series("_created", created))
    order = None
    if breaks_order(keys, starts, event, created):
        order = _arg_sort(sortable)
        keys, event, created = keys[order], event[order], None if created is None else created[order]
        starts = entity_starts(keys)
    if not has_ties(starts, event, created):
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
