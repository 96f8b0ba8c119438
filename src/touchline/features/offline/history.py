"""The history of a view: every value it had, with when it became knowable and when we could know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import InvalidView
from touchline.features.declaration.types import INSTANT, POLARS_TYPES
from touchline.features.declaration.view import validate_columns

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView
    from touchline.ingest import Snapshot, Source

_HIDDEN = ("created_timestamp", "_manifest")
_KNOWN_AT = pl.max_horizontal("event_timestamp", "created_timestamp")


def build_history(view: FeatureView, snapshots: Mapping[str, Snapshot]) -> pl.DataFrame:
    """All values the view ever had, sorted by keys, event and created time.

    A value first seen is created at its event_timestamp. At each later instant at which a source row was corrected,
    the values that changed are stated again, created at that instant; a value that vanished is stated again with its
    predecessor's values, or with nulls, so that it stops shadowing them.
    """
    versions = [snapshots[source.name].scan().collect() for source in view.sources]
    return history_of(view, versions)


def history_of(view: FeatureView, versions: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The same from frames of row versions, one for each source of the view."""
    instants = correction_instants(versions)
    state = view_rows(view, _first_seen(view, versions, None))
    parts = [_known_between(state, None, instants[0] if instants else None)]
    for index, instant in enumerate(instants):
        rows = view_rows(view, _first_seen(view, versions, instant))
        full = _with_restated(view, rows, state.filter(instant > _KNOWN_AT))
        parts.append(_changed(full, state, instant))
        following = instants[index + 1] if index + 1 < len(instants) else None
        parts.append(_known_between(rows, instant, following))
        state = full
    return sorted_history(view, pl.concat(parts))


def sorted_history(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Sorted by keys, event, created; of rows that share all of these the last one stays."""
    identity = [*view.join_keys, "event_timestamp", "created_timestamp"]
    return rows.sort(*identity, maintain_order=True).unique(identity, keep="last", maintain_order=True)


def correction_instants(versions: Sequence[pl.DataFrame]) -> list[datetime]:
    """The instants at which source rows were corrected: created after they were knowable."""
    found: set[datetime] = set()
    for frame in versions:
        late = frame.filter(pl.col("created_timestamp") > pl.col("event_timestamp"))
        found.update(late["created_timestamp"].unique().to_list())
    return sorted(found)


def rows_of_source(source: Source, versions: pl.DataFrame, instant: datetime | None) -> pl.LazyFrame:
    """One row a key: the newest version known at `instant`, and rows first seen later as they were first seen."""
    known = pl.col("created_timestamp") <= pl.col("event_timestamp")
    if instant is not None:
        known = known | (pl.col("created_timestamp") <= instant)
    newest = versions.filter(known).sort("created_timestamp", maintain_order=True)
    rows = newest.unique(list(source.keys), keep="last", maintain_order=True)
    return rows.drop(_HIDDEN, strict=False).sort("event_timestamp", *source.keys).lazy()


def view_rows(view: FeatureView, sources: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """The view computed from these source rows, one row for each key and event."""
    rows = normal_rows(view, view(*sources).lazy())
    identity = [*view.join_keys, "event_timestamp"]
    features = [feature.name for feature in view.features]
    return rows.sort(*identity, "created_timestamp", *features).unique(identity, keep="last", maintain_order=True)


def normal_rows(view: FeatureView, rows: pl.LazyFrame) -> pl.DataFrame:
    """A view's rows with the declared types, in the order keys, event, created, features."""
    frame = rows.collect()
    validate_columns(view, frame.schema)
    stamps = [_instant(frame, "event_timestamp", view.name)]
    if "created_timestamp" in frame.columns:
        stamps.append(_instant(frame, "created_timestamp", view.name).fill_null(pl.col("event_timestamp")))
    else:
        stamps.append(pl.col("event_timestamp").cast(INSTANT).alias("created_timestamp"))
    typed = [pl.col(feature.name).cast(POLARS_TYPES[feature.dtype]) for feature in view.features]
    keys = [pl.col(key).cast(POLARS_TYPES[kind]) for key, kind in view.key_types.items()]
    present = pl.all_horizontal(pl.col(*view.join_keys, "event_timestamp").is_not_null())
    return frame.filter(present).select(*keys, *stamps, *typed)


def _first_seen(view: FeatureView, versions: Sequence[pl.DataFrame], instant: datetime | None) -> list[pl.LazyFrame]:
    return [rows_of_source(source, frame, instant) for source, frame in zip(view.sources, versions, strict=True)]


def _known_between(rows: pl.DataFrame, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    if start is not None:
        rows = rows.filter(start <= _KNOWN_AT)
    return rows if end is None else rows.filter(end > _KNOWN_AT)


def _with_restated(view: FeatureView, rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """`rows`, and each earlier row that is no longer among them with the values of its predecessor."""
    identity = [*view.join_keys, "event_timestamp"]
    vanished = before.join(rows, on=identity, how="anti")
    if vanished.is_empty():
        return rows
    features = [feature.name for feature in view.features]
    restated = (
        vanished.select(*identity, "created_timestamp")
        .sort("event_timestamp")
        .join_asof(
            rows.select(*identity, *features).sort("event_timestamp"),
            on="event_timestamp",
            by=list(view.join_keys),
            strategy="backward",
            check_sortedness=False,
        )
    )
    return pl.concat([rows, restated.select(rows.columns)])


def _changed(now: pl.DataFrame, before: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """Rows known before `instant` whose values differ from before, created at `instant`."""
    columns = [name for name in now.columns if name != "created_timestamp"]
    known = now.filter(instant > _KNOWN_AT)
    changed = known.join(before.select(columns), on=columns, how="anti", nulls_equal=True)
    return changed.with_columns(created_timestamp=pl.lit(instant, dtype=now.schema["created_timestamp"]))


def _instant(frame: pl.DataFrame, name: str, view: str) -> pl.Expr:
    dtype = frame.schema[name]
    if not isinstance(dtype, pl.Datetime):
        raise InvalidView(view, f"has {name} of type {dtype}", "Stamp rows with an aware instant.")
    if dtype.time_zone is None:
        raise InvalidView(view, f"has {name} without a time zone", "Stamp rows with instants in UTC.")
    return pl.col(name).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
