"""The history of a view: every value it had, with when it became knowable and when we could know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import InvalidView, LooksAhead
from touchline.features.declaration.output_contract import KeptRows, keep_good_rows
from touchline.features.declaration.types import INSTANT, POLARS_TYPES
from touchline.features.declaration.view import empty_source, validate_columns

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView
    from touchline.ingest import Snapshot, Source

_HIDDEN = ("created_timestamp", "_manifest", "_ingested", "_version")
_KNOWN_AT = pl.max_horizontal("event_timestamp", "created_timestamp")
# Sums in another order differ in the last bits; a leak differs in the first ones.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9


@dataclass(frozen=True)
class HistoryStep:
    """The rows that one run of a view adds to its history, and the values of all keys and events after it.

    `pending` are the rows that were not known yet at the run: the next run replaces those it makes known. `rejected`
    tells what was wrong with the rows that broke the view's contract.
    """

    rows: pl.DataFrame
    pending: pl.DataFrame
    state: pl.DataFrame
    rejected: pl.DataFrame | None = None


def build_history(view: FeatureView, snapshots: Mapping[str, Snapshot]) -> pl.DataFrame:
    """All values the view ever had, sorted by keys, event and created time.

    A value computed from rows of first ingests and backfills is created at its event_timestamp. At each later ingest
    the values that changed are stated again, created at that instant; a value that vanished is stated again with its
    predecessor's values, or with nulls, so that it stops shadowing them.
    """
    return history_of(view, [snapshots[source.name].scan_ingested().collect() for source in view.sources])


def history_of(view: FeatureView, versions: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The same from frames of row versions, one for each source of the view."""
    instants = ingest_instants(versions)
    first = first_step(view, versions, until=instants[0] if instants else None)
    steps = [first, *later_steps(view, versions, first, instants)]
    return sorted_history(view, pl.concat([*(step.rows for step in steps), steps[-1].pending]))


def first_step(view: FeatureView, versions: Sequence[pl.DataFrame], *, until: datetime | None) -> HistoryStep:
    """The history of the rows that were known at their events; rows known from `until` on are pending."""
    kept = view_rows(view, _rows_at(view, versions, None))
    if until is None:
        return HistoryStep(kept.rows, kept.rows.clear(), kept.rows, kept.rejected)
    known, pending = kept.rows.filter(until > _KNOWN_AT), kept.rows.filter(until <= _KNOWN_AT)
    return HistoryStep(known, pending, kept.rows, kept.rejected)


def later_steps(
    view: FeatureView, versions: Sequence[pl.DataFrame], last: HistoryStep, instants: Sequence[datetime]
) -> Iterable[HistoryStep]:
    """The step of each ingest after the step `last`, at its instant.

    Ingests that only bring rows with later events than all before need one run together. Raises `LooksAhead` where a
    value from before all rows of an ingest changed.
    """
    for group in in_order_groups(versions, instants):
        together = _step_together(view, versions, last, group) if len(group) > 1 else None
        if together is not None:
            last = together
            yield last
            continue
        for instant in group:
            last = _step(view, versions, last, instant)
            yield last


def in_order_groups(versions: Sequence[pl.DataFrame], instants: Sequence[datetime]) -> list[dict[datetime, datetime]]:
    """Neighbouring ingests put together where each brings new rows alone, all with later events than any row before.

    Each ingest of a group stands with the newest event of the rows that had come by then.
    """
    rows = pl.concat([frame.select("_ingested", "_version", "event_timestamp") for frame in versions])
    event = pl.col("event_timestamp")
    batches = (
        rows.group_by("_ingested")
        .agg(pl.col("_version").max(), event.min().alias("first"), event.max().alias("last"))
        .sort("_ingested", nulls_last=False)
        .with_columns(newest=pl.col("last").cum_max())
    )
    follows = (pl.col("_version") == 0) & (pl.col("first") > pl.col("newest").shift(1))
    by_instant = {instant: row for instant, *row in batches.select("_ingested", follows, "newest").iter_rows()}
    groups: list[dict[datetime, datetime]] = []
    is_open = False
    for instant in instants:
        is_in_order, newest = by_instant[instant]
        if not (is_open and is_in_order):
            groups.append({})
        groups[-1][instant] = newest
        is_open = is_in_order
    return groups


