"""The state of a release's features in the online store, for `/health`: whether they are there, and their age."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from touchline.errors import OnlineStoreError
from touchline.features import FeatureReader, ServedView
from touchline.features.vectors.watermark import ViewMetadata, instant_of

FeatureStatus = Literal["ok", "aging", "emptied", "unreachable", "failing", "dropping"]
_OLD_SHARE = 0.5  # of its time to live, after which a value is called aging: time to act before it expires


@dataclass(frozen=True)
class FeatureState:
    """One view of a release in the online store; instants are project time.

    `aging`: it was last materialized more than half its time to live ago. `emptied`: the store holds nothing of it.
    `failing`: reads of rows failed a moment ago, as where a part of the file is damaged. `dropping`: the store drops
    values for want of memory, so that known entities are answered as unknown ones.
    `has_stand_in`: a fallback or a copy gives its values where the store has none.
    """

    view: str
    feature_version: str
    status: FeatureStatus
    has_stand_in: bool
    materialized_at: datetime | None = None
    watermark: datetime | None = None
    ttl_seconds: float | None = None
    reason: str | None = None


def read_feature_states(reader: FeatureReader, now: datetime, *, failing: bool = False) -> tuple[FeatureState, ...]:
    """The state of each view that a release reads; a store that fails makes all of them unreachable.

    `failing`: reads of rows have failed since the last look, as of a file of which only a part is damaged.
    """
    try:
        metadata = dict(zip(reader.views, reader.metadata(), strict=True))
        losses = reader.store.find_losses() if reader.views else None
    except OnlineStoreError as failure:
        return tuple(
            FeatureState(view.view, view.feature_version, "unreachable", reader.has_stand_in(view), reason=str(failure))
            for view in _distinct(reader)
        )
    states = tuple(_state(view, metadata[view], reader.has_stand_in(view), now) for view in _distinct(reader))
    if any(state.status == "emptied" for state in states):
        return states
    if failing:
        reason = "reads of rows fail: touchline doctor says why"
        return tuple(replace(state, status="failing", reason=reason) for state in states)
    if losses is not None:
        return tuple(replace(state, status="dropping", reason=losses) for state in states)
    return states


def _distinct(reader: FeatureReader) -> Iterable[ServedView]:
    """A view that is joined twice once."""
    return {(view.view, view.feature_version): view for view in reader.views}.values()


def _state(view: ServedView, stored: ViewMetadata | None, has_stand_in: bool, now: datetime) -> FeatureState:
    state = FeatureState(view.view, view.feature_version, "emptied", has_stand_in, ttl_seconds=view.ttl_seconds)
    if stored is None:
        return state
    at = instant_of(stored.materialized)
    is_old = view.ttl_seconds is not None and now - at > timedelta(seconds=view.ttl_seconds * _OLD_SHARE)
    status: FeatureStatus = "aging" if is_old else "ok"
    return replace(state, status=status, materialized_at=at, watermark=instant_of(stored.watermark))
