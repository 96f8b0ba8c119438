"""The folders of projects, found by name without importing any project's code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from touchline.errors import ProjectNotFound

PROJECT_FILE: Final = "project.py"


def find_projects(places: Sequence[str], *, base: Path) -> list[Path]:
    """The project folders of these names or folders; without any, all of `base/projects`.

    A `base` that is a project folder counts as one.
    """
    if places:
        return [find_project(place, base=base) for place in places]
    if (base / PROJECT_FILE).is_file():
        return [base]
    return sorted(file.parent for file in (base / "projects").glob(f"*/{PROJECT_FILE}"))


def find_project(place: str, *, base: Path) -> Path:
    """The folder of the project of this name or folder. Raises `ProjectNotFound`."""
    for candidate in (base / place, base / "projects" / place):
        if (candidate / PROJECT_FILE).is_file():
            return candidate.absolute()
    if (base / PROJECT_FILE).is_file() and base.name == place:
        return base.absolute()
    names = [file.parent.name for file in (base / "projects").glob(f"*/{PROJECT_FILE}")]
    raise ProjectNotFound(place, base, names)
