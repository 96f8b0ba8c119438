"""`data diff A B`: what changed from one snapshot to another."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from touchline.ingest.snapshots import Snapshot, columns_of, current_rows, read_snapshot
from touchline.ingest.spec import Source
from touchline.ingest.summary import ColumnSummary, distance, summarise
from touchline.storage import DataStores

_AFTER = "__after__"


@dataclass(frozen=True)
class ColumnDiff:
    """A column in both snapshots; `changed` counts rows of both whose value differs, `distance` is 0 to 1."""

    name: str
    before: ColumnSummary
    after: ColumnSummary
    changed: int
    distance: float


@dataclass(frozen=True)
class RowChange:
    """One cell that differs, as text."""

    key: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class SnapshotDiff:
    """From `before` to `after`: schema, rows of the current table, distributions, hashes.

    `retyped` holds (column, type before, type after); `examples` the first changed cells.
    """

    before: Snapshot
    after: Snapshot
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int
    columns: tuple[ColumnDiff, ...]
    examples: tuple[RowChange, ...]

    @property
    def is_same(self) -> bool:
        """Whether both are the same content."""
        return self.before.hash == self.after.hash

    @property
    def sentence(self) -> str:
        """What changed, in numbers."""
        return (
            f"{self.before.hash[:12]} → {self.after.hash[:12]}: {self.rows_before} → {self.rows_after} rows, "
            f"{self.rows_added} added, {self.rows_removed} removed, {self.rows_changed} changed"
        )

    @property
    def schema_changed(self) -> bool:
        """Whether the columns differ."""
        return bool(self.columns_added or self.columns_removed or self.retyped)


def diff_snapshots(
    source: Source, before: str, after: str | None = None, *, project: str, stores: DataStores, examples: int = 10
) -> SnapshotDiff:
    """Compare two snapshots named by the beginnings of their hashes; without `after`, with the current one."""
    old, new = (read_snapshot(project, source.name, stores, name) for name in (before, after))
    left, right = (current_rows(snapshot.read(), source.keys) for snapshot in (old, new))
    names_left, names_right = columns_of(left), columns_of(right)
    shared = [name for name in names_left if name in names_right]
    cells = _changed_cells(left, right, list(source.keys), [name for name in shared if name not in source.keys])
    keys = list(source.keys)
    return SnapshotDiff(
        before=old,
        after=new,
        columns_added=tuple(name for name in names_right if name not in names_left),
        columns_removed=tuple(name for name in names_left if name not in names_right),
        retyped=tuple(
            (name, str(left.schema[name]), str(right.schema[name]))
            for name in shared
            if left.schema[name] != right.schema[name]
        ),
        rows_before=left.height,
        rows_after=right.height,
        rows_added=right.join(left, on=keys, how="anti").height,
        rows_removed=left.join(right, on=keys, how="anti").height,
        rows_changed=cells["key"].n_unique() if cells.height else 0,
        columns=tuple(_column_diff(left[name], right[name], cells) for name in shared),
        examples=tuple(RowChange(*row) for row in cells.sort("key", "column").head(examples).iter_rows()),
    )


def _changed_cells(left: pl.DataFrame, right: pl.DataFrame, keys: list[str], columns: list[str]) -> pl.DataFrame:
    """Key, column, value before and after of every cell that differs in rows both have."""
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in keys], separator=", ").alias("key")
    pairs = left.select(*keys, *columns).join(right.select(*keys, *columns), on=keys, how="inner", suffix=_AFTER)
    parts = [pl.DataFrame(schema={"key": pl.String, "column": pl.String, "before": pl.String, "after": pl.String})]
    for name in columns:
        before, after = pl.col(name), pl.col(f"{name}{_AFTER}")
        if left.schema[name] != right.schema[name]:
            before, after = before.cast(pl.String), after.cast(pl.String)
        changed = pairs.filter(before.ne_missing(after))
        texts = (before.cast(pl.String).alias("before"), after.cast(pl.String).alias("after"))
        parts.append(changed.select(key, pl.lit(name).alias("column"), *texts))
    return pl.concat(parts)


def _column_diff(before: pl.Series, after: pl.Series, cells: pl.DataFrame) -> ColumnDiff:
    return ColumnDiff(
        name=before.name,
        before=summarise(before),
        after=summarise(after),
        changed=cells.filter(pl.col("column") == before.name).height,
        distance=distance(before, after),
    )