def _step(view: FeatureView, versions: Sequence[pl.DataFrame], last: HistoryStep, instant: datetime) -> HistoryStep:
    kept = view_rows(view, _rows_at(view, versions, instant))
    rows = kept.rows
    # A row that was not known before this run is replaced by it, not kept as an older version.
    made_known = last.pending.filter(instant > _KNOWN_AT)
    full = _with_restated(view, rows, last.state.filter(instant > _KNOWN_AT))
    changed = _changed(full, last.state, instant)
    changed = _without_rounding(view, changed, last.state, _earliest_event(view, versions, [instant]))
    at_once = rows.filter(instant == _KNOWN_AT)
    added = pl.concat([made_known, changed, at_once])
    return HistoryStep(added, rows.filter(instant < _KNOWN_AT), full, kept.rejected)


def _step_together(
    view: FeatureView, versions: Sequence[pl.DataFrame], last: HistoryStep, newest_events: Mapping[datetime, datetime]
) -> HistoryStep | None:
    """One run for ingests in order: each value is known from the ingest that brought the rows up to its event.

    That holds for a view that does not look ahead and whose values lie at events of its sources; None for any other.
    """
    last_instant = max(newest_events)
    earliest = _earliest_event(view, versions, list(newest_events))
    kept = view_rows(view, _rows_at(view, versions, last_instant))
    event = pl.col("event_timestamp")
    if len(kept.rows.filter(event > newest_events[last_instant])) or len(last.state.filter(event >= earliest)):
        return None
    past = _changed(kept.rows.filter(event < earliest), last.state, last_instant)
    raise_if_moved(view, past, last.state)
    known_from = pl.DataFrame(
        {"__known__": newest_events.keys(), "__until__": newest_events.values()},
        schema={"__known__": INSTANT, "__until__": INSTANT},
    )
    new = kept.rows.filter(event >= earliest).sort("event_timestamp")
    dated = new.join_asof(
        known_from, left_on="event_timestamp", right_on="__until__", strategy="forward", check_sortedness=False
    )
    rows = dated.with_columns(created_timestamp=pl.max_horizontal("created_timestamp", "__known__")).select(new.columns)
    both = pl.concat([last.pending, rows])
    return HistoryStep(
        both.filter(last_instant >= _KNOWN_AT),
        both.filter(last_instant < _KNOWN_AT),
        pl.concat([last.state, rows]),
        kept.rejected,
    )


def empty_history(view: FeatureView) -> pl.LazyFrame:
    """The history of a view whose sources have no rows."""
    sources = [empty_source(source) for source in view.sources]
    return normal_rows(view, view(*sources).lazy()).lazy()


