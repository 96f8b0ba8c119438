"""The drawing shows each way between rooms once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parents[2] / "tools"


def load() -> ModuleType:
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("draw_rooms", TOOLS / "draw_rooms.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(TOOLS))


def test_an_arrow_that_only_shortens_a_way_is_left_out() -> None:
    arrows = {"cli": {"serving", "storage"}, "serving": {"storage"}, "storage": set()}
    assert load().shortest(arrows) == {"cli": {"serving"}, "serving": {"storage"}, "storage": set()}


def test_every_room_is_drawn_from_the_top() -> None:
    tools = load()
    rooms = tools.rooms_from_the_top(tools.CHECKOUT)
    folders = {path.parent.name for path in (tools.CHECKOUT / "src" / "touchline").glob("*/__init__.py")}
    assert set(rooms) == folders
    assert rooms[0] == "cli"
    assert rooms[-1] == "errors"
