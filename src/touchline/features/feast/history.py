"""Feast's questions to an offline store, answered by the as-of join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from touchline.errors import InvalidEntityRows
from touchline.features.declaration.types import INSTANT
from touchline.features.feast.sources import (
    DUMMY_KEY,
    DUMMY_VALUE,
    cutoff_column,
    entity_rows,
    mapped,
    require_columns,
    scan_source,
    source_path,
)
from touchline.features.offline.as_of_join import HistoryColumns, Lookup, instants
from touchline.features.offline.key_partitions import PartitionRunner, join_as_of, parts_for
from touchline.features.offline.point_in_time import key_column, uncompressed_bytes


@dataclass(frozen=True)
class Effort:
    """The memory limit of a join, and its engine; by default all memory, in this process."""

    memory_limit_bytes: int | None = None
    runner: PartitionRunner | None = None


class ViewHistory:
    """One Feast feature view, the columns of its batch source that were asked for, and the names of its keys."""

    def __init__(self, view: Any, features: Sequence[str], repo_path: Any, *, created_counts: bool) -> None:
        source = view.batch_source
        self.name: str = view.projection.name_to_use()
        self.path = source_path(source, repo_path)
        self.ttl = round(view.ttl.total_seconds() * 1_000_000) if view.ttl else None  # Feast's zero is no limit
        names = [column.name for column in view.entity_columns] or [DUMMY_KEY]
        self.entity_columns = [view.projection.join_key_map.get(name, name) for name in names]
        event = mapped(source, source.timestamp_field)
        created = mapped(source, source.created_timestamp_column) if source.created_timestamp_column else None
        self.frame = with_dummy_key(scan_source(source, repo_path), names)
        wanted = [*names, event, *([created] if created else []), *features]
        self.schema = require_columns(self.frame, wanted, self.name, str(self.path))
        # Without the created rule the created time still breaks ties, which sorting by it does.
        self.columns = HistoryColumns(tuple(names), tuple(features), event, created)
        self.created_counts = created_counts

    def join(self, rows: pl.DataFrame, cutoff: str, effort: Effort) -> pl.DataFrame:
        """The features as known at each row's cutoff, a row for each row."""
        pairs = zip(self.entity_columns, self.columns.keys, strict=True)
        keys = pl.DataFrame(
            [key_column(self._entity(rows, name), key, self.schema[key], self.name) for name, key in pairs]
        )
        lookup = Lookup(keys, instants(rows[cutoff]), self.ttl)
        history, columns = self._counted_rows()
        parts = parts_for(self._bytes(), effort.memory_limit_bytes)
        return join_as_of(history, columns, [lookup], parts=parts, runner=effort.runner)[0]

    def _counted_rows(self) -> tuple[pl.LazyFrame, HistoryColumns]:
        if self.created_counts or self.columns.created is None:
            return self.frame, self.columns
        identity = [*self.columns.keys, self.columns.event]
        newest = self.frame.sort(*identity, self.columns.created).unique(identity, keep="last", maintain_order=True)
        return newest, HistoryColumns(self.columns.keys, self.columns.features, self.columns.event, None)

    def _entity(self, rows: pl.DataFrame, name: str) -> pl.Series:
        if name in rows.columns:
            return rows[name]
        if name == DUMMY_KEY:
            return pl.repeat(DUMMY_VALUE, len(rows), dtype=pl.String(), eager=True)
        raise InvalidEntityRows(f"have no column {name!r}, which view {self.name!r} is joined on")

    def _bytes(self) -> int:
        return uncompressed_bytes(self.path) if not isinstance(self.path, str) and self.path.is_file() else 0


def join_views(entity_df: Any, views: Sequence[ViewHistory], *, full_names: bool, effort: Effort) -> pl.DataFrame:
    """The entity rows with every view's features: as many rows, in the same order."""
    rows = entity_rows(entity_df)
    cutoff = cutoff_column(rows)
    columns = [_utc(column) if column.name == cutoff else column for column in rows.iter_columns()]
    for view in views:
        found = view.join(rows, cutoff, effort)
        names = {name: f"{view.name}__{name}" if full_names else name for name in found.columns}
        columns += found.rename(names).iter_columns()
    return pl.DataFrame(columns)


def all_entities(views: Sequence[ViewHistory], at: datetime) -> pl.DataFrame:
    """One row for each entity the views know by `at`, for a request without entity rows."""
    frames = []
    for view in views:
        known = view.frame.filter(pl.col(view.columns.event).cast(INSTANT) <= at)
        frames.append(known.select(pl.col(view.columns.keys)).unique().collect().rename(_entity_names(view)))
    if len({tuple(sorted(frame.columns)) for frame in frames}) > 1:
        raise InvalidEntityRows("are not given, and the views have different join keys")
    keys = pl.concat([frame.select(sorted(frame.columns)) for frame in frames]).unique().sort(sorted(frames[0].columns))
    return keys.with_columns(event_timestamp=pl.lit(at, dtype=INSTANT))


def latest_rows(
    frame: pl.LazyFrame, columns: HistoryColumns, *, at: datetime, created_counts: bool = True
) -> pl.DataFrame:
    """The newest row of each entity among those known at `at`, whenever they were written.

    Where the created time does not count, a row is known from its event on, and the created time breaks ties only.
    """
    stamps = columns.stamps if created_counts else [columns.event]
    known = pl.max_horizontal(pl.col(name).cast(INSTANT) for name in stamps)
    wanted = frame.filter(known <= at).select(*columns.keys, *columns.features, *columns.stamps)
    ordered = wanted.sort(*columns.stamps, *_plain(wanted, columns), nulls_last=False, maintain_order=True)
    return ordered.unique(list(columns.keys), keep="last", maintain_order=True).collect()


def rows_between(
    frame: pl.LazyFrame, columns: HistoryColumns, start: datetime | None, end: datetime | None
) -> pl.DataFrame:
    """All rows whose event lies in [start, end]."""
    event = pl.col(columns.event).cast(INSTANT)
    if start is not None:
        frame = frame.filter(event >= aware(start))
    if end is not None:
        frame = frame.filter(event <= aware(end))
    wanted = list(dict.fromkeys([*columns.keys, *columns.features, *columns.stamps]))
    return frame.select(wanted if columns.features else pl.all()).collect()


def with_dummy_key(frame: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """A view without an entity has Feast's dummy key."""
    if DUMMY_KEY in keys and DUMMY_KEY not in frame.collect_schema():
        return frame.with_columns(pl.lit(DUMMY_VALUE).alias(DUMMY_KEY))
    return frame


def aware(instant: datetime) -> datetime:
    """Feast means UTC where it names no zone."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def clipped(end: datetime | None, now: datetime) -> datetime:
    """An end in the future would promise what nobody knows yet."""
    return now if end is None else min(aware(end), now)


def _plain(frame: pl.LazyFrame, columns: HistoryColumns) -> list[str]:
    schema = frame.collect_schema()
    return [name for name in columns.features if not schema[name].is_nested()]


def _entity_names(view: ViewHistory) -> dict[str, str]:
    return dict(zip(view.columns.keys, view.entity_columns, strict=True))


def _utc(column: pl.Series) -> pl.Series:
    if not isinstance(column.dtype, pl.Datetime):
        return column.cast(INSTANT)
    if column.dtype.time_zone is None:
        return column.dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC")
