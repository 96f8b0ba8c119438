"""Opens the reader of a release, with the fallbacks that the policies of its views need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from touchline.features.declaration.on_demand import Transform
from touchline.features.offline.histories import FeatureHistories, FeatureHistory
from touchline.features.online.base import OnlineStore
from touchline.features.online.fallbacks import ComputeOnMiss, Fallback, OfflineLast
from touchline.features.online.reader import FeatureReader
from touchline.features.online.store_outage import StandIn
from touchline.features.vectors.columns import ColumnSpec
from touchline.features.vectors.served_view import ServedView

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView
    from touchline.storage import DataStores


class ReleasedRow(Protocol):
    """The project, views and columns of a release's rows."""

    @property
    def project(self) -> str: ...
    @property
    def views(self) -> tuple[ServedView, ...]: ...
    @property
    def columns(self) -> tuple[ColumnSpec, ...]: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...


def open_reader(
    release: ReleasedRow,
    *,
    online: OnlineStore,
    stores: DataStores,
    clock: Clock,
    declared: Callable[[], Mapping[str, FeatureView]],
    stand_in: StandIn | None = None,
) -> FeatureReader:
    """A reader of the features that a release needs. `declared` gives the views where a policy computes one."""
    policies = {view.fallback for view in release.views}
    fallbacks: dict[str, Fallback] = {}
    history = OfflineLast(FeatureHistories(stores).newest)
    if "offline_last" in policies:
        fallbacks["offline_last"] = history
    if "compute" in policies:
        fallbacks["compute"] = ComputeOnMiss(declared, _computer(release.project, stores, clock), online)
    return FeatureReader(release.views, release.columns, online, release.transforms, stand_in, fallbacks, history)


def _computer(project: str, stores: DataStores, clock: Clock) -> Callable[[FeatureView], FeatureHistory]:
    def compute(view: FeatureView) -> FeatureHistory:
        from touchline.features.offline.compute_view import compute_view

        return compute_view(view, project=project, stores=stores, clock=clock)

    return compute
