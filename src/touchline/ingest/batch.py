"""A fetched batch against its source's rules: what is taken, refused, kept back."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from touchline.clock import Clock
from touchline.contracts.rejected_rows import join_rejected
from touchline.ingest.event_times import EVENT, stamp
from touchline.ingest.providers.base import Fetched
from touchline.ingest.quarantine import broken_lines, conflicting_keys, too_far_ahead
from touchline.ingest.spec import Source

_ROW = "__row__"


@dataclass(frozen=True)
class Batch:
    """Rows to merge, one a key, stamped; the rejected ones; and how many were kept back, hidden or came twice."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    rows_in: int
    rejected_rows: int
    held_back: int
    hidden: int
    repeated: int
    absent: frozenset[str]
    keys: tuple[str, ...]


def check_batch(source: Source, fetched: Fetched, *, table: str, clock: Clock) -> Batch:
    """Check a batch by the contract, its times and its key."""
    raw = fetched.frame
    checked = source.compiled.check(raw, zone=source.zone, table=table)
    stamped = stamp(source, checked.accepted, checked.positions, clock)
    rows, conflicts, repeated = _one_row_a_key(source, stamped.rows, stamped.positions, raw)
    lines = [
        checked.rejected,
        too_far_ahead(raw, stamped.too_far, source),
        conflicts,
        broken_lines(fetched.broken, raw.height),
    ]
    rejected = join_rejected(lines)
    return Batch(
        rows=rows,
        rejected=rejected,
        rows_in=raw.height + fetched.broken.height,
        rejected_rows=rejected["row"].n_unique() if rejected.height else 0,
        held_back=stamped.held_back,
        hidden=stamped.hidden,
        repeated=repeated,
        absent=frozenset(name for name in source.compiled.columns if name not in raw.columns),
        keys=source.keys,
    )


def _one_row_a_key(
    source: Source, rows: pl.DataFrame, positions: pl.Series, raw: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows that come twice in the same words count once; rows that contradict each other are all rejected."""
    none = conflicting_keys(source, positions.clear(), raw)
    if rows.select(_identity(source).n_unique()).item() == rows.height:
        return rows, none, 0
    content = [name for name in rows.columns if name != EVENT]
    kept = rows.with_columns(positions.alias(_ROW)).unique(content, keep="first", maintain_order=True)
    repeats = _repeats(source, kept)
    conflicts = conflicting_keys(source, kept.filter(repeats)[_ROW], raw) if repeats.any() else none
    return kept.filter(~repeats).drop(_ROW), conflicts, rows.height - kept.height


def _repeats(source: Source, rows: pl.DataFrame) -> pl.Series:
    """For each row, whether another one has its key."""
    return rows.select(_identity(source).is_duplicated().alias("repeats"))["repeats"]


def _identity(source: Source) -> pl.Expr:
    return pl.col(source.keys[0]) if len(source.keys) == 1 else pl.struct(source.keys)
