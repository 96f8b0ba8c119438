"""The changes of a declaration since the last run, and the parts that depend on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel

from touchline.contracts import Contract, compile_contract
from touchline.ingest import Source
from touchline.project.spec import Project

State = dict[str, dict[str, str]]
Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class PlannedChange:
    """A declared part that differs from the last run, and the parts that depend on it."""

    part: str
    kind: Kind
    details: tuple[str, ...]
    affects: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All changes since the last run. `first_run` is true if the project never ran in this home."""

    project: str
    first_run: bool
    changes: tuple[PlannedChange, ...]


def declared_state(project: Project) -> State:
    """The declaration as text: the fields of each part, to be stored, compared and printed.

    A part is `source:matches`, `view:team_form`, `task`, `training`, `gates`, `rollout`, `retrain`,
    `monitoring` or `serving`. A function is represented by the version of its code.
    """
    state: State = {}
    for source in project.sources:
        state[f"source:{source.name}"] = _source(source)
    for view in project.feature_views:
        state[f"view:{view.name}"] = {
            "feature version": view.feature_version[:12],
            "ttl": str(view.ttl),
            "sources": ", ".join(source.name for source in view.sources),
        }
    state["task"] = _task(project)
    for name in ("training", "rollout", "retrain", "monitoring"):
        part = getattr(project, name)
        state[name] = _fields(part) if part is not None else {}
    state["gates"] = {f"gate {position + 1}": _text(gate) for position, gate in enumerate(project.gates)}
    state["serving"] = {"routers": ", ".join(getattr(router, "__name__", str(router)) for router in project.routers)}
    return {part: dict(sorted(fields.items())) for part, fields in state.items()}


def plan_changes(project: Project, before: Mapping[str, Mapping[str, str]] | None) -> Plan:
    """The parts that were added, removed or changed since `before`, each with its dependants."""
    after = declared_state(project)
    previous = before or {}
    changes = []
    for part in sorted(previous.keys() | after.keys()):
        old, new = previous.get(part), after.get(part)
        if old == new:
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if old is None else "removed" if new is None else "changed"
        )
        details = _differences(old or {}, new or {}) if kind == "changed" else ()
        changes.append(PlannedChange(part, kind, details, _dependants(project, part)))
    return Plan(project.name, before is None, tuple(changes))


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{field}: {old.get(field, 'absent')} → {new.get(field, 'absent')}"
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    )


def _dependants(project: Project, part: str) -> tuple[str, ...]:
    model = f"model {project.name}: a new version is trained"
    endpoints = (f"endpoint /projects/{project.name}/predict", f"endpoint /projects/{project.name}/model-info")
    if part.startswith("source:"):
        name = part.removeprefix("source:")
        views = [view.name for view in project.feature_views if name in {source.name for source in view.sources}]
        return (*(f"view {view}: computed and materialized again" for view in views), model, *endpoints)
    if part.startswith("view:"):
        name = part.removeprefix("view:")
        is_joined = any(join.view.name == name for join in project.task.features)
        if name not in {view.name for view in project.feature_views}:
            return (f"view {name}: no longer computed, but for releases that read it", model, *endpoints)
        again = f"view {name}: computed and materialized again"
        return (again, model, *endpoints) if is_joined else (again,)
    if part in ("task", "training"):
        return (model, *endpoints)
    if part == "gates":
        return (f"promotion of {project.name}: the next version is checked by the new gates",)
    if part == "serving":
        return (f"server: restarts to serve the routes of {project.name}",)
    if part == "rollout":
        return (f"rollout of {project.name}: the new rule applies from the next start",)
    return (f"{part} of {project.name}: the new rule applies from the next run",)


def _source(source: Source) -> dict[str, str]:
    return {
        **_columns(source.contract),
        **_fields(source, skip={"name", "contract", "provider"}),
        "contract": compile_contract(source.contract).schema_hash[:12],
        "reading": source.schema_hash[:12],
    }


@lru_cache(maxsize=64)
def _columns(contract: type[Contract]) -> Mapping[str, str]:
    """The columns of a contract with their rules; each run of a pipeline records them."""
    return {f"column {name}": str(rule) for name, rule in contract.model_json_schema()["properties"].items()}


def _task(project: Project) -> dict[str, str]:
    task = project.task
    excluded = {f"exclude {reason}": ", ".join(map(str, found)) for reason, found in task.examples.exclude.items()}
    return {
        **excluded,
        "kind": task.kind,
        "classes": ", ".join(task.classes),
        "inputs": ", ".join(task.inputs),
        "examples": f"{task.examples.function.__name__} {task.examples.version[:12]}",
        "label_horizon": str(task.label_horizon),
        "features": ", ".join(f"{join.view.name} as {join.prefix or join.view.name}" for join in task.features),
        "on demand": ", ".join(f"{transform.name} {transform.version[:12]}" for transform in task.on_demand),
    }


def _fields(part: BaseModel, *, skip: set[str] | None = None) -> dict[str, str]:
    return {name: _text(getattr(part, name)) for name in type(part).model_fields if name not in (skip or set())}


def _text(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {field}" for name, field in _fields(value).items() if field not in ("", "None"))
    if isinstance(value, tuple | list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a default of 90 and a declared 90 are the same
    return str(value)
