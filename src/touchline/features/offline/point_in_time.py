"""The point-in-time join: what was known of each entity at each example's cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import InvalidEntityKey, InvalidView, ViewNotFound
from touchline.features.offline.as_of_join import HistoryColumns, Lookup, instants
from touchline.features.offline.key_partitions import PartitionRunner, join_as_of, parts_for

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView, ViewJoin
    from touchline.features.offline.histories import FeatureHistory


def point_in_time_join(
    examples: pl.DataFrame,
    joins: Sequence[ViewJoin],
    histories: Mapping[str, FeatureHistory] | Mapping[str, pl.LazyFrame],
    *,
    cutoff: str = "cutoff",
    memory_limit_bytes: int | None = None,
    runner: PartitionRunner | None = None,
) -> pl.DataFrame:
    """Give each example the newest feature values known at its cutoff: as many rows, in the same order.

    A value counts when its event_timestamp and created_timestamp are not after the cutoff and it is no older than the
    view's TTL; a value stamped at the cutoff itself, or exactly as old as the TTL, counts. Otherwise it is null.
    With a memory limit, a larger history is read one range of keys after another; a `runner` joins them on a cluster.
    """
    joined: dict[int, list[pl.Series]] = {}
    for name, places in _by_view(joins).items():
        if name not in histories:
            raise ViewNotFound(name, histories)
        history = histories[name]
        lookups, columns = _lookups(examples, [joins[place] for place in places], _frame(history), cutoff)
        parts = parts_for(_bytes(history), memory_limit_bytes)
        found = join_as_of(_frame(history), columns, lookups, parts=parts, runner=runner)
        for place, frame in zip(places, found, strict=True):
            joined[place] = [column.alias(joins[place].column(column.name)) for column in frame.iter_columns()]
    return pl.DataFrame([*examples.iter_columns(), *(column for place in sorted(joined) for column in joined[place])])


def _lookups(
    examples: pl.DataFrame, joins: Sequence[ViewJoin], history: pl.LazyFrame, cutoff: str
) -> tuple[list[Lookup], HistoryColumns]:
    """The lookups of all joins of one view, so that its history is read once."""
    view = joins[0].view
    schema = history.collect_schema()
    cutoffs, ttl = instants(examples[cutoff]), ttl_microseconds(view)
    lookups = [Lookup(entity_keys(examples, join, schema), cutoffs, ttl) for join in joins]
    return lookups, HistoryColumns(view.join_keys, tuple(feature.name for feature in view.features))


def ttl_microseconds(view: FeatureView) -> int | None:
    return None if view.ttl is None else round(view.ttl.total_seconds() * 1_000_000)


def entity_keys(examples: pl.DataFrame, join: ViewJoin, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The example columns of a join under the names and types of the view's keys."""
    missing = [name for name in join.example_columns if name not in examples.columns]
    if missing:
        raise InvalidView(
            join.view.name,
            f"is joined on {missing[0]!r}, which the examples do not have (they have {', '.join(examples.columns)})",
            f"Let the examples return the column, or name theirs: {join.view.name}.on("
            f"{', '.join(f'<column with {key}>' for key in join.view.join_keys)}).",
        )
    pairs = zip(join.example_columns, join.view.join_keys, strict=True)
    return pl.DataFrame([key_column(examples[name], key, schema[key], join.view.name) for name, key in pairs])


def key_column(column: pl.Series, key: str, dtype: pl.DataType, view: str) -> pl.Series:
    """A column of entity keys in the history's type; numbers never match text, so such a pair is an error."""
    same = column.dtype == dtype or (column.dtype.is_integer() and dtype.is_integer()) or column.dtype == pl.Null
    texts = dtype == pl.String and column.dtype in (pl.Categorical, pl.Enum)
    if same or texts:
        return column.cast(dtype).alias(key)
    raise InvalidEntityKey(view, key, column.drop_nulls().head(1).to_list(), f"of type {dtype}, as in the view")


def _by_view(joins: Sequence[ViewJoin]) -> dict[str, list[int]]:
    """The places of the joins of each view."""
    groups: dict[str, list[int]] = {}
    for place, join in enumerate(joins):
        groups.setdefault(join.view.name, []).append(place)
    return groups


def _bytes(history: FeatureHistory | pl.LazyFrame) -> int:
    """The uncompressed bytes of a stored history; 0 for one in memory."""
    return 0 if isinstance(history, pl.LazyFrame) else sum(map(uncompressed_bytes, history.paths()))


def uncompressed_bytes(path: Path) -> int:
    """Bytes of a Parquet file's columns, as its footer states."""
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # pyarrow ships no types

    footer = ParquetFile(path).metadata
    return sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups))


def _frame(history: FeatureHistory | pl.LazyFrame) -> pl.LazyFrame:
    return history if isinstance(history, pl.LazyFrame) else history.scan()
