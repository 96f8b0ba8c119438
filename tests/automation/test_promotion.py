"""Of each view the online store keeps the versions that a release needs, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.builders import a_home, write_project
from touchline.automation import Stores, promote_version, roll_back, run_pipeline
from touchline.cli.opening import OpenedProject, pipeline_context
from touchline.features.vectors.served_view import view_keys
from touchline.project import load_project
from touchline.registry import Decision, read_version

pytestmark = pytest.mark.services
NOW = Decision("tests", "as a test asks", now=True)


class Shop:
    """A shop whose view `spending` is edited: each edit is a new version of its features."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder = place, write_project(place)
        self.text = (self.folder / "project.py").read_text()
        self.feature_versions: list[str] = []

    def opened(self) -> OpenedProject:
        return OpenedProject(a_home(self.place), load_project(self.folder, base=self.place))

    def train(self, window: int) -> int:
        """The version trained after the view's window was edited; the second and later ones stand in Staging."""
        (self.folder / "project.py").write_text(self.text.replace("rolling_mean(10", f"rolling_mean({window}"))
        opened = self.opened()
        self.feature_versions.append(opened.project.feature_views[0].feature_version)
        return run_pipeline(pipeline_context(opened), trigger="train", actor="tests").version.version

    def promote(self, version: int) -> None:
        context = pipeline_context(self.opened())
        promote_version(context, read_version(context.stores, "shop", version), NOW)

    def online(self) -> list[bool]:
        """For each version of the view, in the order of the edits: are its values online?"""
        store = stores_of(self).online
        return [store.size(view_keys("shop", "spending", one).rows).rows > 0 for one in self.feature_versions]


def stores_of(shop: Shop) -> Stores:
    return shop.opened().stores


def test_only_feature_versions_that_a_release_needs_stay_online(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.train(10)
    shop.promote(shop.train(9))
    assert shop.online() == [True, True]  # Production 2, rollback 1
    third = shop.train(8)
    assert shop.online() == [True, True, True]  # and Staging 3
    shop.promote(third)
    assert shop.online() == [False, True, True]  # Production 3, rollback 2
    shop.train(7)
    assert shop.online() == [False, True, True, True]  # and Staging 4
    (shop.folder / "project.py").write_text(shop.text.replace("rolling_mean(10", "rolling_mean(7"))
    roll_back(pipeline_context(shop.opened()), NOW)
    assert shop.online() == [False, True, True, True]  # Production 2, and 3 until its servers have left it
