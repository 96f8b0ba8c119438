"""The columnar as-of search: for each example, the row of a sorted history that was newest and known by its cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
NONE = -1  # no row of the history matches


@dataclass(frozen=True)
class Timeline:
    """For each entity, when its newest known row changed, and to which row.

    `known` rises within an entity; entity `i` holds positions `starts[i]` to `starts[i + 1]`.
    """

    keys: pl.DataFrame
    starts: Int64s
    known: Int64s
    rows: Int64s | None  # None where the history itself is the timeline


def build_timeline(keys: pl.DataFrame, starts: Int64s, event: Int64s, created: Int64s | None) -> Timeline:
    """The timeline of a history sorted by keys, event and created time, whose entities begin at `starts`.

    Where what is known never goes back within an entity (no corrections) that is the history as it lies. A correction
    of an older row changes nothing once a newer row is known, so the newest row by (event, created) is carried on.
    """
    entities = keys[starts[:-1]] if len(keys) else keys
    if created is None:
        return Timeline(entities, starts, event, None)
    known = np.maximum(event, created)
    if _rises(known, starts):
        return Timeline(entities, starts, known, None)
    codes = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((known, codes))
    return Timeline(entities, starts, known[order], np.maximum.accumulate(order))


def newest_known(timeline: Timeline, keys: pl.DataFrame, cutoffs: Int64s) -> Int64s:
    """For each example the history row that is newest among those known at its cutoff, or -1."""
    codes = _codes(timeline.keys, keys)
    found = codes >= 0
    entity = np.where(found, codes, 0)
    low, high = _bounds(timeline.starts, entity)
    position = _search_right(timeline.known, low, high, cutoffs) - 1
    hit = found & (position >= low)
    if timeline.rows is None:
        return np.where(hit, position, NONE)
    return np.where(hit, timeline.rows[np.where(hit, position, 0)], NONE) if len(timeline.rows) else position * 0 + NONE


def within_ttl(rows: Int64s, event: Int64s, cutoffs: Int64s, ttl: int | None) -> Int64s:
    """`rows` without those older than `ttl` microseconds at the cutoff; exactly as old as the TTL still counts."""
    if ttl is None or not len(event):
        return rows
    fresh = event[np.where(rows >= 0, rows, 0)] >= cutoffs - ttl
    return np.where(fresh, rows, NONE)


def as_indices(rows: Int64s) -> pl.Series:
    """Row numbers for a gather that gives null where there is no row."""
    indices = pl.Series(rows)
    return indices.set(indices < 0, None)


def entity_starts(keys: pl.DataFrame) -> Int64s:
    """Where the keys change: entity `i` of a grouped history lies from `starts[i]` to `starts[i + 1]`."""
    count = len(keys)
    if not count:
        return np.zeros(1, dtype=np.int64)
    changed = np.zeros(count, dtype=bool)
    changed[0] = True
    for column in keys.iter_columns():
        changed[1:] |= (column.slice(1) != column.slice(0, count - 1)).to_numpy()
    return np.append(np.flatnonzero(changed), count).astype(np.int64)


def _rises(known: Int64s, starts: Int64s) -> bool:
    falls = known[1:] < known[:-1]
    falls[starts[1:-1] - 1] = False
    return not falls.any()


def _codes(entities: pl.DataFrame, keys: pl.DataFrame) -> Int64s:
    """Position of each example's entity among the history's, or -1."""
    numbered = entities.with_row_index("_code").with_columns(pl.col("_code").cast(pl.Int64))
    joined = keys.join(numbered, on=entities.columns, how="left", maintain_order="left")
    return joined["_code"].fill_null(NONE).to_numpy()


def _bounds(starts: Int64s, entity: Int64s) -> tuple[Int64s, Int64s]:
    if len(starts) == 1:
        return np.zeros_like(entity), np.zeros_like(entity)
    return starts[entity], starts[entity + 1]


def _search_right(values: Int64s, low: Int64s, high: Int64s, wanted: Int64s) -> Int64s:
    """Binary search of each `wanted` within its own [low, high): the position after the last value not above it."""
    low, high = low.copy(), high.copy()
    widest = int((high - low).max(initial=0))
    if not len(values):
        return low
    for _ in range(widest.bit_length()):
        middle = (low + high) >> 1
        after = values.take(middle, mode="clip") <= wanted  # where low is high, middle may lie behind the last
        after &= low < high
        np.add(middle, 1, out=low, where=after)
        np.copyto(high, middle, where=~after)
    return low


def breaks_order(keys: pl.DataFrame, starts: Int64s, event: Int64s, created: Int64s | None) -> bool:
    """Whether a history is not grouped by entity, or not sorted by event and created time within one."""
    if not keys[starts[:-1]].is_unique().all():
        return True
    falls = event[1:] < event[:-1]
    if created is not None:
        falls |= (event[1:] == event[:-1]) & (created[1:] < created[:-1])
    falls[starts[1:-1] - 1] = False
    return bool(falls.any())


def has_ties(starts: Int64s, event: Int64s, created: Int64s | None) -> bool:
    """Whether a sorted history has rows that share entity, event and created time."""
    same = event[1:] == event[:-1]
    if created is not None:
        same &= created[1:] == created[:-1]
    same[starts[1:-1] - 1] = False
    return bool(same.any())
