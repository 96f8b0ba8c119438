"""Each rule about imports refuses a package that breaks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TABLES = "runs = Table('runs')\nusers = Table('users')\n"


def check(folder: Path, files: dict[str, str]) -> str:
    """What the tool prints about a package with these files."""
    for name, text in {"storage/tables.py": TABLES, **files}.items():
        path = folder / "src" / "touchline" / name
        for parent in path.relative_to(folder / "src").parents:
            (folder / "src" / parent).mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [sys.executable, str(CHECKOUT / "tools" / "check_imports.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


ALLOWED = {
    "registry/runs.py": "from touchline.storage import tables\nx = tables.runs\n",
    "http/users.py": "from touchline.storage.tables import users\nreply(status_code=404)\n",
    "registry/runs/tracking.py": "import mlflow\n",
    "cli/main.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import feast\n"
    "    from touchline.cli import other\n",
    "cli/other.py": "from touchline.cli import main\n",
}
REFUSED: list[tuple[str, dict[str, str], str]] = [
    (
        "two files name a table",
        {
            "a.py": "from touchline.storage.tables import runs\n",
            "b.py": "from touchline.storage import tables\ntables.runs\n",
        },
        "table runs is named in 2 files (touchline.a, touchline.b)",
    ),
    (
        "two files name a table of one file of the tables",
        {
            "storage/tables.py": "",
            "storage/tables/rollout.py": "rollouts = Table('rollouts')\n",
            "a.py": "from touchline.storage.tables import rollouts\n",
            "b.py": "from touchline.storage.tables.rollout import rollouts\n",
        },
        "table rollouts is named in 2 files (touchline.a, touchline.b)",
    ),
    (
        "MLflow in a function",
        {"api/a.py": "def f():\n    import mlflow.tracking\n"},
        "touchline.api.a:2: imports mlflow",
    ),
    ("Feast beside its wing", {"features/a.py": "from feast import Entity\n"}, "touchline.features.a:1: imports feast"),
    ("a status is returned", {"api/a.py": "reply(status_code=404)\n"}, "touchline.api.a:1: names the HTTP status 404"),
    ("a status is compared", {"api/a.py": "if r.status_code >= 500: pass\n"}, "compares with an HTTP status"),
    (
        "a circle, one half of it in a function",
        {"a.py": "from touchline import b\n", "b.py": "def f():\n    from touchline.a import x\n"},
        "circle: touchline.a, touchline.b",
    ),
    (
        "a circle through the exported names of a room",
        {
            "ingest/__init__.py": "",
            "ingest/__init__.pyi": "from touchline.ingest.a import x as x\n",
            "ingest/a.py": "from touchline.ingest.b import y\n",
            "ingest/b.py": "from touchline.ingest import x\n",
        },
        "circle: touchline.ingest.a, touchline.ingest.b",
    ),
]


def test_what_keeps_the_layout_passes(tmp_path: Path) -> None:
    assert check(tmp_path, ALLOWED) == "imports: 0 breaches of the layout\n"


@pytest.mark.parametrize(("files", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_breaks_the_layout_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    printed = check(tmp_path, files)
    assert message in printed
    assert "imports: 1 breaches" in printed
