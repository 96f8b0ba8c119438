"""The columnar as-of search: for each example, the row of a sorted history that was newest and known by its cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
NONE = -1  # no row of the history matches


@dataclass(frozen=True)
class Stamps:
    """Whom each row of a history is about, when it happened and when it was written. Without `created`: at once."""

    keys: pl.DataFrame
    event: Int64s
    created: Int64s | None

    @cached_property
    def starts(self) -> Int64s:
        """The boundaries between keys: entity `i` of a grouped history lies from `starts[i]` to `starts[i + 1]`."""
        count = len(self.keys)
        if not count:
            return np.zeros(1, dtype=np.int64)
        changed = np.zeros(count - 1, dtype=bool)
        for column in self.keys.iter_columns():
            changed |= column.slice(1).ne_missing(column.slice(0, count - 1)).to_numpy()
        return np.concatenate([[0], np.flatnonzero(changed) + 1, [count]])

    @cached_property
    def entities(self) -> pl.DataFrame:
        """The keys of each group of rows."""
        return self.keys[self.starts[:-1]] if len(self.keys) else self.keys

    def ordered(self, order: Int64s) -> Stamps:
        """The rows in that order."""
        created = None if self.created is None else self.created[order]
        return Stamps(self.keys[order], self.event[order], created)

    def rise(self) -> bool:
        """Whether the rows are grouped by entity, and each of one entity happened after the one before it."""
        return self._is_grouped() and not self._any_within(self.event[1:] <= self.event[:-1])

    def break_order(self) -> bool:
        """Whether the rows are not grouped by entity, or not sorted by event and created time within one."""
        falls = self.event[1:] < self.event[:-1]
        if self.created is not None:
            falls |= (self.event[1:] == self.event[:-1]) & (self.created[1:] < self.created[:-1])
        return not self._is_grouped() or self._any_within(falls)

    def have_ties(self) -> bool:
        """Whether some rows of a sorted history share entity, event and created time."""
        same = self.event[1:] == self.event[:-1]
        if self.created is not None:
            same &= self.created[1:] == self.created[:-1]
        return self._any_within(same)

    def knowable(self) -> Int64s:
        """The instant from which each row is known: not before its event."""
        if self.created is None:
            return self.event
        return self.created if (self.created >= self.event).all() else np.maximum(self.event, self.created)

    def falls(self, values: Int64s) -> bool:
        """Whether `values`, one for each row, go back somewhere within an entity."""
        return self._any_within(values[1:] < values[:-1])

    def _is_grouped(self) -> bool:
        return bool(self.entities.is_unique().all())

    def _any_within(self, pairs: NDArray[np.bool_]) -> bool:
        """Whether it is true of two neighbouring rows of one entity."""
        pairs[self.starts[1:-1] - 1] = False
        return bool(pairs.any())


@dataclass(frozen=True)
class Timeline:
    """For each entity, when its newest known row changed, and to which row.

    `known` rises within an entity; entity `i` holds positions `starts[i]` to `starts[i + 1]`.
    """

    entities: pl.DataFrame
    starts: Int64s
    knowable: Int64s
    rows: Int64s | None  # None where the history itself is the timeline


def build_timeline(stamps: Stamps) -> Timeline:
    """The timeline of a history sorted by keys, event and created time.

    Where what is known never goes back within an entity (no corrections) that is the history as it lies. Otherwise it
    leaves out the rows that a later one was known before: corrections of what was no longer the newest.
    """
    knowable = stamps.knowable()
    if not stamps.falls(knowable):
        return Timeline(stamps.entities, stamps.starts, knowable, None)
    rows = np.flatnonzero(knowable == _least_from_here(knowable, stamps.starts))
    return Timeline(stamps.entities, np.searchsorted(rows, stamps.starts), knowable[rows], rows)


def entity_numbers(timeline: Timeline, keys: pl.DataFrame) -> Int64s:
    """Position of each example's entity in the timeline, or -1."""
    numbered = timeline.entities.with_row_index("_number").with_columns(pl.col("_number").cast(pl.Int64))
    joined = keys.join(numbered, on=timeline.entities.columns, how="left", maintain_order="left")
    return joined["_number"].fill_null(NONE).to_numpy()


def neighbours_together(entities: Int64s, count: int) -> Int64s:
    """An order that brings together the examples of one of `count` entities, or of neighbouring ones.

    So a history is looked up from its begin to its end, which is several times faster than here and there. Numbers of
    16 bits are sorted in linear time.
    """
    shift = max(count.bit_length() - 16, 0)
    return np.argsort((entities >> shift).astype(np.uint16), kind="stable")


def newest_known(timeline: Timeline, entities: Int64s, cutoffs: Int64s) -> Int64s:
    """For each example the history row that is newest among those known at its cutoff, or -1."""
    # For -1, an entity the history does not have, this is what lies between its end and its begin: nothing.
    low, high = timeline.starts[entities], timeline.starts[entities + 1]
    position = _search_right(timeline.knowable, low, high, cutoffs)
    newest = position - 1
    if timeline.rows is not None:
        newest = timeline.rows[newest]
    return np.where(position > low, newest, NONE)


def within_ttl(rows: Int64s, event: Int64s, cutoffs: Int64s, ttl: int | None) -> Int64s:
    """`rows` without those older than `ttl` microseconds at the cutoff; exactly as old as the TTL still counts."""
    if ttl is None or not len(event):
        return rows
    return np.where(event[rows] >= cutoffs - ttl, rows, NONE)


def as_indices(rows: Int64s) -> pl.Series:
    """Row numbers for a gather that gives null where there is no row."""
    indices = pl.Series(rows)
    return indices.set(indices < 0, None)


def _least_from_here(values: Int64s, starts: Int64s) -> Int64s:
    """The least of each value and all that follow it within its entity."""
    least = values.copy()
    left = np.repeat(starts[1:], np.diff(starts)) - np.arange(len(values))  # in its entity, itself included
    step, widest = 1, int(left.max(initial=0))
    while step < widest:  # `least` covers `step` values, then twice as many
        np.minimum(least[:-step], least[step:], out=least[:-step], where=left[:-step] > step)
        step *= 2
    return least


def _search_right(values: Int64s, low: Int64s, high: Int64s, targets: Int64s) -> Int64s:
    """Search each `wanted` within its own [low, high): the position after the last value not above it."""
    position = low.copy()
    step = 1 << int((high - low).max(initial=0)).bit_length() >> 1
    while step:
        after = position + step
        passes = values.take(after - 1, mode="clip") <= targets  # what lies behind `high` does not count
        passes &= after <= high
        position += passes * np.int64(step)  # times a truth value: much faster than a masked addition
        step >>= 1
    return position
