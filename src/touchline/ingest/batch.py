"""A fetched batch against its source's rules: what is taken, refused, kept back."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from touchline.clock import Clock
from touchline.contracts.rejected import join_rejected
from touchline.ingest.providers.base import Fetched
from touchline.ingest.quarantine import broken_lines, conflicting_keys, too_far_ahead
from touchline.ingest.spec import Source
from touchline.ingest.stamps import EVENT, stamp


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
    rows, positions, repeated = _without_copies(source, stamped.rows, stamped.positions)
    conflicts, rows = _without_conflicts(source, rows, positions, raw)
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


def _repeats(source: Source, rows: pl.DataFrame) -> pl.Series:
    keys = list(source.keys)
    if len(keys) == 1:
        column = rows[keys[0]]
        return column.is_duplicated() if column.n_unique() < column.len() else pl.repeat(False, 0, eager=True)
    return rows.select(pl.struct(keys).is_duplicated().alias("it"))["it"]


def _without_copies(source: Source, rows: pl.DataFrame, positions: pl.Series) -> tuple[pl.DataFrame, pl.Series, int]:
    """Rows that come twice in the same words count once."""
    repeats = _repeats(source, rows)
    if not repeats.any():
        return rows, positions, 0
    numbered = rows.with_columns(positions.alias("__row__"))
    content = [name for name in rows.columns if name != EVENT]
    kept = numbered.unique(content, keep="first", maintain_order=True)
    return kept.drop("__row__"), kept["__row__"], rows.height - kept.height


def _without_conflicts(
    source: Source, rows: pl.DataFrame, positions: pl.Series, raw: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    repeats = _repeats(source, rows)
    if not repeats.any():
        return conflicting_keys(source, positions.clear(), raw), rows
    return conflicting_keys(source, positions.filter(repeats), raw), rows.filter(~repeats)
