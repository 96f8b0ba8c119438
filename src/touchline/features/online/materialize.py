"""Copy the newest known values of a view to an online store."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
from sqlalchemy import insert, update

from touchline.features.offline.compute_view import compute_view, watermark_of
from touchline.features.offline.histories import FeatureHistories, FeatureHistory
from touchline.features.vectors.packed_row import Layout
from touchline.features.vectors.served_view import ViewKeys, entity_key, view_keys
from touchline.features.vectors.watermark import ViewMetadata, instant_of, micros
from touchline.storage import DataStores, hold_lease, tables
from touchline.storage.ulids import ulid_at

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView
    from touchline.features.online.base import OnlineStore

Progress = Callable[[int, int], None]
"""Called with rows sent so far and rows in all."""

_KNOWN_AT = pl.max_horizontal("event_timestamp", "created_timestamp")
_LEASE_TTL = timedelta(minutes=2)
_EVERY = 10_000


@dataclass(frozen=True)
class Materialized:
    """The result of one materialization: entities with a value, and those among them whose value was new online.

    `watermark` is the instant up to which the online values say what was known; None where nothing was known yet.
    """

    view: str
    feature_version: str
    rows: int
    written: int
    watermark: datetime | None


def materialize(
    view: FeatureView,
    history: FeatureHistory,
    store: OnlineStore,
    *,
    now: datetime,
    histories: FeatureHistories | None = None,
    progress: Progress | None = None,
) -> Materialized:
    """Write each entity's newest value known at `now`; a newer value already online stays.

    Only entities with rows since the last materialization are looked at, where `histories` has its history. The
    metadata beside the rows names it, so an interrupted run is simply run again, and a store that lost its rows gets
    all of them.
    """
    keys = view_keys(history.project, view.name, view.feature_version)
    layout = view_layout(view)
    last = _read_metadata(view, store, keys)
    earlier = _history_of(view, history, last, histories) if last is not None and histories is not None else None
    if last is not None and earlier is not None and _is_unchanged(history, last, layout, now):
        return _materialized_again(view, history, last, store, now=now)
    rows_by_file = pl.concat(history.scan_parts())
    watermark = watermark_of(rows_by_file, now)
    entities = _count_entities(view, rows_by_file, now)
    if last is None or earlier is None:
        changed = newest_rows(view, rows_by_file, now)
    else:
        changed = _changed_rows(view, history, earlier, now=now, materialized=instant_of(last.materialized))
    metadata = ViewMetadata(layout.id, micros(watermark) if watermark else 0, micros(now), history.hash, entities)
    rows = _with_progress(packed_rows(view, changed, layout, keys), len(changed), progress)
    written = store.write(rows, {keys.metadata: metadata.pack()})
    return Materialized(view.name, view.feature_version, entities, written, watermark)


def _is_unchanged(history: FeatureHistory, last: ViewMetadata, layout: Layout, now: datetime) -> bool:
    """Whether the last materialization was of this history, and none of its rows has become known since."""
    materialized = instant_of(last.materialized)
    if last.history != history.hash or last.layout_id != layout.id or now < materialized:
        return False
    is_all_known = history.pending is None and not history.pushed and history.computed_until <= materialized
    if is_all_known or now == materialized:
        return True
    later = pl.concat(history.scan_parts()).filter((materialized < _KNOWN_AT) & (now >= _KNOWN_AT))
    return not later.select(pl.len()).collect().item()


def _materialized_again(
    view: FeatureView, history: FeatureHistory, last: ViewMetadata, store: OnlineStore, *, now: datetime
) -> Materialized:
    """The same history without a row that became known: only the instant of the materialization is new."""
    keys = view_keys(history.project, view.name, view.feature_version)
    store.write([], {keys.metadata: replace(last, materialized=micros(now)).pack()})
    watermark = instant_of(last.watermark) if last.watermark else None
    return Materialized(view.name, view.feature_version, last.rows, 0, watermark)


def materialize_view(
    view: FeatureView,
    *,
    project: str,
    stores: DataStores,
    online: OnlineStore,
    clock: Clock,
    progress: Progress | None = None,
) -> Materialized:
    """Compute the view on the current snapshots, materialize it and record that.

    Raises `LeaseHeld` while another process does the same.
    """
    holder = f"touchline features materialize, process {os.getpid()} on {platform.node()}"
    name = f"{project}/materialize/{view.name}"
    with hold_lease(stores.database, name, holder=holder, ttl=_LEASE_TTL, clock=clock):
        history = compute_view(view, project=project, stores=stores, clock=clock)
        run = _begin(history, stores, clock)
        try:
            histories = FeatureHistories(stores)
            done = materialize(view, history, online, now=clock.now(), histories=histories, progress=progress)
        except BaseException:
            _end(run, stores, clock, status="failed")
            raise
        _end(run, stores, clock, status="done", rows=done.written, watermark=done.watermark)
        return done


def newest_rows(view: FeatureView, history: pl.LazyFrame, now: datetime) -> pl.DataFrame:
    """The newest row of each entity among those known at `now`, sorted by keys; the history in any order.

    Of rows that share event and created time the last one counts.
    """
    keys, known = list(view.join_keys), history.filter(now >= _KNOWN_AT)
    newest_event = known.group_by(keys).agg(pl.col("event_timestamp").max())
    rows = known.join(newest_event, on=[*keys, "event_timestamp"], how="semi", maintain_order="left")
    ordered = rows.sort(*keys, "created_timestamp", maintain_order=True)
    return ordered.unique(keys, keep="last", maintain_order=True).collect()


def view_layout(view: FeatureView) -> Layout:
    """The packed layout of the view's rows."""
    return Layout(view.name, view.features)


