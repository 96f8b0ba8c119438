"""The settings say who does the fits of a training; its searches stay in the home."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.shop import write_shop
from touchline.cli.opening import Home, OpenedProject, load_default, open_workshop
from touchline.errors import MissingDependency
from touchline.settings import Settings


def an_opened_shop(place: Path, **environment: str) -> OpenedProject:
    write_shop(place)
    home = Home(Settings.from_environment({"TOUCHLINE_HOME": str(place / "home"), **environment}), place)
    return OpenedProject(home, load_default(home, None))


def test_this_machine_does_the_fits_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    workshop = open_workshop(an_opened_shop(tmp_path))
    assert workshop.workers.are_near
    assert workshop.studies is not None
    assert workshop.studies.parent == tmp_path / "home" / "studies"


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_ray_without_its_library_is_refused_before_anything_is_ingested(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"touchline\[ray\]"):
        open_workshop(an_opened_shop(tmp_path, TOUCHLINE_TRAINING_WORKERS="ray"))
