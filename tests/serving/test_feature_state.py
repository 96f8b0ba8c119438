"""What `/health` and `/readyz` know of the features that a release reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.features.builders import NOW, a_view
from tests.features.test_reader import COLUMNS, GAMES, a_stored_history, gaps
from tests.serving.builders import Logit, Shelf, a_release
from touchline.clock import FrozenClock
from touchline.features import FeatureReader, FeatureView, LastValues, ServedView, materialize, open_online_store
from touchline.serving.releases.feature_state import read_feature_states
from touchline.serving.releases.release_slot import ReleaseSlot


def a_slot(
    folder: Path, view: FeatureView, *, filled: bool = True, shelf: Shelf | None = None, **options: Any
) -> ReleaseSlot:
    """A server's slot whose first release reads the view twice; a second one on the shelf reads none."""
    store = open_online_store("sqlite", str(folder / "online.db"))
    if filled:
        materialize(view, a_stored_history(view, folder, GAMES), store, now=NOW)
    joins = tuple(ServedView.of("p", view.on(side, prefix=side)) for side in ("home", "away"))
    reader = FeatureReader(joins, COLUMNS, store, (gaps,), **options)
    shelf = shelf or Shelf()
    reading = a_release(1, columns=COLUMNS, views=joins, transforms=(gaps,), inputs=(), model=Logit())
    shelf.releases = {one.id: one for one in (reading, a_release(2))}
    shelf.production = reading.id
    slot = ReleaseSlot("shop", shelf, FrozenClock(NOW), lambda release: reader if release.views else None)
    slot.refresh()
    slot.check_features()
    return slot


def statuses(slot: ReleaseSlot) -> list[tuple[str, str]]:
    return [(state.view, state.status) for state in slot.features]


@pytest.mark.parametrize(("ttl", "status"), [(timedelta(days=3), "ok"), (timedelta(days=1), "aging")])
def test_a_view_ages_before_its_values_expire(tmp_path: Path, ttl: timedelta, status: str) -> None:
    """A view that is joined twice is told once."""
    view = a_view(ttl=ttl)
    slot = a_slot(tmp_path, view)
    assert statuses(slot) == [("running_total", "ok")]
    reader = slot.current.reader if slot.current else None
    assert isinstance(reader, FeatureReader)
    states = read_feature_states(reader, NOW + timedelta(hours=14))
    assert [(state.view, state.status) for state in states] == [("running_total", status)]
    assert not slot.lacks_features


def test_an_emptied_store_is_no_ready_server(tmp_path: Path) -> None:
    slot = a_slot(tmp_path, a_view(), filled=False)
    assert (statuses(slot), slot.lacks_features) == ([("running_total", "emptied")], True)


def test_a_server_with_a_stand_in_stays_ready(tmp_path: Path) -> None:
    slot = a_slot(tmp_path, a_view(), filled=False, stand_in=LastValues())
    assert (statuses(slot), slot.lacks_features) == ([("running_total", "emptied")], False)


def test_another_release_does_not_keep_the_features_of_the_one_before(tmp_path: Path) -> None:
    shelf = Shelf()
    slot = a_slot(tmp_path, a_view(), filled=False, shelf=shelf)
    shelf.promote(a_release(2).id)
    slot.refresh()
    assert (slot.features, slot.lacks_features) == ((), False)
    slot.check_features()
    assert slot.features == ()
