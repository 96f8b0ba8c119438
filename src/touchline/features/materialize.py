"""Copy the newest known values of a view to an online store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.features.compute import FeatureHistory, watermark_of
from touchline.features.marks import Mark, micros
from touchline.features.packed import Layout
from touchline.features.served import ViewKeys, entity_key, view_keys

if TYPE_CHECKING:
    from touchline.features.online_store import OnlineStore
    from touchline.features.spec import FeatureView

_KNOWN = pl.max_horizontal("event_timestamp", "created_timestamp")


@dataclass(frozen=True)
class Materialized:
    """What one materialization did. `watermark` is None where nothing was known yet."""

    view: str
    feature_version: str
    rows: int
    written: int
    watermark: datetime | None


def materialize(view: FeatureView, history: FeatureHistory, store: OnlineStore, *, now: datetime) -> Materialized:
    """Write each entity's newest value known at `now`; a newer value already online stays."""
    newest = newest_rows(view, history.scan(), now)
    watermark = watermark_of(history.scan(), now)
    keys = view_keys(history.project, view.name, view.feature_version)
    layout = view_layout(view)
    mark = Mark(layout.id, micros(watermark) if watermark else 0, micros(now), history.hash, len(newest))
    written = store.write(packed_rows(view, newest, layout, keys), {keys.meta: mark.pack()})
    return Materialized(view.name, view.feature_version, len(newest), written, watermark)


def newest_rows(view: FeatureView, history: pl.LazyFrame, now: datetime) -> pl.DataFrame:
    """The newest row of each entity among those known at `now`; the history is sorted by keys, event and created."""
    known = history.filter(now >= _KNOWN).collect()
    return known.unique(list(view.join_keys), keep="last", maintain_order=True)


def view_layout(view: FeatureView) -> Layout:
    """How the view's rows are packed."""
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
