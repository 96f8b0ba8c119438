from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one room, and the layers of this one."""
    shutil.copy(CHECKOUT / ".importlinter", tmp_path)
    room = tmp_path / "src" / "touchline" / "storage"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def check(repository: Path) -> str:
    command = [sys.executable, str(CHECKOUT / "tools" / "check_shape.py"), str(repository)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def a_function(*, lines: int = 1, parameters: int = 0) -> str:
    names = ", ".join(f"p{n}" for n in range(parameters))
    return f"def f({names}):\n" + "    x = 1\n" * (lines - 1)


def a_class(*, methods: int) -> str:
    return "class C:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(methods))


def test_what_is_within_the_limits_passes(repository: Path) -> None:
    (repository / "src/touchline/storage/tables.py").write_text(a_function(lines=40, parameters=6))
    assert "shape: 0 breaches" in check(repository)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("x = 1\n" * 401, "401 lines, at most 400"),
        (a_function(lines=41), "f has 41 lines, at most 40"),
        (a_function(lines=2, parameters=7), "f takes 7 parameters, at most 6"),
        (
            "class C:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(13)),
            "C has 13 public methods, at most 12",
        ),
    ],
)
def test_a_limit_that_is_crossed_is_named(repository: Path, code: str, complaint: str) -> None:
    ast.parse(code)
    (repository / "src/touchline/storage/tables.py").write_text(code)
    assert complaint in check(repository)


def test_a_docstring_does_not_count(repository: Path) -> None:
    code = 'def f():\n    """A.\n' + "\n" * 50 + '    """\n    return 1\n'
    (repository / "src/touchline/storage/tables.py").write_text(code)
    assert "shape: 0 breaches" in check(repository)


def test_an_overridden_signature_is_not_ours_to_shorten(repository: Path) -> None:
    (repository / "src/touchline/storage/tables.py").write_text("@override\n" + a_function(lines=2, parameters=7))
    assert "shape: 0 breaches" in check(repository)


@pytest.mark.parametrize("name", ["utils/__init__.py", "helpers.py"])
def test_what_is_not_a_declared_layer_is_refused(repository: Path, name: str) -> None:
    path = repository / "src/touchline" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert f"src/touchline/{name.split('/')[0]} is not a declared layer" in check(repository)
