"""A rehearsed policy enters the declaration: one value of `project.py` is written, the rest stays byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.errors import RehearsalRefused
from touchline.project import Retrain
from touchline.registry import Move

if TYPE_CHECKING:
    from touchline.automation import Stores
    from touchline.rehearsal.policies import Policy


def apply_policy(path: Path, policy: Policy, *, project: str) -> str:
    """Write the policy's `Retrain` into a `project.py`; the written line.

    Raises `RehearsalRefused`, with the line to paste, where the file is not as plain as that: another call than
    `Project(..., retrain=Retrain(...))`, or a naive policy, which no declaration can ask for.
    """
    if policy.decisions == "naive":
        raise RehearsalRefused(project, f"{policy.name!r} decides by lower means, which no declaration can ask for")
    line = f"retrain={retrain_text(policy.retrain)}"
    data = path.read_bytes()
    found = _retrain_values(ast.parse(data))
    if len(found) != 1:
        raise RehearsalRefused(
            project, f"{path} has {len(found)} calls Project(..., retrain=Retrain(...)) and not one. To paste: {line},"
        )
    begin, end = _bytes_of(data, found[0])
    fresh = path.with_suffix(".py.new")
    fresh.write_bytes(data[:begin] + retrain_text(policy.retrain).encode() + data[end:])
    fresh.replace(path)
    return line


def journal_evidence(stores: Stores, project: str, policy: Policy, document: Mapping[str, Any]) -> bool:
    """Write the hash of the report to the journal, beside the version in Production; False where there is none."""
    production = stores.journal.state(project).production
    if production is None:
        return False
    reason = f"the declaration takes over policy {policy.name!r} of a rehearsal (report {document['hash']})"
    report = {"rehearsal": {"hash": document["hash"], "policy": policy.name, "sentence": document["recommendation"]}}
    move = Move(production, "Production", "Production", reason, None, report)
    stores.journal.append(project, [move], expected=stores.journal.head(project), actor="rehearsal")
    return True


def retrain_text(retrain: Retrain) -> str:
    """The call that declares it, with what differs from the defaults.

    >>> retrain_text(Retrain(schedule="0 4 * * 1", on_drift=True))
    'Retrain(schedule="0 4 * * 1", on_drift=True)'
    """
    given = {name: getattr(retrain, name) for name, field in Retrain.model_fields.items()}
    words = [f"{name}={_text(value)}" for name, value in given.items() if value != Retrain.model_fields[name].default]
    return f"Retrain({', '.join(words)})"


def _text(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    seconds = getattr(value, "total_seconds", None)
    return repr(value) if seconds is None else f"timedelta(seconds={seconds():g})"


def _retrain_values(tree: ast.Module) -> list[ast.Call]:
    """The calls of Retrain that are given to a call of Project as `retrain`."""
    return [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _name(call) == "Project"
        for keyword in call.keywords
        if keyword.arg == "retrain" and isinstance(keyword.value, ast.Call) and _name(keyword.value) == "Retrain"
    ]


def _name(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def _bytes_of(data: bytes, node: ast.Call) -> tuple[int, int]:
    """Where the source of a node begins and ends; `ast` counts columns in bytes of UTF-8."""
    lines = data.splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    before = [sum(map(len, lines[: number - 1])) for number in (node.lineno, node.end_lineno)]
    return before[0] + node.col_offset, before[1] + node.end_col_offset