def packed_rows(view: FeatureView, rows: pl.DataFrame, layout: Layout, keys: ViewKeys) -> Iterator[tuple[bytes, bytes]]:
    """Rows as the online store keeps them: key and packed value."""
    names = [feature.name for feature in view.features]
    types = list(view.key_types.values())
    stamps = rows.select(pl.col("event_timestamp", "created_timestamp").to_physical())
    features = rows.select(_physical(rows, names)).iter_rows()
    entities = rows.select(view.join_keys).iter_rows()
    for entity, (event, created), values in zip(entities, stamps.iter_rows(), features, strict=True):
        yield keys.rows + entity_key(view.name, view.join_keys, types, entity), layout.pack(event, created, values)


def _physical(rows: pl.DataFrame, names: Sequence[str]) -> list[pl.Expr]:
    """Instants as microseconds; everything else as it is."""
    return [pl.col(name).to_physical() if rows.schema[name].is_temporal() else pl.col(name) for name in names]


def _read_metadata(view: FeatureView, store: OnlineStore, keys: ViewKeys) -> ViewMetadata | None:
    data = store.read([keys.metadata])[0]
    return ViewMetadata.unpack(data, view.name) if data else None


def _history_of(
    view: FeatureView, history: FeatureHistory, last: ViewMetadata, histories: FeatureHistories
) -> FeatureHistory | None:
    """The history that was materialized last; None if it is not stored any more, or values were taken away since."""
    if not last.history:
        return None
    return histories.find(history.project, view.name, view.feature_version, keys=view.join_keys, hash=last.history)


def _changed_rows(
    view: FeatureView, history: FeatureHistory, earlier: FeatureHistory, *, now: datetime, materialized: datetime
) -> pl.DataFrame:
    """The newest rows that are not those of an earlier history at its materialization."""
    keys = list(view.join_keys)
    files = history.scan_parts(without=earlier.files)
    # The rows of shared files count where they have become known since.
    later = [frame.filter(materialized < _KNOWN_AT) for frame in earlier.scan_parts()]
    entities = pl.concat([frame.select(keys) for frame in (*files, *later)]).unique().collect().lazy()
    newest, before = (
        newest_rows(view, pl.concat(one.scan_parts()).join(entities, on=keys, how="semi"), at)
        for one, at in ((history, now), (earlier, materialized))
    )
    return newest.join(before.select(newest.columns), on=newest.columns, how="anti", nulls_equal=True)


def _count_entities(view: FeatureView, history: pl.LazyFrame, now: datetime) -> int:
    """The number of entities with a value known at `now`."""
    entities = history.filter(now >= _KNOWN_AT).select(view.join_keys).unique()
    count: int = entities.select(pl.len()).collect().item()
    return count


def _with_progress(
    rows: Iterator[tuple[bytes, bytes]], count: int, progress: Progress | None
) -> Iterator[tuple[bytes, bytes]]:
    for sent, row in enumerate(rows):
        if progress is not None and sent % _EVERY == 0:
            progress(sent, count)
        yield row
    if progress is not None:
        progress(count, count)


def _begin(history: FeatureHistory, stores: DataStores, clock: Clock) -> str:
    row = {
        "id": ulid_at(clock.wall()),
        "project": history.project,
        "view": history.view,
        "feature_version": history.feature_version,
        "started_at": clock.wall(),
        "rows": 0,
        "status": "running",
    }
    with stores.database.begin() as connection:
        connection.execute(insert(tables.materializations).values(row))
    return str(row["id"])


def _end(
    run: str, stores: DataStores, clock: Clock, *, status: str, rows: int = 0, watermark: datetime | None = None
) -> None:
    table = tables.materializations
    values = {"finished_at": clock.wall(), "status": status, "rows": rows, "watermark": watermark}
    with stores.database.begin() as connection:
        connection.execute(update(table).where(table.c.id == run).values(values))
