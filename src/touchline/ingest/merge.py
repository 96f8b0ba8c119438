"""A batch merged by key into the row versions there are, with the instants of DESIGN's "Time".

Versions are only ever added. A row of a source's first ingest, or of one declared a backfill, counts as known from its
event on. A later ingest makes a version of each row that is new or differs, known from that ingest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from touchline.errors import ColumnRetyped
from touchline.ingest.event_times import CREATED, EVENT, INGESTED, INSTANT, MANIFEST, VERSION, event_timestamp
from touchline.ingest.spec import Source

_OLD = "__old__"


@dataclass(frozen=True)
class Merged:
    """The versions that a batch adds, and rows by what the batch did to them.

    `changed` counts rows with a corrected value, `settled` other rows with a value where there was none, `redated`
    rows with no other value than before that a backfill declares known from their events on.
    """

    versions: pl.DataFrame
    added: int
    changed: int
    settled: int
    redated: int = 0


def version_columns(source: Source) -> list[str]:
    """The columns of stored versions, in order."""
    return [*source.compiled.columns, EVENT, CREATED, MANIFEST, INGESTED, VERSION]


def first_versions(source: Source, batch: pl.DataFrame, *, manifest: str) -> Merged:
    """The versions of the first batch (contract columns, one row a key, stamped)."""
    rows = batch.with_columns(
        pl.col(EVENT).alias(CREATED),
        pl.lit(manifest).alias(MANIFEST),
        pl.lit(None, dtype=INSTANT).alias(INGESTED),
        pl.lit(0, dtype=pl.Int32).alias(VERSION),
    )
    return Merged(rows.select(version_columns(source)).sort(*source.keys), batch.height, 0, 0)


def merge(
    source: Source,
    current: pl.DataFrame,
    batch: pl.DataFrame,
    *,
    absent: frozenset[str],
    known_from: datetime | None,
    manifest: str,
) -> Merged:
    """The versions that `batch` (contract columns, one row a key, stamped) adds to `current`, the newest of each key.

    They are known from `known_from`, or from their events on where that is None (a backfill): then also rows that a
    later ingest had brought first, with the same values. `absent` columns are not in the batch at all: the stored
    values stay.
    """
    keys = list(source.keys)
    compared = [name for name in source.compiled.columns if name not in absent]
    values = [name for name in compared if name not in keys]
    changes = [pl.col(VERSION).is_null()]
    changes += [pl.col(name).ne_missing(pl.col(f"{name}{_OLD}")) for name in values]
    if known_from is None:
        changes.append((pl.col(VERSION) == 0) & pl.col(INGESTED).is_not_null())
    pairs = batch.join(current, on=keys, how="left", suffix=_OLD).filter(pl.any_horizontal(changes))
    stored = [pl.col(f"{name}{_OLD}").alias(name) for name in absent if name not in keys]
    rows = pairs.with_columns(*stored).with_columns(event_timestamp(source))
    event = pl.col(EVENT)
    lit = pl.lit(known_from, dtype=INSTANT)
    rows = rows.with_columns(
        (event if known_from is None else pl.max_horizontal(event, lit)).alias(CREATED),
        pl.lit(manifest).alias(MANIFEST),
        lit.alias(INGESTED),
        (pl.col(VERSION) + 1).fill_null(0).cast(pl.Int32).alias(VERSION),
    )
    changed, settled, redated = _count_changes(rows.filter(pl.col(VERSION) > 0), values)
    versions = rows.select(version_columns(source)).sort(*keys)
    return Merged(versions, versions.height - changed - settled - redated, changed, settled, redated)


def in_present_form(source: Source, versions: pl.DataFrame) -> pl.DataFrame:
    """Stored versions with the contract's present columns and the declared times applied to them again.

    Raises `ColumnRetyped` for a column that cannot take its present type.
    """
    types = source.compiled.columns
    present: list[pl.Expr | pl.Series] = []
    for name, dtype in types.items():
        if name not in versions.columns:
            present.append(pl.lit(None, dtype=dtype).alias(name))
            continue
        try:
            present.append(versions[name].cast(dtype))
        except pl.exceptions.InvalidOperationError as wrong:
            raise ColumnRetyped(source.name, name, str(versions.schema[name]), str(dtype)) from wrong
    stamped = versions.select(*present, MANIFEST, INGESTED, VERSION).with_columns(event_timestamp(source))
    known = stamped.with_columns(pl.max_horizontal(EVENT, INGESTED).alias(CREATED))
    # A key of other columns joins rows that were rows of their own.
    numbered = known.sort(INGESTED, VERSION, nulls_last=False, maintain_order=True).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).over(list(source.keys)).alias(VERSION)
    )
    return numbered.select(version_columns(source))


def _count_changes(rows: pl.DataFrame, compared: list[str]) -> tuple[int, int, int]:
    """Rows with a corrected value, other rows with a value where there was none, and rows with the same values."""
    if rows.is_empty() or not compared:
        return 0, 0, rows.height
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}{_OLD}")) for name in compared}
    is_corrected = pl.any_horizontal([differs[name] & pl.col(f"{name}{_OLD}").is_not_null() for name in compared])
    is_same = ~pl.any_horizontal(list(differs.values()))
    changed, redated = rows.select(is_corrected.sum().alias("changed"), is_same.sum().alias("same")).row(0)
    return changed, rows.height - changed - redated, redated
