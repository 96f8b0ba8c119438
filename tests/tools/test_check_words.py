"""Names that hide what they name are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def check(folder: Path, text: str, *, file: str = "rows.py") -> str:
    """The output of the tool for a package with one file."""
    (folder / "src" / "touchline").mkdir(parents=True)
    (folder / "src" / "touchline" / file).write_text(text)
    command = [sys.executable, str(CHECKOUT / "tools" / "check_words.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_names_of_the_field_pass(tmp_path: Path) -> None:
    text = "class FeatureView:\n    rows: int\n\ndef evaluate(expected_columns, on_progress):\n    found = 1\n"
    assert check(tmp_path, text) == "words: 0 breaches\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class Workshop: ...", "Workshop"),
        ("def tell_all(): ...", "tell_all"),
        ("def f(*, found): ...", "found"),
        ("class A:\n    kept: int", "kept"),
        ("served = 1", "served"),
    ],
)
def test_a_metaphor_or_a_participle_is_refused(tmp_path: Path, text: str, name: str) -> None:
    assert f"touchline/rows.py: {name!r} " in check(tmp_path, text)


def test_a_file_is_named_after_what_it_holds(tmp_path: Path) -> None:
    assert "touchline/door.py: 'door' uses the word 'door'; say 'stores'" in check(tmp_path, "", file="door.py")


def test_a_class_name_has_one_meaning(tmp_path: Path) -> None:
    package = tmp_path / "src" / "touchline"
    package.mkdir(parents=True)
    (package / "columns.py").write_text("class Window: ...\nclass _Private: ...\n")
    (package / "rows.py").write_text("class Window: ...\nclass _Private: ...\n")
    command = [sys.executable, str(CHECKOUT / "tools" / "check_words.py"), str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert printed == (
        "touchline/rows.py: 'Window' is a class of touchline/columns.py, too; one class name has one meaning\n"
        "words: 1 breaches\n"
    )
