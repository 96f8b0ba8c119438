"""The online values of one entity, unpacked for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from touchline.errors import EntityKeyMissing, UnknownName
from touchline.features import FeatureReader, ServedView

if TYPE_CHECKING:
    from touchline.features import FeatureView, OnlineStore, ViewStatus
    from touchline.features.online.reader import Presence

Value = float | int | bool | str | datetime | None
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class OnlineValues:
    """The stored values of one entity in one view. Serving uses them only if the status is `present`."""

    view: str
    feature_version: str
    keys: Mapping[str, str]
    status: Presence
    event_timestamp: datetime | None
    created_timestamp: datetime | None
    watermark: datetime | None
    ttl: timedelta | None
    values: Mapping[str, Value]


def entity_keys(view: FeatureView, pairs: Mapping[str, str]) -> dict[str, str]:
    """The view's join keys among typed pairs. Raises `UnknownName` or `EntityKeyMissing`."""
    for name in pairs:
        if name not in view.join_keys:
            raise UnknownName("entity key", name, view.join_keys)
    missing = [name for name in view.join_keys if name not in pairs]
    if missing:
        raise EntityKeyMissing(view.name, missing)
    return {name: pairs[name] for name in view.join_keys}


def read_online(
    project: str,
    views: Sequence[FeatureView],
    entities: Sequence[Mapping[str, str]],
    store: OnlineStore,
    *,
    now: datetime,
) -> list[list[OnlineValues]]:
    """The online values of these entities in each view, with the statuses of a request at `now`."""
    # The caller wants the status, so no view's fall-back may raise or compute here.
    served = [replace(ServedView.of(project, view.on()), fallback="null") for view in views]
    if not served or not entities:
        return [[] for _ in entities]
    statuses = FeatureReader(tuple(served), (), store).read(entities, [now] * len(entities)).statuses
    row_keys = [view.key(keys) or b"" for keys in entities for view in served]
    rows = dict(zip(row_keys, store.read(row_keys), strict=True))
    return [
        [
            _values(view, declared.ttl, keys, status, rows.get(view.key(keys) or b""))
            for view, declared, status in zip(served, views, row, strict=True)
        ]
        for keys, row in zip(entities, statuses, strict=True)
    ]


def _values(
    view: ServedView, ttl: timedelta | None, keys: Mapping[str, str], status: ViewStatus, data: bytes | None
) -> OnlineValues:
    packed = view.layout.unpack(data, "/".join(keys.values())) if data is not None else None
    kinds = dict(view.features)
    values = zip(kinds, packed.values if packed else [None] * len(kinds), strict=True)
    return OnlineValues(
        view=view.view,
        feature_version=view.feature_version,
        keys=dict(keys),
        status=status.status,
        event_timestamp=_instant(packed.event) if packed else None,
        created_timestamp=_instant(packed.created) if packed else None,
        watermark=status.watermark,
        ttl=ttl,
        values={name: _instant(value) if kinds[name] == "timestamp" else value for name, value in values},
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
