"""The documentation has every page, and its reference every name."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_listed_and_the_reference_names_every_promise() -> None:
    done = subprocess.run(
        [sys.executable, "tools/build_docs.py", "--sources"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    promise = json.loads((ROOT / "tests" / "upgrade" / "promise.json").read_text())
    commands = (ROOT / "build" / "docs" / "reference_commands.md").read_text()
    assert not [name for name in promise["commands"] if f"`touchline {name}`" not in commands and name]
    declaration = (ROOT / "build" / "docs" / "reference_declaration.md").read_text()
    assert not [name for name in promise["declaration"] if f"## `{name}`" not in declaration]
