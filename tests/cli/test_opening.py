"""The settings decide the stand-in for Redis, and where fits and joins run."""

from __future__ import annotations

import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.features.builders import NOW, a_view
from tests.features.test_policies import ARelease, a_release
from tests.shop import write_shop
from touchline.cli.opening import (
    Home,
    OpenedProject,
    load_default,
    open_joins,
    project_folders,
    release_reader,
    training_options,
)
from touchline.cli.processes.doctor import examine
from touchline.clock import FrozenClock
from touchline.errors import BackendUnavailable, InvalidSetting, MissingDependency, ProjectNotFound
from touchline.features import FeatureReader, LastValues, MirroredStore, StoreCopy
from touchline.settings import Settings


def a_home(folder: Path, **settings: Any) -> Home:
    return Home(Settings(home=folder / "home", **settings), folder)


def a_reader(home: Home, release: Any) -> FeatureReader | None:
    return release_reader(home, release, clock=FrozenClock(NOW), declared_views=dict)


@pytest.mark.parametrize(("away", "kind"), [("refuse", type(None)), ("last_values", LastValues), ("copy", StoreCopy)])
def test_a_reader_of_redis_has_the_stand_in_that_is_set(tmp_path: Path, away: Any, kind: type) -> None:
    home = a_home(tmp_path, online_store="redis", redis_url="redis://127.0.0.1:1", online_away=away)
    reader = a_reader(home, a_release(a_view()))
    assert reader is not None
    assert type(reader.stand_in) is kind
    assert isinstance(home.online, MirroredStore) == (away == "copy")


def test_the_embedded_store_needs_no_stand_in(tmp_path: Path) -> None:
    home = a_home(tmp_path, online_away="copy")
    reader = a_reader(home, a_release(a_view(fallback="offline_last")))
    assert reader is not None
    assert reader.stand_in is None
    assert set(reader.fallbacks) == {"offline_last"}
    assert home.online_copy is None
    assert a_reader(home, ARelease((), ())) is None


def test_redis_without_an_address_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="TOUCHLINE_REDIS_URL"):
        _ = a_home(tmp_path, online_store="redis").online


def test_joins_are_local_unless_a_cluster_is_set(tmp_path: Path) -> None:
    assert open_joins(a_home(tmp_path).settings) is None


def an_opened_shop(place: Path, **environment: str) -> OpenedProject:
    write_shop(place)
    home = Home(Settings.from_environment({"TOUCHLINE_HOME": str(place / "home"), **environment}), place)
    return OpenedProject(home, load_default(home, None))


def test_this_machine_does_the_fits_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    options = training_options(an_opened_shop(tmp_path))
    assert options.workers.are_near
    assert options.studies is not None
    assert options.studies.parent == tmp_path / "home" / "studies"


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_ray_without_its_library_is_refused_before_anything_is_ingested(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"touchline\[ray\]"):
        training_options(an_opened_shop(tmp_path, TOUCHLINE_TRAINING_WORKERS="ray"))


def test_a_new_home_is_for_its_user_alone(tmp_path: Path) -> None:
    """It holds predictions and the hashes of keys."""
    home = Home(Settings(home=tmp_path / "new" / "home"), tmp_path)
    home.database.close()
    assert stat.S_IMODE((tmp_path / "new" / "home").stat().st_mode) == 0o700


def test_a_home_whose_database_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    """A new database has no API key: the server would be open to everyone."""
    home = Home(Settings(home=tmp_path), tmp_path)
    home.database.close()
    home.objects.write("shop/raw/1", b"bytes")
    for damage in (Path.unlink, lambda path: path.write_bytes(b"")):
        damage(tmp_path / "touchline.db")
        with pytest.raises(BackendUnavailable, match=r"missing or empty.*Restore it from a backup"):
            _ = Home(Settings(home=tmp_path), tmp_path).database
    found = {result.what: result for result in examine(Home(Settings(home=tmp_path), tmp_path))}
    assert found["database"].mark == "wrong"
    examine(Home(Settings(home=tmp_path), tmp_path), repairs=True)
    Home(Settings(home=tmp_path), tmp_path).database.close()


def test_a_default_project_that_there_is_not_is_refused(tmp_path: Path) -> None:
    write_shop(tmp_path)
    environment = {"TOUCHLINE_HOME": str(tmp_path / "home")}
    home = Home(Settings.from_environment({**environment, "TOUCHLINE_PROJECT": "nope"}), tmp_path)
    with pytest.raises(ProjectNotFound, match="nope"):
        project_folders(home, [])
    empty = Settings.from_environment({**environment, "TOUCHLINE_PROJECT": "", "TOUCHLINE_PORT": ""})
    assert (empty.project, empty.port) == (None, 8000)
    assert project_folders(Home(empty, tmp_path), []) == [tmp_path / "projects" / "shop"]
