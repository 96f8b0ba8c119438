"""The as-of join by ranges of keys: one after another within a memory limit, or side by side on a cluster."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from touchline import plugins
from touchline.errors import MissingDependency
from touchline.features.offline.as_of_join import HistoryColumns, Lookup, join_part

GROUP = "touchline.partition_runners"
_ROW = "_touchline_row"
# A column of text or of a decoded dictionary takes about this much more in memory than in Parquet.
_DECODED = 3


@dataclass(frozen=True)
class Partition:
    """One range of keys: the history to read it from, and the examples whose keys lie in it."""

    history: pl.LazyFrame
    columns: HistoryColumns
    lookups: tuple[Lookup, ...]
    low: Any
    high: Any


def join_partition(partition: Partition) -> list[pl.DataFrame]:
    """The joined rows of each lookup; what every runner does with a partition, wherever that is."""
    within = pl.col(partition.columns.keys[0]).is_between(pl.lit(partition.low), pl.lit(partition.high))
    return join_part(partition.history.filter(within), partition.columns, partition.lookups)


class PartitionRunner(Protocol):
    """Joins partitions somewhere. Those who run them elsewhere need the history's files to be readable there."""

    def count(self) -> int:
        """The number of partitions that run in parallel."""

    def run(self, partitions: Iterable[Partition]) -> Iterable[list[pl.DataFrame]]:
        """The result of `join_partition` for each, in order."""


class LocalRunner:
    """One after another in this process, whose engine uses all cores already."""

    def count(self) -> int:
        return 1

    def run(self, partitions: Iterable[Partition]) -> Iterable[list[pl.DataFrame]]:
        return map(join_partition, partitions)


def open_runner(name: str, address: str | None = None) -> PartitionRunner:
    """The runner of that name: "local", "ray" or "spark", the latter with a cluster's address, else one made here.

    >>> open_runner("local").count()
    1
    """
    made = plugins.load(GROUP, name)
    try:
        runner: PartitionRunner = made(*([address] if address else []))
    except ModuleNotFoundError as missing:
        raise MissingDependency(f"{GROUP} {name!r}", missing.name or "?", [name]) from missing
    return runner


def join_as_of(
    history: pl.LazyFrame,
    columns: HistoryColumns,
    lookups: Sequence[Lookup],
    *,
    parts: int = 1,
    runner: PartitionRunner | None = None,
) -> list[pl.DataFrame]:
    """For each lookup the features that were newest and known at each cutoff, a row for each of its rows.

    With several parts, or a runner that wants several, the history is read by ranges of keys.
    """
    runner = runner or LocalRunner()
    parts = max(parts, runner.count())
    if parts <= 1:
        return join_part(history, columns, lookups)
    schema = history.select(columns.features).collect_schema()
    partitions = list(_partitions(history, columns, lookups, parts))
    results: list[list[pl.DataFrame]] = [[] for _ in lookups]
    for partition, found in zip(partitions, runner.run(partitions), strict=True):
        for place, (part, lookup) in enumerate(zip(found, partition.lookups, strict=True)):
            results[place].append(part.with_columns(lookup.keys[_ROW]))
    return [_in_order(result, len(lookup.keys), schema) for result, lookup in zip(results, lookups, strict=True)]


def parts_for(history_bytes: int, memory_limit_bytes: int | None) -> int:
    """The number of key ranges that keeps the working set of a history below the limit."""
    if not memory_limit_bytes:
        return 1
    return max(1, math.ceil(history_bytes * _DECODED / memory_limit_bytes))


def key_ranges(lookups: Sequence[Lookup], key: str, parts: int) -> Iterator[tuple[Any, Any]]:
    """Ranges of the first key that split the lookups' entities evenly."""
    entities = pl.concat([lookup.keys.select(key) for lookup in lookups]).unique().drop_nulls().sort(key)[key]
    size = max(1, math.ceil(len(entities) / parts))
    for start in range(0, len(entities), size):
        chunk = entities.slice(start, size)
        yield chunk[0], chunk[-1]


def _partitions(
    history: pl.LazyFrame, columns: HistoryColumns, lookups: Sequence[Lookup], parts: int
) -> Iterator[Partition]:
    key = columns.keys[0]
    for low, high in key_ranges(lookups, key, parts):
        yield Partition(history, columns, tuple(_within(lookup, key, low, high) for lookup in lookups), low, high)


def _within(lookup: Lookup, key: str, low: Any, high: Any) -> Lookup:
    numbered = lookup.keys.with_row_index(_ROW).filter(pl.col(key).is_between(pl.lit(low), pl.lit(high)))
    rows = numbered[_ROW].to_numpy()
    aged_at = None if lookup.aged_at is None else lookup.aged_at[rows]
    return Lookup(numbered, lookup.cutoffs[rows], lookup.ttl, aged_at)


def _in_order(parts: Sequence[pl.DataFrame], count: int, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The parts' rows where their examples stand; rows that no part holds are null."""
    if not parts:
        return pl.DataFrame([pl.repeat(None, count, dtype=dtype, eager=True).alias(n) for n, dtype in schema.items()])
    places = pl.DataFrame({_ROW: np.arange(count, dtype=np.uint32)})
    return places.join(pl.concat(parts), on=_ROW, how="left", maintain_order="left").drop(_ROW)
