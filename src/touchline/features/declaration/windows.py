"""`window`: a feature view of aggregates over the last days of each entity, right when events come and when they leave.

At an instant t a window of length w holds the rows with t - w < event_timestamp <= t: rows of the same instant all
count, and a row leaves when it is w old. The view has a row wherever one of these changes, so an entity without new
events does not keep its old week.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.errors import InvalidView
from touchline.features.declaration.view import FeatureView

if TYPE_CHECKING:
    from touchline.features.declaration.entity import Entity
    from touchline.ingest import Source

_LENGTH = re.compile(r"([1-9][0-9]*)(m|h|d|w)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_AT = "__at__"
_VERSION = 1  # of the computation below: another one gives views other feature versions


@dataclass(frozen=True)
class Aggregate:
    """One number of the rows in a window, from a column or an expression of them; nulls do not count."""

    kind: str
    value: pl.Expr

    def over(self, name: str) -> pl.Expr:
        """The aggregate of the column `name`, which holds the values and nulls where there is no event."""
        column = pl.col(name)
        if self.kind == "count":
            return column.count().cast(pl.Int64)
        if self.kind == "sum":
            return pl.when(column.count() > 0).then(column.sum())
        if self.kind == "last":
            return column.drop_nulls().last()
        aggregated: pl.Expr = getattr(column, self.kind)()
        return aggregated


def mean(value: str | pl.Expr) -> Aggregate:
    """The mean of a column or expression; null in a window without a value."""
    return Aggregate("mean", _expression(value).cast(pl.Float64))


def total(value: str | pl.Expr) -> Aggregate:
    """The sum; null in a window without a value."""
    return Aggregate("sum", _expression(value))


def smallest(value: str | pl.Expr) -> Aggregate:
    """The least value; null in a window without a value."""
    return Aggregate("min", _expression(value))


def largest(value: str | pl.Expr) -> Aggregate:
    """The largest value; null in a window without a value."""
    return Aggregate("max", _expression(value))


def last(value: str | pl.Expr) -> Aggregate:
    """The newest value that is not null, by event and then by the source's key; null in a window without one."""
    return Aggregate("last", _expression(value))


def count(condition: pl.Expr | None = None) -> Aggregate:
    """The number of rows, or of those where a condition holds; 0 in an empty window."""
    return Aggregate("count", pl.lit(1) if condition is None else pl.when(condition).then(1))


def share(condition: pl.Expr) -> Aggregate:
    """The share of rows where a condition holds, of those where it is not null; null in a window without one."""
    return Aggregate("mean", condition.cast(pl.Float64))


def window(
    source: Source,
    *,
    entity: Entity,
    over: str | Sequence[str],
    name: str | None = None,
    keys: Sequence[str] | None = None,
    ttl: timedelta | None = None,
    **aggregates: Aggregate,
) -> FeatureView:
    """A feature view of aggregates over windows: `window(flights, entity=carrier, over=["7d"], late=mean("delay"))`.

    Its features are named by aggregate and window, as `late_7d`. A window is a length of minutes, hours, days or weeks
    ("90m", "6h", "7d", "4w"). `keys` are the columns of the source that hold the entity's keys, where they differ.
    Raises `InvalidView` for a length or an aggregate that is none.
    """
    name = name or f"{source.name}_by_{entity.name}"
    lengths = {text: _length(name, text) for text in ([over] if isinstance(over, str) else over)}
    for feature, aggregate in aggregates.items():
        if not isinstance(aggregate, Aggregate):
            found = f"has {feature!r} of type {type(aggregate).__name__}"
            raise InvalidView(name, found, "Give an aggregate: mean, total, count, share, last, smallest or largest.")
    if not lengths or not aggregates:
        raise InvalidView(name, "has no window or no aggregate", 'Give over="7d" and, say, visits=count().')
    columns = tuple(keys or entity.join_keys)
    if len(columns) != len(entity.join_keys):
        found = f"has the keys {list(columns)}, but its entity {list(entity.join_keys)}"
        raise InvalidView(name, found, "Name one column of the source for each key, in the same order.")
    compute = _computation(source, dict(zip(columns, entity.join_keys, strict=True)), lengths, aggregates)
    definition = [_VERSION, columns, list(lengths), {key: _text(one) for key, one in aggregates.items()}]
    return FeatureView(
        name=name,
        entity=entity,
        sources=(source,),
        function=compute,
        ttl=ttl,
        description=f"{', '.join(aggregates)} of {source.name} over {', '.join(lengths)}, by {entity.name}.",
        definition=json.dumps(definition, sort_keys=True),
    )


def _computation(
    source: Source, keys: dict[str, str], lengths: dict[str, timedelta], aggregates: dict[str, Aggregate]
) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    def compute(rows: pl.LazyFrame) -> pl.LazyFrame:
        names = list(keys.values())
        events = (
            rows.sort("event_timestamp", *source.keys)
            .select(
                *(pl.col(column).alias(key) for column, key in keys.items()),
                pl.col("event_timestamp").alias(_AT),
                *(one.value.alias(feature) for feature, one in aggregates.items()),
            )
            .drop_nulls(names)
        )
        stamps = events.select(*names, _AT)
        leaving = [stamps.with_columns(pl.col(_AT) + length) for length in lengths.values()]
        points = pl.concat([stamps, *leaving]).unique()
        # Where nothing happens a row of nulls stands, so that the window is evaluated there.
        timeline = pl.concat([events, points.join(stamps, on=[*names, _AT], how="anti")], how="diagonal")
        timeline = timeline.sort(*names, _AT, maintain_order=True)
        result = points.sort(*names, _AT)
        for text, length in lengths.items():
            part = timeline.rolling(_AT, period=length, closed="right", group_by=names).agg(
                one.over(feature).alias(f"{feature}_{text}") for feature, one in aggregates.items()
            )
            result = result.join(part.unique([*names, _AT], keep="last"), on=[*names, _AT], how="left")
        return result.rename({_AT: "event_timestamp"})

    return compute


def _expression(value: str | pl.Expr) -> pl.Expr:
    return pl.col(value) if isinstance(value, str) else value


def _length(view: str, text: str) -> timedelta:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise InvalidView(view, f"has the window {text!r}", 'Give a length such as "90m", "6h", "7d" or "4w".')
    return int(found[1]) * _UNITS[found[2]]


def _text(aggregate: Aggregate) -> Any:
    return [aggregate.kind, json.loads(aggregate.value.meta.serialize(format="json"))]
