"""Refuse what crosses the hard limits: long files and functions, many parameters, wide classes, undeclared layers.

    python tools/check_shape.py [FOLDER]

Length is counted without docstrings for functions (an example that runs is welcome) and in full for files.
"""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
PARAMETERS = 6
PUBLIC_METHODS = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main(root: Path) -> int:
    """Print every breach; the exit code says whether there was one."""
    breaches = [breach for path in python_files(root) for breach in file_breaches(path, path.relative_to(root))]
    breaches += undeclared_layers(root)
    for breach in breaches:
        print(breach)
    print(f"shape: {len(breaches)} breaches of the limits")
    return bool(breaches)


def python_files(root: Path) -> list[Path]:
    """The Python files that git tracks or would track."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for line in set(told.stdout.splitlines()) if (path := root / line).exists())


def file_breaches(path: Path, name: Path) -> Iterator[str]:
    """What is too long, too wide or takes too much in one file."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, at most {FILE_LINES}: split it by idea"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            yield from function_breaches(node, name)
        elif isinstance(node, ast.ClassDef):
            public = [item.name for item in node.body if isinstance(item, Function) and not item.name.startswith("_")]
            if len(set(public)) > PUBLIC_METHODS:
                found = f"{len(set(public))} public methods, at most {PUBLIC_METHODS}"
                yield f"{name}:{node.lineno}: class {node.name} has {found}"


def function_breaches(node: Function, name: Path) -> Iterator[str]:
    """What is too long or takes too much in one function."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
    if length > FUNCTION_LINES:
        yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    count = len([argument for argument in arguments if argument.arg not in {"self", "cls"}])
    # A method marked @override takes what another library's class says it takes.
    if count > PARAMETERS and not any(
        isinstance(mark, ast.Name) and mark.id == "override" for mark in node.decorator_list
    ):
        yield f"{name}:{node.lineno}: {node.name} takes {count} parameters, at most {PARAMETERS}: make a dataclass"


def docstring_lines(node: Function) -> int:
    """How many lines of a function are its docstring."""
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def undeclared_layers(root: Path) -> Iterator[str]:
    """Folders and files of the package that `.importlinter` does not name as a layer."""
    linter = configparser.ConfigParser()
    linter.read(root / ".importlinter")
    declared = set(linter["importlinter:contract:layers"]["layers"].replace("|", " ").split())
    for path in sorted((root / "src" / "touchline").iterdir()):
        is_package = path.is_dir() and any(path.rglob("*.py"))
        is_module = path.suffix == ".py" and path.stem != "__init__"
        if (is_package or is_module) and path.stem not in declared:
            yield f"{path.relative_to(root)} is not a declared layer: name it in .importlinter or put it into a room"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()))
