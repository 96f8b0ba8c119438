"""What the policy `compute` serves: the view is computed on what is ingested now, once for all who wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.features.online.offline_last import newest_known_row
from touchline.features.online.second_read import SingleFlight
from touchline.features.vectors.packed_row import PackedRow
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import micros

if TYPE_CHECKING:
    from touchline.features.declaration.spec import FeatureView
    from touchline.features.online.base import OnlineStore

ComputeHistory = Callable[["FeatureView"], Path]
"""Computes a view on the current snapshots, or finds that this was done; the file of the history."""


class ComputeOnMiss:
    """Computes a view that lacks an entity or has only an expired value of it, and writes the found row online.

    `declared` gives the views by name; a view whose code is no longer what the release was made with is not computed.
    """

    def __init__(
        self, declared: Callable[[], Mapping[str, FeatureView]], compute: ComputeHistory, online: OnlineStore
    ) -> None:
        self._declared = declared
        self._compute = compute
        self._online = online
        self._flight = SingleFlight(self._history)

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        path = self._flight(view)
        row = None if path is None else newest_known_row(path, view, entity, cutoff)
        if row is None or (view.ttl_micros is not None and row.event < micros(cutoff) - view.ttl_micros):
            return None
        key = view.key(dict(zip(view.request_columns, entity.values(), strict=True)))
        if key is not None:
            self._online.write([(key, view.layout.pack(*row))])
        return row

    def _history(self, view: ServedView) -> Path | None:
        declared = self._declared().get(view.view)
        if declared is None or declared.feature_version != view.feature_version:
            return None
        return self._compute(declared)
