"""A reader as a deployment wants it: with the views' policies for old values and an answer for a store that is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from touchline.features.declaration.on_demand import Transform
from touchline.features.online.base import OnlineStore
from touchline.features.online.compute_on_miss import ComputeOnMiss
from touchline.features.online.offline_last import OfflineLast, newest_history
from touchline.features.online.reader import FeatureReader
from touchline.features.online.second_read import Recall
from touchline.features.online.store_away import Away
from touchline.features.vectors.columns import ColumnSpec
from touchline.features.vectors.served_view import ServedView

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.spec import FeatureView
    from touchline.storage import DataStores


class Released(Protocol):
    """What a release says about its row."""

    @property
    def project(self) -> str: ...
    @property
    def views(self) -> tuple[ServedView, ...]: ...
    @property
    def columns(self) -> tuple[ColumnSpec, ...]: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...


def open_reader(
    release: Released,
    *,
    online: OnlineStore,
    stores: DataStores,
    clock: Clock,
    declared: Callable[[], Mapping[str, FeatureView]],
    away: Away | None = None,
) -> FeatureReader:
    """Reads what the release needs. `declared` is asked for the project's views when a policy has to compute one."""
    policies = {view.fallback for view in release.views}
    recalls: dict[str, Recall] = {}
    if "offline_last" in policies:
        recalls["offline_last"] = OfflineLast(newest_history(stores.database, stores.objects))
    if "compute" in policies:
        recalls["compute"] = ComputeOnMiss(declared, _computer(release.project, stores, clock), online)
    return FeatureReader(release.views, release.columns, online, release.transforms, away, recalls)


def _computer(project: str, stores: DataStores, clock: Clock) -> Callable[[FeatureView], Path]:
    def compute(view: FeatureView) -> Path:
        from touchline.features.offline.compute_view import compute_view

        return compute_view(view, project=project, stores=stores, clock=clock).path

    return compute
