"""A training is found again only if everything that decides its result is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.builders import write_project
from touchline.automation.runs.training_key import training_key
from touchline.project import LoadedProject, load_project
from touchline.training import library_versions

LIBRARIES = dict.fromkeys(library_versions(), "1.0")
TOTAL = "from .numbers import FACTOR\n\n\ndef scaled(column):\n    return column * FACTOR\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shop, with a helper of its view in one file and a number of the helper in another."""
    folder = write_project(tmp_path)
    (folder / "totals.py").write_text(TOTAL)
    (folder / "numbers.py").write_text("FACTOR = 2\n")
    file = folder / "project.py"
    text = file.read_text().replace('usual=pl.col("spent")', 'usual=scaled(pl.col("spent"))')
    file.write_text("from .totals import scaled\n" + text)
    return folder


def load(folder: Path) -> LoadedProject:
    return load_project(folder, base=folder.parent)


def key(loaded: LoadedProject, data: str = "data", **libraries: str) -> str:
    return training_key(loaded, data, {**LIBRARIES, **libraries})


def test_the_same_training_has_the_same_key(folder: Path) -> None:
    assert key(load(folder)) == key(load(folder))


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_every_library_that_a_run_records_is_in_the_key(folder: Path, name: str) -> None:
    loaded = load(folder)
    others = {other: version for other, version in LIBRARIES.items() if other != name}
    assert len({key(loaded), key(loaded, **{name: "2.0"}), training_key(loaded, "data", others)}) == 3


EDITS: dict[str, Callable[[Path], object]] = {
    "a number in a file that a helper imports": lambda folder: (folder / "numbers.py").write_text("FACTOR = 3\n"),
    "a helper": lambda folder: (folder / "totals.py").write_text(TOTAL.replace("* FACTOR", "+ FACTOR")),
    "the view": lambda folder: edit(folder, "rolling_mean(10", "rolling_mean(9"),
    "the examples": lambda folder: edit(folder, 'pl.col("spent") > 50', 'pl.col("spent") > 60'),
    "the training": lambda folder: edit(folder, 'test="20d"', 'test="21d"'),
}


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "project.py").read_text()
    assert old in text
    (folder / "project.py").write_text(text.replace(old, new))


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_that_can_change_the_result_changes_the_key(folder: Path, name: str) -> None:
    before = load(folder)
    EDITS[name](folder)
    after = load(folder)
    assert key(before) != key(after)
    if name != "the training":
        # Not only by the hash over all files: the versions of the parts differ too.
        assert key(replace(before, code_hash="same")) != key(replace(after, code_hash="same"))


def test_other_data_are_another_training(folder: Path) -> None:
    assert key(load(folder)) != key(load(folder), data="other")
