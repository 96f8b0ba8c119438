"""The examples of a task, checked: one row each, with the columns that everything above counts on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import InvalidView
from touchline.features.declaration.types import INSTANT
from touchline.features.declaration.view import empty_source
from touchline.features.offline.history import newest_rows_of_source

if TYPE_CHECKING:
    from touchline.features.declaration.examples import Examples
    from touchline.ingest import Snapshot

REQUIRED = ("example_id", "cutoff", "label", "label_timestamp")


def build_examples(examples: Examples, snapshots: Mapping[str, Snapshot]) -> pl.DataFrame:
    """One row an example, in order of cutoff and id, from the newest version of each source row.

    A null label is to be predicted. `cluster` defaults to the day of the cutoff.
    """
    frames = []
    for source in examples.sources:
        frames.append(newest_rows_of_source(source, snapshots[source.name].scan_ingested().collect()))
    return checked_examples(examples.name, examples(*frames).collect())


def empty_examples(examples: Examples) -> pl.DataFrame:
    """The examples of sources without rows: the columns that there will be. Raises as `build_examples` does."""
    return checked_examples(examples.name, examples(*(empty_source(source) for source in examples.sources)).collect())


def close_at_horizon(examples: pl.DataFrame, horizon: timedelta, *, negative: str, now: datetime) -> pl.DataFrame:
    """The examples, labels as text, with `negative` where no event was known by cutoff + `horizon` and that is over.

    The negative is known at cutoff + `horizon`, and stays: an event that comes later does not turn it.
    """
    deadline = pl.col("cutoff") + horizon
    has_none = pl.col("label").is_null() | (pl.col("label_timestamp") > deadline).fill_null(False)
    is_over = has_none & (deadline <= now)
    return examples.with_columns(
        label=pl.when(is_over).then(pl.lit(negative)).otherwise(pl.col("label").cast(pl.String)),
        label_timestamp=pl.when(is_over).then(deadline).otherwise("label_timestamp").cast(INSTANT),
    )


def checked_examples(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with text ids and clusters and UTC instants, or `InvalidView` with what is wrong."""
    missing = [column for column in REQUIRED if column not in frame.columns]
    if missing:
        raise InvalidView(name, f"returns no {', '.join(missing)}", f"Examples return {', '.join(REQUIRED)}.")
    for column in ("cutoff", "label_timestamp"):
        _validate_instants(name, frame, column)
    if "cluster" not in frame.columns:
        frame = frame.with_columns(cluster=pl.col("cutoff").dt.strftime("%Y-%m-%d"))
    frame = frame.with_columns(
        pl.col("example_id", "cluster").cast(pl.String), pl.col("cutoff", "label_timestamp").cast(INSTANT)
    )
    _validate_identity(name, frame)
    return frame.sort("cutoff", "example_id")


def _validate_instants(name: str, frame: pl.DataFrame, column: str) -> None:
    dtype = frame.schema[column]
    if dtype == pl.Null or (isinstance(dtype, pl.Datetime) and dtype.time_zone is not None):
        return
    raise InvalidView(name, f"has {column} of type {dtype}", "Give an aware instant (a datetime with a time zone).")


def _validate_identity(name: str, frame: pl.DataFrame) -> None:
    for column in ("example_id", "cutoff"):
        nulls = frame[column].null_count()
        if nulls:
            raise InvalidView(name, f"has {nulls} rows without {column}", "Filter them out or fill them in.")
    twice = frame.filter(pl.col("example_id").is_duplicated())
    if len(twice):
        raise InvalidView(
            name,
            f"has {len(twice)} rows that share an example_id (first: {twice['example_id'][0]!r})",
            "Give each example an id of its own.",
        )
