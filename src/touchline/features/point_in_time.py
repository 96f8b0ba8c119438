"""The point-in-time join: what was known of each entity at each example's cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import InvalidEntityKey, InvalidView, ViewNotFound
from touchline.features.as_of import Int64s, Timeline, as_indices, build_timeline, newest_known, within_ttl
from touchline.features.view_schema import INSTANT

if TYPE_CHECKING:
    from touchline.features.compute import FeatureHistory
    from touchline.features.spec import FeatureView, ViewJoin


def point_in_time_join(
    examples: pl.DataFrame,
    joins: Sequence[ViewJoin],
    histories: Mapping[str, FeatureHistory | pl.LazyFrame],
    *,
    cutoff: str = "cutoff",
) -> pl.DataFrame:
    """Give each example the newest feature values known at its cutoff: as many rows, in the same order.

    A value counts when its event_timestamp and created_timestamp are not after the cutoff and it is no older than the
    view's TTL; a value stamped at the cutoff itself, or exactly as old as the TTL, counts. Otherwise it is null.
    """
    columns = list(examples.iter_columns())
    for name, group in _by_view(joins).items():
        if name not in histories:
            raise ViewNotFound(name, histories)
        columns += _joined_columns(examples, group, _frame(histories[name]), cutoff)
    return pl.DataFrame(columns)


def _joined_columns(
    examples: pl.DataFrame, joins: Sequence[ViewJoin], history: pl.LazyFrame, cutoff: str
) -> list[pl.Series]:
    """The feature columns of all joins of one view, whose history is read once and column by column."""
    view = joins[0].view
    stamps = history.select(*view.join_keys, "event_timestamp", "created_timestamp").collect()
    event = instants(stamps["event_timestamp"])
    timeline = build_timeline(stamps.select(view.join_keys), event, instants(stamps["created_timestamp"]))
    del stamps
    rows = [_matching_rows(examples, join, timeline, event, cutoff) for join in joins]
    del timeline, event
    features = history.select(feature.name for feature in view.features).collect()
    return [
        features[feature.name].gather(index).alias(join.column(feature.name))
        for join, index in zip(joins, map(as_indices, rows), strict=True)
        for feature in view.features
    ]


def _matching_rows(examples: pl.DataFrame, join: ViewJoin, timeline: Timeline, event: Int64s, cutoff: str) -> Int64s:
    cutoffs = instants(examples[cutoff])
    keys = entity_keys(examples, join, timeline.keys.schema)
    rows = newest_known(timeline, keys, cutoffs)
    return within_ttl(rows, event, cutoffs, ttl_microseconds(join.view))


def instants(column: pl.Series) -> Int64s:
    """Microseconds since 1970 of an aware column, in any zone and unit."""
    return column.cast(INSTANT).to_physical().to_numpy()


def ttl_microseconds(view: FeatureView) -> int | None:
    return None if view.ttl is None else round(view.ttl.total_seconds() * 1_000_000)


def entity_keys(examples: pl.DataFrame, join: ViewJoin, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The example columns of a join under the names and types of the view's keys."""
    missing = [name for name in join.example_columns if name not in examples.columns]
    if missing:
        raise InvalidView(
            join.view.name,
            f"is joined on {missing[0]!r}, which the examples do not have (they have {', '.join(examples.columns)})",
            "Name a column of the examples.",
        )
    pairs = zip(join.example_columns, join.view.join_keys, strict=True)
    return pl.DataFrame([_key_column(examples[name], key, schema[key], join.view.name) for name, key in pairs])


def _key_column(column: pl.Series, key: str, dtype: pl.DataType, view: str) -> pl.Series:
    same = column.dtype == dtype or (column.dtype.is_integer() and dtype.is_integer()) or column.dtype == pl.Null
    texts = dtype == pl.String and column.dtype in (pl.Categorical, pl.Enum)
    if same or texts:
        return column.cast(dtype).alias(key)
    raise InvalidEntityKey(view, key, column.drop_nulls().head(1).to_list(), f"of type {dtype}, as in the view")


def _by_view(joins: Sequence[ViewJoin]) -> dict[str, list[ViewJoin]]:
    groups: dict[str, list[ViewJoin]] = {}
    for join in joins:
        groups.setdefault(join.view.name, []).append(join)
    return groups


def _frame(history: FeatureHistory | pl.LazyFrame) -> pl.LazyFrame:
    return history if isinstance(history, pl.LazyFrame) else history.scan()
