"""The records of computed feature histories, and of values that clients pushed: what is stored, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from touchline.storage import tables

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from touchline.features.declaration.view import FeatureView
    from touchline.features.vectors.served_view import ServedView
    from touchline.storage import DataStores, ObjectStore


@dataclass(frozen=True)
class FeatureHistory:
    """One computed history of a view, and the snapshots and pushed parts (object keys) it comes from."""

    project: str
    view: str
    feature_version: str
    snapshots: Mapping[str, str]
    hash: str
    object_key: str
    path: Path
    rows: int
    quarantined: int = 0
    pushed: tuple[str, ...] = ()

    def scan(self) -> pl.LazyFrame:
        """Keys, event_timestamp, created_timestamp and features, sorted in that order."""
        import polars as pl

        return pl.scan_parquet(self.path)


@dataclass(frozen=True)
class FeatureHistories:
    """The table of computed histories. Any version of a view may have several, one for each state of its sources."""

    stores: DataStores

    def record(self, history: FeatureHistory, *, at: datetime) -> None:
        """Note that a history was computed; where that is noted already, the first record stays."""
        row = {
            "project": history.project,
            "view": history.view,
            "feature_version": history.feature_version,
            "snapshot_hash": history.hash,
            "object_key": history.object_key,
            "rows": history.rows,
            "created_at": at,
        }
        try:
            with self.stores.database.begin() as connection:
                connection.execute(insert(tables.feature_histories).values(row))
        except IntegrityError:
            return

    def newest_key(self, project: str, view: str, feature_version: str, *, hash: str | None = None) -> str | None:
        """The object key of the newest history of a version of a view (or that of a hash)."""
        table = tables.feature_histories.c
        query = select(table.object_key).where(
            table.project == project, table.view == view, table.feature_version == feature_version
        )
        if hash is not None:
            query = query.where(table.snapshot_hash == hash)
        with self.stores.database.connect() as connection:
            key: str | None = connection.scalar(query.order_by(table.created_at.desc()).limit(1))
        return key

    def newest_path(self, view: ServedView) -> Path | None:
        """The file of the newest history of the version that a release reads; ingest may bring another any time."""
        key = self.newest_key(view.project, view.view, view.feature_version)
        return None if key is None else self.stores.objects.local_path(key)

    def versions(self, project: str) -> set[tuple[str, str]]:
        """The views and feature versions of a project that were ever computed, or that values were pushed to."""
        table = tables.feature_histories.c
        query = select(table.view, table.feature_version).where(table.project == project).distinct()
        with self.stores.database.connect() as connection:
            computed = {(row.view, row.feature_version) for row in connection.execute(query)}
        prefix = f"{project}/pushed/"
        parts = (key.removeprefix(prefix).split("/") for key in self.stores.objects.list(prefix))
        return computed | {(view, version) for view, version, _ in parts}


def pushed_parts(project: str, view: FeatureView, objects: ObjectStore) -> list[str]:
    """Object keys of the values pushed to this version of the view, oldest first; the next history merges them."""
    return sorted(objects.list(pushed_prefix(project, view)))


def pushed_prefix(project: str, view: FeatureView) -> str:
    return f"{project}/pushed/{view.name}/{view.feature_version}/"
