"""Whether the online store holds what a release reads, and how old that is: what `/health` says of features."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from touchline.errors import OnlineStoreError
from touchline.features import FeatureReader
from touchline.features.vectors.watermark import instant_of

Status = Literal["ok", "aging", "emptied", "unreachable"]
_OLD_SHARE = 0.5  # of its time to live, after which a value is called aging: time to act before it expires


@dataclass(frozen=True)
class FeatureState:
    """One view of a release in the online store; instants are project time.

    `aging`: it was last materialized more than half its time to live ago. `emptied`: the store holds nothing of it.
    """

    view: str
    feature_version: str
    status: Status
    materialized_at: datetime | None = None
    watermark: datetime | None = None
    ttl_seconds: float | None = None
    reason: str | None = None


def read_feature_states(reader: FeatureReader, now: datetime) -> tuple[FeatureState, ...]:
    """The state of each view that a release reads; a store that fails makes all of them unreachable."""
    views = list({(view.view, view.feature_version): view for view in reader.views}.values())
    try:
        metadata = dict(zip(reader.views, reader.metadata(), strict=True))
    except OnlineStoreError as failure:
        return tuple(
            FeatureState(view.view, view.feature_version, "unreachable", reason=str(failure)) for view in views
        )
    states = []
    for view in views:
        stored, ttl = metadata[view], view.ttl_seconds
        if stored is None:
            states.append(FeatureState(view.view, view.feature_version, "emptied", ttl_seconds=ttl))
            continue
        at, watermark = instant_of(stored.materialized), instant_of(stored.watermark)
        is_old = ttl is not None and now - at > timedelta(seconds=ttl * _OLD_SHARE)
        states.append(FeatureState(view.view, view.feature_version, "aging" if is_old else "ok", at, watermark, ttl))
    return tuple(states)
