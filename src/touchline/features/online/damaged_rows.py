"""Whether the online store holds the values that were materialized: older ones, missing or unreadable rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import CorruptedFeatures, OnlineValuesAhead
from touchline.features.online.materialize import newest_rows, view_layout
from touchline.features.vectors.served_view import entity_key, view_keys
from touchline.features.vectors.watermark import ViewMetadata, instant_of, micros

if TYPE_CHECKING:
    from datetime import datetime

    from touchline.features.declaration.view import FeatureView
    from touchline.features.offline.histories import FeatureHistory
    from touchline.features.online.base import OnlineStore

_AT_ONCE = 10_000


def find_damaged_rows(
    view: FeatureView, history: FeatureHistory, store: OnlineStore, *, ingested_at: datetime
) -> str | None:
    """The damage of the online values of a view, in words; None if there is none.

    Values that were taken away on purpose (`features invalidate`) do not count. Raises `OnlineStoreUnavailable`, and
    `OnlineValuesAhead` where the values were materialized after `ingested_at`, the newest ingest that the database
    knows, from a history that it does not know.
    """
    keys = view_keys(history.project, view.name, view.feature_version)
    data = store.read([keys.metadata])[0]
    if data is None:
        return "the store holds nothing of the view"
    try:
        metadata = ViewMetadata.unpack(data, view.name)
    except CorruptedFeatures as damaged:
        return str(damaged)
    if not metadata.history:
        return None
    if metadata.history != history.hash:
        if metadata.materialized > micros(ingested_at):
            raise OnlineValuesAhead(view.name)
        at = instant_of(metadata.materialized)
        return f"the store is behind: its values were materialized at {at:%Y-%m-%d %H:%M}, from an earlier history"
    newest = newest_rows(view, pl.concat(history.scan_parts()), instant_of(metadata.materialized))
    types, layout = list(view.key_types.values()), view_layout(view)
    entities = [
        keys.rows + entity_key(view.name, view.join_keys, types, row)
        for row in newest.select(view.join_keys).iter_rows()
    ]
    missing, unreadable = 0, []
    for start in range(0, len(entities), _AT_ONCE):
        part = entities[start : start + _AT_ONCE]
        for key, value in zip(part, store.read(part), strict=True):
            if value is None:
                missing += 1
                continue
            try:
                layout.unpack(value, key)
            except CorruptedFeatures as damaged:
                unreadable.append(str(damaged))
    if not missing and not unreadable:
        return None
    words = f"of {len(entities)} entities {missing} are missing and {len(unreadable)} cannot be read"
    return f"{words}; first: {unreadable[0]}" if unreadable else words
