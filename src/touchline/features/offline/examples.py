"""The examples of a task, checked: one row each, with the columns that everything above counts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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

_CONDITION = "__condition"
REQUIRED = ("example_id", "cutoff", "label", "label_timestamp")


@dataclass(frozen=True)
class BuiltExamples:
    """The examples, one a row, and the number of rows that the declaration excludes for each reason."""

    rows: pl.DataFrame
    excluded: Mapping[str, int] = field(default_factory=dict)


def build_examples(examples: Examples, snapshots: Mapping[str, Snapshot]) -> BuiltExamples:
    """One row an example, in order of cutoff and id, from the newest version of each source row.

    A null label is to be predicted. `cluster` defaults to the day of the cutoff.
    """
    frames = []
    for source in examples.sources:
        frames.append(newest_rows_of_source(source, snapshots[source.name].scan_ingested().collect()))
    return without_excluded(examples, checked_examples(examples.name, examples(*frames).collect()))


def empty_examples(examples: Examples) -> pl.DataFrame:
    """The examples of sources without rows: the columns that there will be. Raises as `build_examples` does."""
    frame = examples(*(empty_source(source) for source in examples.sources)).collect()
    return without_excluded(examples, checked_examples(examples.name, frame)).rows


def has_own_clusters(examples: Examples) -> bool:
    """Whether the examples name the cluster of each row, or have a time whose day stands in for it."""
    if any(source.event_time is not None or source.known_at is not None for source in examples.sources):
        return True
    return "cluster" in examples(*(empty_source(source) for source in examples.sources)).collect_schema()


def without_excluded(examples: Examples, frame: pl.DataFrame) -> BuiltExamples:
    """The rows that meet no condition of `exclude`; a row that meets several counts under the first reason.

    Every condition sees all rows. A null does not exclude.
    """
    conditions = {reason: _meets(examples, reason, frame) for reason in examples.exclude}
    is_kept, excluded = pl.repeat(True, len(frame), dtype=pl.Boolean, eager=True), {}
    for reason, is_met in conditions.items():
        excluded[reason] = int((is_kept & is_met).sum())
        is_kept &= ~is_met
    return BuiltExamples(frame.filter(is_kept), excluded)


def _meets(examples: Examples, reason: str, frame: pl.DataFrame) -> pl.Series:
    """For each row, whether it meets one of the conditions of the reason."""
    named = {f"{_CONDITION}{place}": condition for place, condition in enumerate(examples.exclude[reason])}
    what = f"excludes {reason!r} by"
    try:
        met = frame.with_columns(**named).select(*named)
    except pl.exceptions.PolarsError as failure:
        first_line = str(failure).strip().splitlines()[0]
        columns = ", ".join(frame.columns)
        raise InvalidView(
            examples.name, f"{what} an expression that fails: {first_line}", f"The examples have {columns}."
        ) from failure
    wrong = [dtype for dtype in met.dtypes if dtype not in (pl.Boolean, pl.Null)]
    if wrong:
        raise InvalidView(
            examples.name, f"{what} an expression of type {wrong[0]}", "Give a condition: true for a row to leave out."
        )
    return met.select(met=pl.any_horizontal(pl.all().cast(pl.Boolean).fill_null(False)))["met"]


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
