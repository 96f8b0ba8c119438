"""Every command that a message, a docstring or a page of the documentation names exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


# A command of an f-string that goes up to its project is whole: its arguments stand before.
_WHOLE = re.compile(r"touchline ((?:[A-Za-z0-9-]+ )+-p) X")


def _filled_in() -> Iterator[tuple[str, str]]:
    """The f-strings of the source with X for each value."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values)
                yield f"{path.name}:{node.lineno}", "".join(parts)


def test_every_next_step_with_a_project_has_the_arguments_of_its_command() -> None:
    root, wrong, count = typer.main.get_command(app), [], 0
    for where, text in _filled_in():
        for match in _WHOLE.finditer(text):
            words = match.group(1).split()[:-1]
            count += 1
            command: Any = root
            while words and (commands := getattr(command, "commands", None)) and words[0] in commands:
                command, words = commands[words[0]], words[1:]
            required = [one for one in command.params if one.param_type_name == "argument" and one.required]
            if len([word for word in words if not word.startswith("-")]) < len(required):
                wrong.append(f"{where} names `{match.group(0)}` without {[one.name for one in required]}")
    assert wrong == []
    assert count > 50


def test_every_named_command_exists_with_its_options() -> None:
    root, wrong, count = typer.main.get_command(app), [], 0
    for where, text in _texts():
        for match in _NAMED.finditer(text):
            if _PROSE.match(match.group(0)):
                continue
            count += 1
            command = _resolve(root, match.group(1).split())
            parameters = command.params if command is not None else []
            options = {option for parameter in parameters for option in parameter.opts + parameter.secondary_opts}
            if command is None or {*match.group(2).split()} - options - {"--help"}:
                wrong.append(f"{where} names `{match.group(0)}`")
    assert wrong == []
    assert count > 100
