"""A rehearsed policy enters the declaration: its values in `project.py` are written, the rest stays byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.errors import RehearsalRefused
from touchline.project import Retrain
from touchline.registry import Move
from touchline.rollout import Rollout

if TYPE_CHECKING:
    from touchline.automation import Stores
    from touchline.project import Project
    from touchline.rehearsal.policies import Policy


@dataclass(frozen=True)
class _Edit:
    """Bytes of a file to replace, from `begin` up to `end`."""

    begin: int
    end: int
    text: str


def apply_policy(path: Path, policy: Policy, project: Project) -> str:
    """Write the policy's `Retrain` into a `project.py`, and what its `Rollout` has that is not declared; the lines.

    Raises `RehearsalRefused`, with the lines to paste, where the file is not as plain as that: another call than
    `Project(..., retrain=Retrain(...), rollout=Rollout(...))`, or a naive policy, which no declaration can ask for.
    """
    if policy.decisions == "naive":
        raise RehearsalRefused(
            project.name, f"{policy.name!r} decides by lower means, which no declaration can ask for"
        )
    changed = _changed_fields(project.rollout, policy.rollout)
    lines = [f"retrain={retrain_text(policy.retrain)}"]
    if policy.rollout is not None:
        values = ", ".join(f"{name}={_text(value)}" for name, value in changed.items())
        lines.append(f"rollout=Rollout(..., {values})" if values else "rollout as declared")
    data = path.read_bytes()
    tree = ast.parse(data)
    edits = [_Edit(*_bytes_of(data, _only_call(path, project, tree, "retrain", lines)), retrain_text(policy.retrain))]
    if changed:
        call = _only_call(path, project, tree, "rollout", lines)
        edits += [_keyword_edit(data, call, name, _text(value)) for name, value in changed.items()]
    for edit in sorted(edits, key=lambda one: one.begin, reverse=True):
        data = data[: edit.begin] + edit.text.encode() + data[edit.end :]
    fresh = path.with_suffix(".py.new")
    fresh.write_bytes(data)
    fresh.replace(path)
    return ", ".join(lines)


def _changed_fields(declared: Rollout | None, rehearsed: Rollout | None) -> dict[str, object]:
    """The fields of the rehearsed rollout that differ from the declared one (from the defaults where none is)."""
    if rehearsed is None or rehearsed == declared:
        return {}
    before = declared or Rollout()
    return {
        name: getattr(rehearsed, name)
        for name in Rollout.model_fields
        if getattr(rehearsed, name) != getattr(before, name)
    }


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


def _only_call(path: Path, project: Project, tree: ast.Module, field: str, lines: Sequence[str]) -> ast.Call:
    """The call that is given to the one call of Project as this field."""
    kind = field.capitalize()
    calls = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _name(call) == "Project"
        for keyword in call.keywords
        if keyword.arg == field and isinstance(keyword.value, ast.Call) and _name(keyword.value) == kind
    ]
    if len(calls) != 1:
        what = f"{path} has {len(calls)} calls Project(..., {field}={kind}(...)) and not one"
        raise RehearsalRefused(project.name, f"{what}. To paste: {', '.join(lines)},")
    return calls[0]


def _keyword_edit(data: bytes, call: ast.Call, name: str, text: str) -> _Edit:
    """Replace the value of a keyword; where the call has none, add it as the first one."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return _Edit(*_bytes_of(data, keyword.value), text)
    begin = data.index(b"(", _bytes_of(data, call.func)[1]) + 1
    return _Edit(begin, begin, f"{name}={text}" + (", " if call.keywords or call.args else ""))


def _name(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def _bytes_of(data: bytes, node: ast.expr) -> tuple[int, int]:
    """Where the source of a node begins and ends; `ast` counts columns in bytes of UTF-8."""
    lines = data.splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    before = [sum(map(len, lines[: number - 1])) for number in (node.lineno, node.end_lineno)]
    return before[0] + node.col_offset, before[1] + node.end_col_offset
