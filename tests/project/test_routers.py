"""Whether a project declares routers is told from its text where that is certain, and else by importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchline.project import may_declare_routers

PLAIN = "from touchline import Project\n\nproject = Project(name='p', sources=[], task=None)\n"


def a_folder(place: Path, text: str) -> Path:
    (place / "project.py").write_text(text)
    return place


def test_a_plain_declaration_without_routers_needs_no_import(tmp_path: Path) -> None:
    assert not may_declare_routers(a_folder(tmp_path, PLAIN))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("task=None", "task=None, routers=[make]"),
        PLAIN.replace("task=None", "**fields"),
        PLAIN.replace("name='p'", "*fields"),
        PLAIN.replace("project = Project(", "project = with_routes(Project("),
        PLAIN + "project = project.model_copy(update=ROUTES)\n",
        PLAIN + "from .other import project\n",
        PLAIN + "from .other import *\n",
        PLAIN + "def Project(**fields): ...\n",
        PLAIN + "if True:\n    project = with_routes()\n",
        PLAIN + "for project in (with_routes(),): pass\n",
        PLAIN.replace("from touchline", "from .mine"),
        PLAIN.replace("import Project", "import Project as Declared"),
        PLAIN.replace("project = Project", "other = Project"),
        "from .other import project\n",
        "not Python",
        "",
    ],
)
def test_any_other_way_to_declare_is_imported(tmp_path: Path, text: str) -> None:
    assert may_declare_routers(a_folder(tmp_path, text))
