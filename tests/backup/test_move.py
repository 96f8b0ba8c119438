"""A move of objects that ended half-way goes on, and mixes no two homes."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchline.backup import end_move, move_objects
from touchline.errors import BackupRefused, DiskFull
from touchline.storage import open_objects
from touchline.storage.file_objects import FileObjects

KEYS = [f"shop/snapshots/{number}" for number in range(5)]


class FullStore(FileObjects):
    """A store whose disk is full after some writes."""

    def __init__(self, root: Path, room: int) -> None:
        super().__init__(str(root))
        self._room = room

    def write(self, key: str, data: bytes) -> None:
        self._room -= 1
        if self._room < 0:
            raise DiskFull(key, str(self.root))
        super().write(key, data)


def _home(place: Path) -> tuple[FileObjects, Path]:
    """The objects of a home, and its folder."""
    objects = FileObjects(str(place / "objects"))
    for key in KEYS:
        objects.write(key, f"{place.name} {key}".encode())
    return objects, place


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_move_that_ended_half_way_goes_on(tmp_path: Path, room: int) -> None:
    source, home = _home(tmp_path / "home")
    with pytest.raises(DiskFull):
        move_objects(source, FullStore(tmp_path / "bucket", room), home)
    target = open_objects(tmp_path / "bucket")
    copied = move_objects(source, target, home)
    assert (copied.objects, copied.already_there) == (5, max(room - 1, 0))
    end_move(target, home)
    assert {key: target.read(key) for key in target.list()} == {key: source.read(key) for key in KEYS}
    assert sorted(file.name for file in home.iterdir()) == ["objects"]
    again = move_objects(source, target, home)  # everything is there already
    assert (again.already_there, again.digest) == (5, copied.digest)


def test_a_home_that_was_used_after_half_a_move_is_moved_as_it_is_now(tmp_path: Path) -> None:
    source, home = _home(tmp_path / "home")
    with pytest.raises(DiskFull):
        move_objects(source, FullStore(tmp_path / "bucket", 4), home)
    source.delete(KEYS[0])
    source.write(KEYS[1], b"written anew")
    source.write("shop/snapshots/9", b"new")
    target = open_objects(tmp_path / "bucket")
    copied = move_objects(source, target, home)
    assert (copied.already_there, copied.others) == (1, 1)
    assert [target.read(key) for key in source.list()] == [source.read(key) for key in source.list()]


@pytest.mark.parametrize("is_finished", [True, False])
def test_two_homes_are_never_mixed(tmp_path: Path, is_finished: bool) -> None:
    source, home = _home(tmp_path / "home")
    target = open_objects(tmp_path / "bucket")
    move_objects(source, target, home)
    if is_finished:
        end_move(target, home)
    other, other_home = _home(tmp_path / "other")
    other.write("shop/snapshots/9", b"of the other home")
    before = {key: target.read(key) for key in target.list()}
    with pytest.raises(BackupRefused, match="Two homes would be mixed: name an empty folder or bucket"):
        move_objects(other, target, other_home)
    assert {key: target.read(key) for key in target.list()} == before


def test_a_move_that_has_begun_elsewhere_is_no_empty_store(tmp_path: Path) -> None:
    source, home = _home(tmp_path / "home")
    with pytest.raises(DiskFull):
        move_objects(source, FullStore(tmp_path / "bucket", 1), home)
    other, other_home = _home(tmp_path / "other")
    with pytest.raises(BackupRefused, match="another home is being moved there"):
        move_objects(other, open_objects(tmp_path / "bucket"), other_home)


def test_a_store_with_objects_of_others_is_refused_by_the_first_of_them(tmp_path: Path) -> None:
    source, home = _home(tmp_path / "home")
    target = open_objects(tmp_path / "bucket")
    target.write("mine.txt", b"mine")
    with pytest.raises(BackupRefused, match=r"objects already \(mine.txt …\): 1 of them are not of this home"):
        move_objects(source, target, home)
    assert target.list() == ["mine.txt"]
