"""Feature histories on disk: appended to at each ingest, in parts that histories share.

A history that already covers earlier snapshots is continued: the view runs once for each later ingest, and the rows
that differ from the last state are added. A first history, or one whose sources were restated, is computed whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import HistoryMoved
from touchline.features.declaration.code_versions import short_hash
from touchline.features.declaration.output_contract import quarantine_key
from touchline.features.declaration.types import INSTANT, POLARS_TYPES
from touchline.features.offline.histories import FeatureHistories, FeatureHistory, pushed_parts
from touchline.features.offline.history import (
    HistoryStep,
    first_step,
    history_order,
    ingest_instants,
    later_steps,
    newest_state,
)
from touchline.features.offline.look_ahead import sample_instants, validate_causal
from touchline.ingest import later_ingests, read_snapshot
from touchline.storage import DataStores, append_rows, parquet_bytes, scan_parts, write_part

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView
    from touchline.ingest import Snapshot


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
    pushed = pushed_parts(project, view, stores.objects)
    name = _history_hash(hashes, pushed)
    stored = read_history(view, project=project, stores=stores, hash=name)
    if stored is not None:
        return stored
    history = _Computation(view, project, stores, snapshots).run(name, hashes, pushed)
    FeatureHistories(stores).record(history, at=clock.wall())
    return history


def read_history(
    view: FeatureView, *, project: str, stores: DataStores, hash: str | None = None
) -> FeatureHistory | None:
    """The newest computed history of the view's present version (or that of a hash); None if there is none yet."""
    history = FeatureHistories(stores).find(project, view.name, view.feature_version, keys=view.join_keys, hash=hash)
    if history is not None:
        validate_schema(view, history.scan_parts()[0].collect_schema(), history.files[0])
    return history


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


@dataclass(frozen=True)
class _Computation:
    """One view on the snapshots of its sources."""

    view: FeatureView
    project: str
    stores: DataStores
    snapshots: Mapping[str, Snapshot]

    def run(self, name: str, hashes: Mapping[str, str], pushed: Sequence[str]) -> FeatureHistory:
        base, instants = self._base()
        versions = [self.snapshots[source.name].scan_ingested().collect() for source in self.view.sources]
        steps = self._first(versions) if base is None else self._further(base, versions, instants)
        last = steps[-1]
        parts = base.parts if base is not None else ()
        added = pl.concat([step.rows for step in steps])
        folder, objects = f"{self.project}/history/{self.view.name}/{self.view.feature_version}", self.stores.objects
        if len(added) or not parts:
            parts = append_rows(objects, folder, parts, added, sort_by=history_order(self.view))
        pending = None
        if len(last.pending):
            pending = write_part(objects, folder, last.pending.sort(history_order(self.view), maintain_order=True))
        if last.rejected is not None:
            objects.write(quarantine_key(self.project, self.view, name), parquet_bytes(last.rejected))
        return FeatureHistory(
            project=self.project,
            view=self.view.name,
            feature_version=self.view.feature_version,
            hash=name,
            rows=sum(part.rows for part in parts) + len(last.pending),
            quarantined=_count_rejected(base, steps),
            computed_until=max(snapshot.ingested_at for snapshot in self.snapshots.values()),
            snapshots=dict(hashes),
            pushed=tuple(pushed),
            parts=parts,
            pending=pending,
            keys=self.view.join_keys,
            objects=objects,
        )

    def _base(self) -> tuple[FeatureHistory | None, list[datetime]]:
        """The newest history and the ingests since; None if one of them did more than append what is known later."""
        base = read_history(self.view, project=self.project, stores=self.stores)
        if base is None or set(base.snapshots) != set(self.snapshots):
            return None, []
        instants: set[datetime] = set()
        for name, snapshot in self.snapshots.items():
            later = later_ingests(self.stores.database, snapshot, base.snapshots[name])
            if later is None or any(instant <= base.computed_until for instant in later):
                return None, []
            instants.update(later)
        return base, sorted(instants)

    def _first(self, versions: Sequence[pl.DataFrame]) -> list[HistoryStep]:
        validate_causal(self.view, versions, sample_instants(versions))
        instants = ingest_instants(versions)
        until = max(snapshot.ingested_at for snapshot in self.snapshots.values())
        first = first_step(self.view, versions, until=instants[0] if instants else until)
        return [first, *later_steps(self.view, versions, first, instants)]

    def _further(
        self, base: FeatureHistory, versions: Sequence[pl.DataFrame], instants: Sequence[datetime]
    ) -> list[HistoryStep]:
        known = pl.concat([frame.collect() for frame in scan_parts(self.stores.objects, base.parts)])
        pending = known.clear()
        if base.pending is not None:
            pending = scan_parts(self.stores.objects, [base.pending])[0].collect()
        last = HistoryStep(known.clear(), pending, newest_state(self.view, pl.concat([known, pending])))
        # Without a later ingest only pushed values are new.
        return [last, *later_steps(self.view, versions, last, instants)]


def _count_rejected(base: FeatureHistory | None, steps: Sequence[HistoryStep]) -> int:
    """Rows that broke the view's contract in its last run, which an earlier history may have had."""
    if base is not None and len(steps) == 1:
        return base.quarantined
    rejected = steps[-1].rejected
    return 0 if rejected is None else rejected["row"].n_unique()


def _history_hash(hashes: Mapping[str, str], parts: Sequence[str]) -> str:
    """The snapshot's own hash where a view reads one source and nothing was pushed."""
    if len(hashes) == 1 and not parts:
        return next(iter(hashes.values()))
    return short_hash([sorted(hashes.items()), list(parts)])
