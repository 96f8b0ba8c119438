"""Feast's online store over packed rows: one round trip for all views, TTL enforced, sync and async."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from feast import utils
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from typing_extensions import override

from touchline.clock import SystemClock
from touchline.features.feast.previous_layouts import PreviousLayouts
from touchline.features.feast.values import FeastLayout, feast_layout, feature_version
from touchline.features.online.base import OnlineStore
from touchline.features.vectors.watermark import ViewMetadata, instant_of, micros

_log = logging.getLogger("touchline.features.feast")
_NOT_DELETED: Final = (
    "The online rows of view %s stay: touchline serves from them. It deletes the versions of a view that no release "
    "refers to by itself, after a promotion and after a rollback."
)
ReadRow = tuple[datetime | None, dict[str, Any] | None]


class PackedFeastStore(FeastOnlineStore):
    """The base of the packed stores; each subclass defines where its rows are stored."""

    _opened: OnlineStore | None = None

    @cached_property
    def _layouts(self) -> PreviousLayouts:
        return PreviousLayouts()

    def open(self, config: Any) -> OnlineStore:
        """The store behind this configuration."""
        raise NotImplementedError

    @property
    @override
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    @override
    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write the rows, the newest of each entity winning, and say up to when they tell what was known."""
        layout, newest = feast_layout(config.project, table), 0
        rows = []
        for entity, values, event, created in data:
            known, packed = layout.pack(values, event, created)
            newest = max(newest, known)
            rows.append((layout.key(entity), packed))
        store = self._store(config)
        store.write(rows, {layout.keys.metadata: self._metadata(store, layout, newest).pack()})
        if progress:
            progress(len(rows))

    @override
    async def online_write_batch_async(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    @override
    def online_read(
        self, config: Any, table: Any, entity_keys: Sequence[Any], requested_features: Sequence[str] | None = None
    ) -> list[ReadRow]:
        """Values by entity; an expired one is not there."""
        layout = feast_layout(config.project, table)
        keys = [layout.key(entity) for entity in entity_keys]
        store = self._store(config)
        stored_rows = self._with_earlier(store, config, table, keys, store.read(keys))
        rows, _ = _rows(layout, table, keys, stored_rows, requested_features)
        return rows

    @override
    async def online_read_async(
        self, config: Any, table: Any, entity_keys: Sequence[Any], requested_features: Sequence[str] | None = None
    ) -> list[ReadRow]:
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    @override
    def update(
        self,
        config: Any,
        tables_to_delete: Sequence[Any],
        tables_to_keep: Sequence[Any],
        entities_to_delete: Sequence[Any],
        entities_to_keep: Sequence[Any],
        partial: bool,
    ) -> None:
        store = self._store(config)
        for table in tables_to_delete:
            if feature_version(table):
                _log.warning(_NOT_DELETED, table.name)
            else:
                self._layouts.forget(store, config.project, table)
        for table in tables_to_keep:
            if not feature_version(table):
                self._layouts.remember(store, config.project, table)

    @override
    def teardown(self, config: Any, tables: Sequence[Any], entities: Sequence[Any]) -> None:
        self.update(config, tables, [], entities, [], False)
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @override
    def _read_features_per_fv(
        self,
        config: Any,
        grouped_refs: list[Any],
        join_key_values: dict[str, Any],
        entity_name_to_join_key_map: dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        view_requests = [
            _ViewRequest(config, ref, join_key_values, entity_name_to_join_key_map) for ref in grouped_refs
        ]
        store = self._store(config)
        stored_rows = iter(store.read([key for view in view_requests for key in view.keys]))
        for view in view_requests:
            present = [next(stored_rows) for _ in view.keys]
            values = self._with_earlier(store, config, view.table, view.keys, present)
            rows, expired = _rows(view.layout, view.table, view.keys, values, view.features)
            utils._populate_response_from_feature_data(
                view.features,
                rows,
                view.places,
                online_features_response,
                full_feature_names,
                view.table,
                view.count,
                include_feature_view_version_metadata,
            )
            _mark_expired(online_features_response, view, expired)

    @override
    async def _read_features_per_fv_async(self, *args: Any) -> None:
        await asyncio.to_thread(self._read_features_per_fv, *args)

    def _with_earlier(
        self, store: OnlineStore, config: Any, table: Any, keys: Sequence[bytes], stored_rows: list[bytes | None]
    ) -> list[bytes | None]:
        """The rows, with earlier layouts' in place of missing ones; touchline's own views have a version for each."""
        if feature_version(table) or None not in stored_rows:
            return stored_rows
        return self._layouts.fill(store, config.project, table, keys, stored_rows)

    def _store(self, config: Any) -> OnlineStore:
        if self._opened is None:
            self._opened = self.open(config)
        return self._opened

    def _metadata(self, store: OnlineStore, layout: FeastLayout, newest: int) -> ViewMetadata:
        before = store.read([layout.keys.metadata])[0]
        watermark = max(newest, ViewMetadata.unpack(before, layout.layout.view).watermark if before else 0)
        return ViewMetadata(layout.layout.id, watermark, micros(SystemClock().wall()))


class _ViewRequest:
    """One view of a request: the keys of its distinct entities and where each stands in the answer."""

    def __init__(self, config: Any, ref: Any, values: Any, names: Any) -> None:
        self.table, self.features = ref
        self.layout = feast_layout(config.project, self.table)
        entities, self.places, self.count = utils._get_unique_entities(self.table, values, names)
        self.keys = [self.layout.key(entity) for entity in utils._get_entity_key_protos(entities)]


def _rows(
    layout: FeastLayout,
    table: Any,
    keys: Sequence[bytes],
    stored_rows: Sequence[bytes | None],
    feature_names: Sequence[str] | None,
) -> tuple[list[ReadRow], list[int]]:
    """The result that Feast expects of a read, and the rows that are older than the view's TTL."""
    names = layout.names if feature_names is None else feature_names
    oldest = _oldest(table)
    rows: list[ReadRow] = []
    expired = []
    for place, (key, data) in enumerate(zip(keys, stored_rows, strict=True)):
        if data is None:
            rows.append((None, None))
            continue
        packed = layout.layout.unpack(data, key.removeprefix(layout.keys.rows).decode(errors="replace"))
        is_expired = oldest is not None and packed.event < oldest
        if is_expired:
            expired.append(place)
        rows.append((instant_of(packed.event), None if is_expired else layout.values(packed.values, names)))
    return rows, expired


def _oldest(table: Any) -> int | None:
    """The oldest event that still counts; Feast's TTL of zero is no limit."""
    return micros(SystemClock().now() - table.ttl) if table.ttl else None


def _mark_expired(response: Any, view: _ViewRequest, expired: Sequence[int]) -> None:
    places = [out for row in expired for out in list(view.places)[row]]
    for vector in response.results[len(response.results) - len(view.features) :] if places else []:
        for place in places:
            vector.statuses[place] = FieldStatus.OUTSIDE_MAX_AGE
