"""This checkout keeps the rules that `make check` runs on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("tool", ["check_imports.py", "check_words.py", "draw_rooms.py --check"])
def test_the_rules_of_the_layout_hold(tool: str) -> None:
    name, *options = tool.split()
    command = [sys.executable, str(CHECKOUT / "tools" / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
