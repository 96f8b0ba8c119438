"""Tells from the text of a `project.py`, without importing it, that the project declares no routers."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def may_declare_routers(folder: Path) -> bool:
    """False if the project declares no routers; True if it does, or if only an import can tell.

    The text tells it where `project` is assigned once, by calling touchline's `Project` with named fields, none of
    them `routers`. Serving then starts without the project's code, and without Polars.
    """
    try:
        module = ast.parse((folder / "project.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return True  # importing it raises the error that names the line
    bound = Counter(name for node in ast.walk(module) for name in _bound_names(node))
    if bound["project"] != 1 or bound["Project"] != 1 or "*" in bound:
        return True
    return not any(map(_imports_project, module.body)) or not any(map(_assigns_plain_project, module.body))


def _bound_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name


def _imports_project(statement: ast.stmt) -> bool:
    """`from touchline import Project`, under no other name."""
    return (
        isinstance(statement, ast.ImportFrom)
        and statement.level == 0
        and statement.module in ("touchline", "touchline.project")
        and any(alias.name == "Project" and alias.asname is None for alias in statement.names)
    )


def _assigns_plain_project(statement: ast.stmt) -> bool:
    """`project = Project(name=..., ...)`, with neither `routers` nor unpacked fields."""
    if not isinstance(statement, ast.Assign) or not isinstance(call := statement.value, ast.Call):
        return False
    is_project = all(isinstance(target, ast.Name) and target.id == "project" for target in statement.targets)
    is_plain = isinstance(call.func, ast.Name) and call.func.id == "Project" and not call.args
    return is_project and is_plain and all(keyword.arg not in (None, "routers") for keyword in call.keywords)
