"""The event timestamp of each row, and the values hidden until then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from touchline.ingest.spec import CONSTANT_STAMP, Source

if TYPE_CHECKING:
    from touchline.clock import Clock

INSTANT = pl.Datetime("us", "UTC")
EVENT, CREATED, MANIFEST = "event_timestamp", "created_timestamp", "_manifest"
INGESTED, VERSION = "_ingested", "_version"
"""Project time of the ingest that brought a version, null for a first ingest or a backfill; the version's number."""


def event_timestamp(source: Source) -> pl.Expr:
    """The event timestamp of each row: `known_at`, else `event_time` + `known_after`; a day from its next midnight."""
    if source.event_time is None and source.known_at is None:
        return pl.lit(CONSTANT_STAMP, dtype=INSTANT).alias(EVENT)
    choices = []
    if source.known_at is not None:
        choices.append(_instant(source, source.known_at, days=1))
    if source.event_time is not None:
        choices.append(_instant(source, source.event_time, days=1) + source.known_after)
    return pl.coalesce(choices).cast(INSTANT).alias(EVENT)


def event_start(source: Source) -> pl.Expr | None:
    """The start of each row's event; None for a source without a time column."""
    column = source.event_time or source.known_at
    return None if column is None else _instant(source, column, days=0)


def _instant(source: Source, column: str, *, days: int) -> pl.Expr:
    if source.compiled.fields[column].kind == "datetime":
        return pl.col(column)
    midnight = pl.col(column).cast(pl.Datetime("us")) + timedelta(days=days)
    # Where the clocks go forward at midnight, the day begins an hour later.
    later = (midnight + timedelta(hours=1)).dt.replace_time_zone(source.zone, ambiguous="earliest", non_existent="null")
    local = midnight.dt.replace_time_zone(source.zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(local, later).dt.convert_time_zone("UTC")


@dataclass(frozen=True)
class Stamped:
    """Accepted rows with their event_timestamp; how many lie ahead of project time, and how many values were hidden.

    `too_far` marks the rows of the batch that lie in the future of the real world, which is a data error.
    """

    rows: pl.DataFrame
    positions: pl.Series
    too_far: pl.Series
    held_back: int
    hidden: int


def stamp(source: Source, accepted: pl.DataFrame, positions: pl.Series, clock: Clock) -> Stamped:
    """Stamp rows; keep back those project time has not reached, hide results that are not known yet.

    An event after `now` but before wall time really happened: a frozen clock has not come to it, so the row waits and
    is counted. One further than `ahead` after wall time cannot be true, and is rejected.
    """
    now = clock.now()
    rows = accepted.with_columns(event_timestamp(source))
    start = event_start(source)
    nothing = positions.clear()
    if start is None:
        return Stamped(rows, positions, nothing, 0, 0)
    begins = rows.select(start.alias("begins"))["begins"]
    too_far = begins > max(now, clock.wall()) + source.look_ahead
    waits = (begins > now + source.look_ahead) & ~too_far
    bad = positions.filter(too_far)
    if bad.len() or waits.any():
        keep = ~(too_far | waits)
        rows, positions = rows.filter(keep), positions.filter(keep)
    rows, hidden = _hide(source, rows, now)
    return Stamped(rows, positions, bad, int(waits.sum()), hidden)


def _hide(source: Source, rows: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, int]:
    columns = list(source.hidden_until_known)
    if not columns:
        return rows, 0
    unknown = pl.col(EVENT) > now
    hidden = rows.filter(unknown).select(pl.sum_horizontal(pl.col(columns).is_not_null()).sum()).item() or 0
    if not hidden:
        return rows, 0
    masked = [pl.when(~unknown).then(pl.col(column)).alias(column) for column in columns]
    # The column that says when a row is known may be hidden itself; until then the row has its expected time.
    return rows.with_columns(masked).with_columns(event_timestamp(source)), int(hidden)
