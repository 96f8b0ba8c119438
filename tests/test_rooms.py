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


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_a_room_exports_can_be_had(room: str) -> None:
    code = f"import touchline.{room} as room; [getattr(room, name) for name in getattr(room, '__all__', ())]"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_room_says_what_it_promises() -> None:
    folder = Path(touchline.__file__).parent
    silent = [room for room in ROOMS if not (folder / room / "__init__.py").read_text().strip().startswith('"""')]
    assert silent == []
