"""The feature reader of a release, as the settings and the views' policies want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.cli.opening import House
    from touchline.clock import Clock
    from touchline.features import FeatureReader, FeatureView
    from touchline.features.online.store_away import Away
    from touchline.registry import ServedRelease

Declared = Callable[[], Mapping[str, "FeatureView"]]
"""The project's views by name, loaded when a view's policy first has to compute one."""


def reader_of(house: House, release: ServedRelease, *, clock: Clock, declared: Declared) -> FeatureReader | None:
    """Reads what the release needs online; None where its model takes no features."""
    from touchline.cli.pipeline_stores import open_main
    from touchline.features import ReaderStores, open_reader

    if not release.views:
        return None
    stores = ReaderStores(open_main(house), house, _away(house))
    return open_reader(release, stores, clock=clock, declared=declared)


def _away(house: House) -> Away | None:
    from touchline.cli.pipeline_stores import open_copy
    from touchline.features import LastValues, StoreCopy

    if house.settings.online_store == "sqlite" or house.settings.online_away == "refuse":
        return None
    copy = open_copy(house)
    return LastValues() if copy is None else StoreCopy(copy)
