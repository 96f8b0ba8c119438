"""Loading a room stays light, and the repository's own limits hold for what declares them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import touchline

pytestmark = pytest.mark.services

ROOMS = sorted(path.parent.name for path in Path(touchline.__file__).parent.glob("*/__init__.py"))
HEAVY = {"feast", "mlflow", "pandas", "sklearn", "lightgbm", "torch", "optuna", "shap", "evidently", "alembic"}


@pytest.mark.parametrize("room", ROOMS)
def test_loading_a_room_leaves_the_heavy_libraries_out(room: str) -> None:
    code = f"import sys, touchline.{room}; print(*({HEAVY!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_every_name_that_a_room_exports_can_be_had_by_whoever_loads_no_other_room() -> None:
    # One process: each room is loaded anew with all of touchline, and the libraries stay, which costs most.
    code = f"""
import importlib, sys, traceback
for room in {ROOMS!r}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "touchline"]:
        del sys.modules[name]
    try:
        loaded = importlib.import_module(f"touchline.{{room}}")
        [getattr(loaded, name) for name in getattr(loaded, "__all__", ())]
    except Exception:
        print(room, traceback.format_exc())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == ""


def test_every_room_says_what_it_promises() -> None:
    folder = Path(touchline.__file__).parent
    silent = [room for room in ROOMS if not (folder / room / "__init__.py").read_text().strip().startswith('"""')]
    assert silent == []
