"""The online values of one entity, unpacked for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from touchline.errors import EntityKeyMissing, UnknownName
from touchline.features import FeatureReader, ServedView

if TYPE_CHECKING:
    from touchline.features import FeatureView, OnlineStore
    from touchline.features.online.reader import Presence

Value = float | int | bool | str | datetime | None
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True)
class OnlineValues:
    """The stored values of one entity in one view. Serving uses them only if the status is `present`."""

    view: str
    feature_version: str
    keys: Mapping[str, str]
    status: Presence = "missing"
    event_timestamp: datetime | None
    created_timestamp: datetime | None
    watermark: datetime | None = None
    ttl: timedelta | None = None
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
    views: Sequence[FeatureView], keys: Mapping[str, str], *, project: str, store: OnlineStore, now: datetime
) -> list[OnlineValues]:
    """The online values of the entity with these keys in each view, with the statuses of a request at `now`."""
    # The caller wants the status, so no view's fall-back may raise or compute here.
    served = [replace(ServedView.of(project, view.on()), fallback="null") for view in views]
    if not served:
        return []
    (statuses,) = FeatureReader(tuple(served), (), store).read([keys], [now]).statuses
    rows = store.read([view.key(keys) or b"" for view in served])
    return [
        replace(_values(view, keys, data), status=status.status, watermark=status.watermark, ttl=declared.ttl)
        for view, declared, status, data in zip(served, views, statuses, rows, strict=True)
    ]


def _values(view: ServedView, keys: Mapping[str, str], data: bytes | None) -> OnlineValues:
    """The unpacked row of one view, or nulls where there is none."""
    packed = view.layout.unpack(data, "/".join(keys.values())) if data is not None else None
    kinds = dict(view.features)
    values = zip(kinds, packed.values if packed else [None] * len(kinds), strict=True)
    return OnlineValues(
        view=view.view,
        feature_version=view.feature_version,
        keys=dict(keys),
        event_timestamp=_instant(packed.event) if packed else None,
        created_timestamp=_instant(packed.created) if packed else None,
        values={name: _instant(value) if kinds[name] == "timestamp" else value for name, value in values},
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
