"""The report of an ingest in words, from what the batch did to the stored versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from touchline.ingest.batch import Batch
from touchline.ingest.event_times import EVENT, INGESTED, VERSION
from touchline.ingest.merge import Merged
from touchline.ingest.quarantine import describe_rejected
from touchline.ingest.snapshots import Snapshot
from touchline.ingest.spec import Source

_NAMED_COLUMNS: Final = 8


@dataclass(frozen=True)
class Change:
    """A batch merged: the newest stored version of each key, all stored ones if they are restated, the instant."""

    merged: Merged
    current: pl.DataFrame
    restated: pl.DataFrame | None
    instant: datetime

    def table(self, source: Source) -> pl.DataFrame:
        """The newest version of each key after the batch."""
        if self.current.is_empty():
            return self.merged.versions
        unchanged = self.current.join(self.merged.versions, on=list(source.keys), how="anti")
        return pl.concat([unchanged, self.merged.versions])


def changes_in_words(source: Source, parent: Snapshot | None, change: Change) -> str:
    """New, corrected and settled rows, and what is worth a look among them."""
    merged = change.merged
    words = f"{merged.added} new, {merged.changed} corrected and {merged.settled} settled rows"
    if merged.redated:
        words += f"; {merged.redated} rows count as known from their events on"
    twice = _corrected_in_a_repeated_hour(source, change)
    if twice:
        words += (
            f"; {twice} corrected rows have a key in an hour that the clocks of {source.zone} repeat, so they "
            "may be rows of the other hour: write times with their offset (2024-10-27T02:00:00+01:00)"
        )
    late = _late_rows(parent, change)
    if late:
        words += (
            f"; {late} new rows are older than the ingest before and count as known from now on "
            "(touchline ingest --backfill, if they were known at the time)"
        )
    return words


def report_words(changes: str, batch: Batch | None, note: str) -> str:
    """The changes, then what was refused, repeated, waits, is hidden or ignored, then the provider's note."""
    parts = [changes]
    if batch is not None and batch.rejected_rows:
        parts.append(f"quarantined: {describe_rejected(batch.rejected, batch.rows_in, batch.keys)}")
    if batch is not None and batch.repeated:
        parts.append(f"{batch.repeated} rows came twice")
    if batch is not None and batch.replaced:
        parts.append(f"{batch.replaced} rows of earlier files were corrected by later files")
    if batch is not None and batch.held_back:
        parts.append(f"{batch.held_back} rows wait for the project's clock")
    if batch is not None and batch.hidden:
        parts.append(f"{batch.hidden} values hidden until they are known")
    if batch is not None and batch.ignored:
        parts.append(f"ignored the unknown columns {_shortened(batch.ignored)}")
    if note:
        parts.append(note)
    return "; ".join(parts)


def _shortened(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    others = len(names) - _NAMED_COLUMNS
    return ", ".join(names[:_NAMED_COLUMNS]) + (f" and {others} more" if others > 0 else "")


def _corrected_in_a_repeated_hour(source: Source, change: Change) -> int:
    """Corrected rows whose key has a time that the clocks of the source's zone show twice."""
    fields = source.compiled.fields
    times = [pl.col(key) for key in source.keys if fields[key].kind == "datetime"]
    if not times or not change.merged.changed:
        return 0
    is_twice = pl.any_horizontal([_is_shown_twice(time, source.zone) for time in times])
    return int(change.merged.versions.filter(pl.col(VERSION) > 0).select(is_twice.sum()).item())


def _late_rows(parent: Snapshot | None, change: Change) -> int:
    """New rows, none of them of a backfill, whose event was over when the ingest before this one ran."""
    if parent is None:
        return 0
    is_late = (pl.col(VERSION) == 0) & pl.col(INGESTED).is_not_null() & (pl.col(EVENT) < parent.ingested_at)
    return int(change.merged.versions.select(is_late.sum()).item())


def _is_shown_twice(instant: pl.Expr, zone: str) -> pl.Expr:
    """Whether the wall-clock time of an instant stands for two instants in its zone."""
    local = instant.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    first, second = (local.dt.replace_time_zone(zone, ambiguous=which) for which in ("earliest", "latest"))
    return first != second
