"""The feature reader of a release, as the settings and the views' policies want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.cli.opening import Home
    from touchline.clock import Clock
    from touchline.features import FeatureReader, FeatureView
    from touchline.features.online.store_away import Away
    from touchline.registry import ServedRelease

Declared = Callable[[], Mapping[str, "FeatureView"]]
"""The project's views by name, loaded when a view's policy first has to compute one."""


def reader_of(home: Home, release: ServedRelease, *, clock: Clock, declared: Declared) -> FeatureReader | None:
    """Reads what the release needs online; None where its model takes no features."""
    from touchline.features import ReaderStores, open_reader

    if not release.views:
        return None
    stores = ReaderStores(home.main_online, home, _away(home))
    return open_reader(release, stores, clock=clock, declared=declared)


def _away(home: Home) -> Away | None:
    from touchline.features import LastValues, StoreCopy

    if home.settings.online_store == "sqlite" or home.settings.online_away == "refuse":
        return None
    copy = home.online_copy
    return LastValues() if copy is None else StoreCopy(copy)
