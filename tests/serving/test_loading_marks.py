"""A candidate that ends the process that loads it is not loaded for ever, and Production answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rollout.test_traffic import NEW, OLD, Rollout, a_routing
from tests.serving.builders import NOW
from touchline.clock import FrozenClock
from touchline.errors import ReleaseCrashes
from touchline.registry import LoadedRelease
from touchline.serving.http.state import no_reader
from touchline.serving.releases.loading_marks import MOST_DEATHS, LoadingMarks
from touchline.serving.releases.release_slot import ReleaseSlot

DIES_LOADING = """
import os, sys
from pathlib import Path
from touchline.serving.releases.loading_marks import LoadingMarks
with LoadingMarks(Path(sys.argv[1])).loading(sys.argv[2]):
    os._exit(139)
"""


def die_loading(folder: Path, release_id: str) -> None:
    done = subprocess.run([sys.executable, "-c", DIES_LOADING, str(folder), release_id], check=False)
    assert done.returncode == 139


def a_slot(shelf: Rollout, folder: Path) -> ReleaseSlot:
    slot = ReleaseSlot("shop", shelf, FrozenClock(NOW), no_reader)
    slot.marks = LoadingMarks(folder)
    slot.refresh()
    return slot


class Watched(Rollout):
    """A shelf that counts loads."""

    loads: int = 0

    def load(self, release_id: str) -> LoadedRelease:
        self.loads += release_id == NEW.id
        return super().load(release_id)


def test_a_candidate_that_ended_two_processes_is_refused_without_being_loaded(tmp_path: Path) -> None:
    for _ in range(MOST_DEATHS):
        die_loading(tmp_path, NEW.id)
    shelf = Watched.of(OLD, NEW)
    assert isinstance(shelf, Watched)
    shelf.routing, shelf.beside = a_routing(), (NEW.id,)
    slot = a_slot(shelf, tmp_path)
    assert (slot.current is not None and slot.current.release.id, slot.traffic, shelf.loads) == (OLD.id, None, 0)
    assert slot.refused_candidate is not None
    assert "2 processes ended while they loaded it" in slot.refused_candidate.reason
    for mark in tmp_path.iterdir():
        mark.unlink()
    assert a_slot(shelf, tmp_path).traffic is not None
    assert not list(tmp_path.iterdir())


def test_loads_at_the_same_time_and_loads_that_fail_are_no_deaths(tmp_path: Path) -> None:
    marks = LoadingMarks(tmp_path)
    die_loading(tmp_path, "a")
    with marks.loading("a"), marks.loading("a"), marks.loading("a"), marks.loading("b"):
        assert len(list(tmp_path.glob("a.*"))) >= 1
    die_loading(tmp_path, "a")
    with pytest.raises(ValueError, match="broken"), marks.loading("a"):
        raise ValueError("broken")
    with marks.loading("a"):
        pass
    for _ in range(MOST_DEATHS):
        die_loading(tmp_path, "a")
    with pytest.raises(ReleaseCrashes, match="delete"), marks.loading("a"):
        pass
