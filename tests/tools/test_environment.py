from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TARGETS = [
    "setup",
    "start",
    "stop",
    "logs",
    "train",
    "mlflow",
    "feature-stats",
    "test",
    "check",
    "bench",
    "prove",
    "test-scale",
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the set-up reads, without an environment."""
    shutil.copytree(CHECKOUT / "tools", tmp_path / "tools")
    shutil.copytree(CHECKOUT / "requirements", tmp_path / "requirements")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def set_up(clone: Path, lock: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(clone / "tools/environment"), lock]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_make_help_lists_every_target() -> None:
    told = subprocess.check_output(["make", "--no-print-directory", "-C", str(CHECKOUT), "help"], text=True)
    assert [line.split()[1] for line in told.splitlines() if line.split()[1] in TARGETS] == TARGETS


def test_a_python_that_does_not_fit_is_refused_with_what_to_do(clone: Path) -> None:
    done = set_up(clone, "start", PYTHON="/bin/false")
    assert done.returncode == 1
    assert "touchline needs Python 3.11, 3.12 or 3.13; none of /bin/false is one" in done.stderr
    assert "make setup PYTHON=/path/to/python3.12" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_lock_that_is_not_there_is_refused(clone: Path) -> None:
    done = set_up(clone, "nothing")
    assert (done.returncode, done.stderr) == (2, "There is no requirements/nothing.lock.\n")