def sorted_history(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Sorted by keys, event, created; of rows that share all of these the last one stays."""
    order = history_order(view)
    return rows.sort(order, maintain_order=True).unique(order, keep="last", maintain_order=True)


def history_order(view: FeatureView) -> list[str]:
    """The columns that order a history and name its rows."""
    return [*view.join_keys, "event_timestamp", "created_timestamp"]


def newest_state(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """The newest values of each key and event in the parts of a history, in the order of its runs: its last state."""
    return rows.unique([*view.join_keys, "event_timestamp"], keep="last")


def ingest_instants(versions: Sequence[pl.DataFrame]) -> list[datetime]:
    """The instants of the ingests after the first one, of all sources together."""
    instants = {instant for frame in versions for instant in frame["_ingested"].drop_nulls().unique()}
    return sorted(instants)


def rows_of_source(source: Source, versions: pl.DataFrame, instant: datetime | None) -> pl.LazyFrame:
    """One row a key as ingested by `instant`: its newest version. None: as the first ingest and backfills say."""
    is_ingested = pl.col("_ingested").is_null()
    if instant is not None:
        is_ingested = is_ingested | (pl.col("_ingested") <= instant)
    rows = versions.filter(is_ingested)
    if versions["_version"].max():
        rows = rows.sort("_version", maintain_order=True).unique(list(source.keys), keep="last", maintain_order=True)
    return rows.drop(_HIDDEN, strict=False).sort("event_timestamp", *source.keys).lazy()


def newest_rows_of_source(source: Source, versions: pl.DataFrame) -> pl.LazyFrame:
    """One row a key: its newest version."""
    return rows_of_source(source, versions, versions["_ingested"].max())  # type: ignore[arg-type]  # an instant


def view_rows(view: FeatureView, sources: Sequence[pl.LazyFrame]) -> KeptRows:
    """The view computed from these source rows, one row for each key and event, checked by its contract."""
    rows = normal_rows(view, view(*sources).lazy())
    identity = [*view.join_keys, "event_timestamp"]
    features = [feature.name for feature in view.features]
    rows = rows.sort(*identity, "created_timestamp", *features).unique(identity, keep="last", maintain_order=True)
    return keep_good_rows(view, rows)


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


def _rows_at(view: FeatureView, versions: Sequence[pl.DataFrame], instant: datetime | None) -> list[pl.LazyFrame]:
    return [rows_of_source(source, frame, instant) for source, frame in zip(view.sources, versions, strict=True)]


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


def _earliest_event(view: FeatureView, versions: Sequence[pl.DataFrame], instants: Sequence[datetime]) -> datetime:
    """The earliest event that some ingests touched: of their rows, and of the versions that they replaced."""
    events = []
    for source, frame in zip(view.sources, versions, strict=True):
        keys = frame.filter(pl.col("_ingested").is_in(list(instants))).select(source.keys)
        events.append(frame.join(keys, on=list(source.keys), how="semi")["event_timestamp"])
    earliest: datetime = pl.concat(events).min()  # type: ignore[assignment]  # the column holds instants
    return earliest


def _without_rounding(
    view: FeatureView, changed: pl.DataFrame, before: pl.DataFrame, earliest: datetime
) -> pl.DataFrame:
    """Changed rows without those from before `earliest`, which differ in the last bits alone; else `LooksAhead`."""
    raise_if_moved(view, changed.filter(pl.col("event_timestamp") < earliest), before)
    return changed.filter(pl.col("event_timestamp") >= earliest)


def raise_if_moved(view: FeatureView, rows: pl.DataFrame, before: pl.DataFrame) -> None:
    """Raise `LooksAhead` where a value differs from the one before of its key and event by more than rounding.

    A row that was not there before differs.
    """
    if rows.is_empty():
        return
    pairs = rows.join(before, on=[*view.join_keys, "event_timestamp"], how="left", suffix="_before")
    for feature in view.features:
        moved = pairs.filter(_differs(feature.name, feature.dtype))
        if len(moved):
            row = moved.row(0, named=True)
            facts = f"is {row[feature.name]!r} with later rows and {row[f'{feature.name}_before']!r} without"
            raise LooksAhead(view.name, feature.name, where_of(view, row), facts)


def _differs(name: str, dtype: str) -> pl.Expr:
    """Whether a feature differs from its `_before` by more than rounding, as sums in another order do."""
    one, other = pl.col(name), pl.col(f"{name}_before")
    if dtype != "float":
        return one.ne_missing(other)
    near = (one - other).abs() <= _ABSOLUTE + _RELATIVE * one.abs()
    return one.ne_missing(other) & ~near.fill_null(False)


def where_of(view: FeatureView, row: Mapping[str, object]) -> str:
    """The event and keys of a row, for a message."""
    keys = ", ".join(f"{key}={row[key]!r}" for key in view.join_keys)
    return f"{row['event_timestamp']} ({keys})"


def _instant(frame: pl.DataFrame, name: str, view: str) -> pl.Expr:
    dtype = frame.schema[name]
    if not isinstance(dtype, pl.Datetime):
        raise InvalidView(view, f"has {name} of type {dtype}", "Stamp rows with an aware instant.")
    if dtype.time_zone is None:
        raise InvalidView(view, f"has {name} without a time zone", "Stamp rows with instants in UTC.")
    return pl.col(name).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
