"""A fetched batch against its source's rules: what is taken, refused, kept back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from touchline.clock import Clock
from touchline.contracts.rejected_rows import join_rejected
from touchline.ingest.event_times import EVENT, stamp
from touchline.ingest.providers.base import Fetched
from touchline.ingest.quarantine import broken_lines, conflicting_keys, too_far_ahead
from touchline.ingest.spec import Source

_ROW, _FILE = "__row__", "__file__"


@dataclass(frozen=True)
class Batch:
    """Rows to merge, one a key, stamped; the rejected ones; and how many were kept back, hidden or came twice.

    `replaced` counts rows of earlier files whose key a later file has with other values; `ignored` are the columns that
    were left out because the contract does not declare them.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    rows_in: int
    rejected_rows: int
    held_back: int
    hidden: int
    repeated: int
    replaced: int
    absent: frozenset[str]
    ignored: tuple[str, ...]
    keys: tuple[str, ...]


def check_batch(source: Source, fetched: Fetched, *, table: str, clock: Clock) -> Batch:
    """Check a batch by the contract, its times and its key."""
    ignored = _ignored_columns(source, fetched.frame)
    raw = fetched.frame.drop(ignored)
    checked = source.compiled.check(raw, zone=source.zone, table=table)
    stamped = stamp(source, checked.accepted, checked.positions, clock)
    newest = _of_the_last_file(source, stamped.rows, stamped.positions, fetched.file_rows)
    rows, conflicts, repeated = _one_row_a_key(source, *newest, raw)
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
        replaced=stamped.rows.height - newest[0].height,
        absent=frozenset(name for name in source.compiled.columns if name not in raw.columns),
        ignored=ignored,
        keys=source.keys,
    )


def _ignored_columns(source: Source, frame: pl.DataFrame) -> tuple[str, ...]:
    """The unknown columns that the source ignores; none where a required column is missing.

    The error then names both, since the unknown column may be the missing one under another name.
    """
    fields = source.compiled.fields
    if source.extra == "forbid" or any(spec.required and name not in frame.columns for name, spec in fields.items()):
        return ()
    return tuple(name for name in frame.columns if name not in fields)


def _of_the_last_file(
    source: Source, rows: pl.DataFrame, positions: pl.Series, file_rows: Sequence[int]
) -> tuple[pl.DataFrame, pl.Series]:
    """The rows without those whose key a later file has with other values; files are in the order of their names."""
    if len(file_rows) < 2 or not _repeats(source, rows).any():
        return rows, positions
    ends = np.cumsum(file_rows)
    content = [name for name in rows.columns if name != EVENT]
    numbered = rows.with_columns(
        pl.Series(_FILE, np.searchsorted(ends, positions.to_numpy(), side="right")), positions.alias(_ROW)
    )
    # The same words in two files are a repetition, not a correction.
    distinct = numbered.unique([*content], keep="last", maintain_order=True)
    last = distinct.group_by(source.keys).agg(pl.col(_FILE).max())
    kept = numbered.join(last, on=[*source.keys, _FILE], how="semi", maintain_order="left")
    kept = pl.concat([kept, numbered.join(kept, on=content, how="semi", nulls_equal=True)]).unique(_ROW).sort(_ROW)
    return kept.drop(_FILE, _ROW), kept[_ROW].alias(positions.name)


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
