"""Draw the rooms and wings of the package into docs/architecture.md, from the code itself.

python tools/draw_rooms.py          write the drawing
python tools/draw_rooms.py --check  exit with 1 where the file does not hold the current drawing
"""

from __future__ import annotations

import ast
import configparser
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from check_imports import PACKAGE, imports_of, module_files

CHECKOUT = Path(__file__).parents[1]
DRAWING = CHECKOUT / "docs" / "architecture.md"
HEAD = """# The rooms of touchline

`tools/draw_rooms.py` makes this page from the imports and docstrings of `src/touchline`; `make check` fails when it is
out of date. An arrow from one room to another: the first imports the second. Arrows that follow from others are left
out.
"""


def main(arguments: list[str]) -> int:
    """Write the drawing, or compare it; the exit code is 1 where it is out of date."""
    drawing = draw(CHECKOUT)
    if "--check" not in arguments:
        DRAWING.write_text(drawing, encoding="utf-8")
        return 0
    is_current = DRAWING.exists() and DRAWING.read_text(encoding="utf-8") == drawing
    print("architecture: current" if is_current else "docs/architecture.md is out of date: python tools/draw_rooms.py")
    return not is_current


def draw(root: Path) -> str:
    """The whole page."""
    modules = {name: ast.parse(path.read_bytes()) for name, path in module_files(root / "src").items()}
    rooms = rooms_from_the_top(root)
    arrows = shortest(room_imports(modules, set(rooms)))
    lines = [HEAD, "```mermaid", "flowchart TD"]
    lines += [f"    {room}" for room in rooms]
    lines += [f"    {room} --> {target}" for room in rooms for target in sorted(arrows[room], key=rooms.index)]
    lines += ["```", ""]
    for room in rooms:
        lines += [f"## {room}/", "", first_sentence(modules[f"{PACKAGE}.{room}"]), ""]
        wings = [f"- `{wing}/`: {first_sentence(tree)}" for wing, tree in wings_of(room, modules)]
        lines += [*wings, ""] if wings else []
    return "\n".join(lines).rstrip() + "\n"


def rooms_from_the_top(root: Path) -> list[str]:
    """The folders among the declared layers, the uppermost first."""
    linter = configparser.ConfigParser()
    linter.read(root / ".importlinter")
    layers = linter["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    return [layer for layer in layers if (root / "src" / PACKAGE / layer).is_dir()]


def room_imports(modules: Mapping[str, ast.Module], rooms: set[str]) -> dict[str, set[str]]:
    """Which rooms each room imports."""
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for name, tree in modules.items():
        room = name.split(".")[1] if "." in name else ""
        for module, imported, _ in imports_of(tree):
            parts = module.split(".")
            target = parts[1] if len(parts) > 1 and parts[0] == PACKAGE else imported if module == PACKAGE else None
            if room in rooms and target in rooms and target != room:
                arrows[room].add(str(target))
    return arrows


def shortest(arrows: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that only shorten a way through other rooms (the transitive reduction)."""

    def reached(room: str) -> set[str]:
        return set().union(*({target} | reached(target) for target in arrows[room])) if arrows[room] else set()

    return {
        room: {
            target for target in targets if not any(target in reached(other) for other in targets if other != target)
        }
        for room, targets in arrows.items()
    }


def wings_of(room: str, modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, ast.Module]]:
    """The packages inside a room."""
    prefix = f"{PACKAGE}.{room}."
    for name, tree in modules.items():
        inside = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in inside and any(other.startswith(f"{name}.") for other in modules):
            yield inside, tree


def first_sentence(tree: ast.Module) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
