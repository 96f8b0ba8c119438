"""The features of logged answers, found again in the feature histories: what online serving should have read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from touchline.features import ServedView
from touchline.features.vectors.vector_plan import VectorPlan
from touchline.registry.release.served_release import ServedRelease, Vectors, view_label
from touchline.storage import Database, ObjectStore
from touchline.storage.tables import feature_histories

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

Values = Mapping[str, Any]
History = Mapping[tuple[str, ...], Sequence[Values]]


class OfflineFeatures:
    """Feature values of one release's answers, as the histories have them."""

    def __init__(self, database: Database, objects: ObjectStore, release: ServedRelease) -> None:
        self._database, self._objects, self._release = database, objects, release
        self._plan = VectorPlan(release.columns, release.transforms)

    def vectors(self, rows: Sequence[RowMapping]) -> list[Vectors | None]:
        """The vector of each logged row; None where the request brought its feature values or no history is left."""
        found: list[Vectors | None] = []
        histories = {view.view: self._history(view, rows) for view in self._release.views}
        for row in rows:
            values: dict[str, Any] | None = dict(row["inputs"])
            for view in self._release.views:
                values = self._add(values, view, histories[view.view], row)
            found.append(None if values is None else self._plan.encode([values])[0])
        return found

    def _add(
        self, values: dict[str, Any] | None, view: ServedView, history: History | None, row: RowMapping
    ) -> dict[str, Any] | None:
        status = row["views"].get(view_label(view.view, view.prefix))
        if values is None or status is None or history is None:
            return None
        known = _known(history.get(_key(view, row["entity_keys"]), ()), row["cutoff"], _instant(status["watermark"]))
        usable = known if known is not None and _is_fresh(view, known, row["cutoff"]) else None
        for name, _ in view.features:
            values[view.column(name)] = usable[name] if usable else None
        return values

    def _history(self, view: ServedView, rows: Sequence[RowMapping]) -> History | None:
        """The history of a view for the entities of these rows, oldest first within each."""
        key = self._history_keys.get((view.view, view.feature_version))
        if key is None:
            return None
        import polars as pl

        joins = [found for found in self._release.views if found.view == view.view]
        wanted = {_key(found, row["entity_keys"]) for found in joins for row in rows}
        entity = pl.concat_list([pl.col(name).cast(pl.String) for name in view.join_keys])
        frame = (
            pl.scan_parquet(self._objects.local_path(key))
            .with_columns(entity.alias("_entity"))
            .filter(pl.col(view.join_keys[0]).cast(pl.String).is_in([parts[0] for parts in wanted if parts]))
            .sort("event_timestamp", "created_timestamp")
            .collect()
        )
        history: dict[tuple[str, ...], list[Values]] = {}
        for found in frame.iter_rows(named=True):
            history.setdefault(tuple(found["_entity"]), []).append(found)
        return history

    @cached_property
    def _history_keys(self) -> dict[tuple[str, str], str]:
        table = feature_histories
        query = (
            sa.select(table.c.view, table.c.feature_version, table.c.object_key)
            .where(table.c.project == self._release.project)
            .order_by(table.c.created_at)
        )
        with self._database.connect() as connection:
            return {(row.view, row.feature_version): row.object_key for row in connection.execute(query)}


def _key(view: ServedView, entity_keys: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entity_keys.get(name)) for name in view.request_columns)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _known(rows: Sequence[Mapping[str, Any]], cutoff: datetime, watermark: datetime | None) -> Mapping[str, Any] | None:
    """The newest row that had been materialized: what came after the watermark was not online yet."""
    limit = cutoff if watermark is None else min(cutoff, watermark)
    return next((row for row in reversed(rows) if max(row["event_timestamp"], row["created_timestamp"]) <= limit), None)


def _is_fresh(view: ServedView, row: Values, cutoff: datetime) -> bool:
    if view.ttl_seconds is None:
        return True
    stamp: datetime = row["event_timestamp"]
    return stamp >= cutoff - timedelta(seconds=view.ttl_seconds)
