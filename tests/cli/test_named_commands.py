"""Every command that a message, a docstring or a page of the documentation names exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from touchline.cli.main import app

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"touchline ((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)*)((?: --[a-z-]+)*)")
# Words that follow the name of the program in prose.
_PROSE = re.compile(
    r"touchline (?:is|has|goes|does|do|wrote|computes|reads|writes|again|itself|server|home|project|import|raises"
    r"|shares|and|serves|number|installed|that|needs|made|records|runs the)\b"
)


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.name}:{node.lineno}", node.value
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for code in re.findall(r"`(touchline [^`\n]+)`", path.read_text()):
            yield path.name, code
        for block in re.findall(r"```console\n(.*?)```", path.read_text(), flags=re.DOTALL):
            yield path.name, block


def _resolve(command: Any, words: list[str]) -> Any:
    """The command of the leading words; None where one of them names none."""
    while (commands := getattr(command, "commands", None)) and words:
        command, words = commands.get(words[0]), words[1:]
    return command


@pytest.mark.parametrize(("where", "text"), [(where, text) for where, text in _texts() if "touchline " in text])
def test_a_named_command_exists(where: str, text: str) -> None:
    root = typer.main.get_command(app)
    for match in _NAMED.finditer(text):
        if _PROSE.match(match.group(0)):
            continue
        command = _resolve(root, match.group(1).split())
        assert command is not None, f"{where} names `touchline {match.group(1)}`"
        options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        unknown = {*match.group(2).split()} - options - {"--help"}
        assert not unknown, f"{where} names {unknown} of `touchline {match.group(1)}`"
