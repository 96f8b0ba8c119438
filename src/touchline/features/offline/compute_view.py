"""Feature histories on disk: computed once for each (view version, snapshots), sorted, atomic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import HistoryMoved
from touchline.features.declaration.code_versions import short_hash
from touchline.features.declaration.output_contract import keep_good_rows, quarantine_key
from touchline.features.declaration.types import INSTANT, POLARS_TYPES
from touchline.features.offline.histories import FeatureHistories, FeatureHistory, pushed_parts
from touchline.features.offline.history import history_of, sorted_history
from touchline.features.offline.look_ahead import sample_instants, validate_causal
from touchline.ingest import read_snapshot
from touchline.storage import DataStores, parquet_bytes

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView
    from touchline.ingest import Snapshot

_LINEAGE = "touchline.lineage"  # in the Parquet footer


def compute_view(
    view: FeatureView,
    *,
    project: str,
    stores: DataStores,
    clock: Clock,
    snapshots: Mapping[str, Snapshot] | None = None,
) -> FeatureHistory:
    """The history of the view on the current snapshots (or those given), computed unless it lies there already.

    A view that looks into the future raises `LooksAhead` and nothing is written.
    """
    if snapshots is None:
        snapshots = {source.name: read_snapshot(project, source.name, stores) for source in view.sources}
    hashes = {source.name: snapshots[source.name].hash for source in view.sources}
    parts = pushed_parts(project, view, stores.objects)
    name = _history_hash(hashes, parts)
    key = f"{project}/history/{view.name}/{view.feature_version}/{name}.parquet"
    if not stores.objects.exists(key):
        rows = _compute(view, snapshots, [stores.objects.local_path(part) for part in parts])
        kept = keep_good_rows(view, rows)
        if kept.rejected is not None:
            stores.objects.write(quarantine_key(project, view, name), parquet_bytes(kept.rejected))
        lineage = json.dumps({"snapshots": hashes, "pushed": parts}, sort_keys=True)
        stores.objects.write(key, parquet_bytes(kept.rows, {_LINEAGE: lineage}))
    opened = open_history(view, project=project, key=key, stores=stores)
    history = replace(opened, snapshots=hashes, pushed=tuple(parts))
    FeatureHistories(stores).record(history, at=clock.wall())
    return history


def read_history(
    view: FeatureView, *, project: str, stores: DataStores, hash: str | None = None
) -> FeatureHistory | None:
    """The newest computed history of the view's present version (or that of a hash); None if there is none yet."""
    key = FeatureHistories(stores).newest_key(project, view.name, view.feature_version, hash=hash)
    return None if key is None else open_history(view, project=project, key=key, stores=stores)


def open_history(view: FeatureView, *, project: str, key: str, stores: DataStores) -> FeatureHistory:
    """A stored history, checked against the columns the view declares; its file says what it was computed from."""
    path = stores.objects.local_path(key)
    schema = pl.read_parquet_schema(path)
    validate_schema(view, schema, str(path))
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    lineage = json.loads(pl.read_parquet_metadata(path).get(_LINEAGE, "{}"))
    return FeatureHistory(
        project=project,
        view=view.name,
        feature_version=view.feature_version,
        snapshots=lineage.get("snapshots", {}),
        pushed=tuple(lineage.get("pushed", ())),
        hash=Path(key).stem,
        object_key=key,
        path=path,
        rows=rows,
        quarantined=_quarantined(stores, quarantine_key(project, view, Path(key).stem)),
    )


def validate_schema(view: FeatureView, schema: Mapping[str, pl.DataType], where: str) -> None:
    """Raise `HistoryMoved` unless a history has the declared columns with the declared types."""
    wanted: dict[str, pl.DataType] = {key: POLARS_TYPES[kind] for key, kind in view.key_types.items()}
    wanted |= {"event_timestamp": INSTANT, "created_timestamp": INSTANT}
    wanted |= {feature.name: POLARS_TYPES[feature.dtype] for feature in view.features}
    for name, dtype in wanted.items():
        if schema.get(name) != dtype:
            found = f"column {name!r} of type {schema[name]}" if name in schema else f"no column {name!r}"
            raise HistoryMoved(view.name, where, found, f"{name!r} of type {dtype}")


def watermark_of(rows: pl.LazyFrame, now: datetime) -> datetime | None:
    """The newest instant up to which these rows say what was known, never after `now`."""
    known = pl.max_horizontal("event_timestamp", "created_timestamp")
    newest: datetime | None = rows.select(known.filter(known <= now).max()).collect().item()
    return newest


def _compute(view: FeatureView, snapshots: Mapping[str, Snapshot], pushed: list[Path]) -> pl.DataFrame:
    versions = [snapshots[source.name].scan().collect() for source in view.sources]
    validate_causal(view, versions, sample_instants(versions))
    rows = history_of(view, versions)
    if pushed:
        parts = [pl.read_parquet(path).select(rows.columns).cast(rows.schema) for path in pushed]
        rows = sorted_history(view, pl.concat([rows, *parts]))
    return rows


def _quarantined(stores: DataStores, key: str) -> int:
    """Rows of the history that broke the view's contract."""
    if not stores.objects.exists(key):
        return 0
    return int(pl.scan_parquet(stores.objects.local_path(key)).select(pl.col("row").n_unique()).collect().item())


def _history_hash(hashes: Mapping[str, str], parts: list[str]) -> str:
    """The snapshot's own hash where a view reads one source and nothing was pushed."""
    if len(hashes) == 1 and not parts:
        return next(iter(hashes.values()))
    return short_hash([sorted(hashes.items()), parts])
