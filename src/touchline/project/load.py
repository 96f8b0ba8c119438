"""Loads and checks the `Project` of a folder or a name.

A project's code is imported as `touchline_projects.<name>`, a package whose path is the folder, so that
`project.py` can import its neighbours (`from .providers import ...`).
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from touchline.errors import InvalidProject, ProjectNotFound, TouchlineError, nearest, without_error_kind
from touchline.project.folders import PROJECT_FILE, find_project
from touchline.project.spec import Project
from touchline.registry import code_hash

if TYPE_CHECKING:
    from touchline.project.dry_run import DryRun

_PACKAGE = "touchline_projects"


@dataclass(frozen=True)
class LoadedProject:
    """A project, its folder, and the hash of its code."""

    project: Project
    folder: Path
    code_hash: str

    @property
    def name(self) -> str:
        return self.project.name

    @cached_property
    def dry_run(self) -> DryRun:
        """The declaration run on no rows: once for all runs of this process, as neither changes."""
        from touchline.project.dry_run import dry_run  # it loads metrics and families, which serving does without

        return dry_run(self.project)


def load_project(place: str | Path, *, base: Path) -> LoadedProject:
    """The checked project of a folder or a name.

    Raises `ProjectNotFound`, or `InvalidProject` with the file, the line, the field and the nearest valid name.
    """
    folder = place.absolute() if isinstance(place, Path) else find_project(place, base=base)
    module = _import(folder, folder.name)
    project = getattr(module, "project", None)
    if not isinstance(project, Project):
        raise InvalidProject(
            folder / PROJECT_FILE,
            None,
            "it declares no `project`",
            "End the file with: project = Project(name=..., ...)",
        )
    if project.name != folder.name:
        # The server identifies a project by its folder, since it imports its code only where it must.
        raise InvalidProject(
            folder / PROJECT_FILE,
            None,
            f"it declares the project {project.name!r} in the folder {folder.name!r}",
            f"Name both alike: Project(name={folder.name!r}, ...)",
        )
    _name_versions(project)
    return LoadedProject(project, folder, code_hash(folder))


def load_released_code(folder: Path, *, project: str, release: str) -> Project:
    """The project that a release's own code declares, beside the present one. Raises as `load_project` does."""
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a release's folder stays as it is
    try:
        module = _import(folder, f"{project}_release_{release}")
    finally:
        sys.dont_write_bytecode = writes_bytecode
    declared = getattr(module, "project", None)
    if not isinstance(declared, Project):
        raise InvalidProject(folder / PROJECT_FILE, None, "it declares no `project`", "Promote a version trained anew.")
    _name_versions(declared)
    return declared


def _name_versions(project: Project) -> list[str]:
    """Compute the code versions now, before any of the code runs. Raises for code that has no stable version."""
    views = [view.feature_version for view in project.feature_views]
    return [*views, project.task.examples.version, *(transform.version for transform in project.task.on_demand)]


def _import(folder: Path, package: str) -> ModuleType:
    if not (folder / PROJECT_FILE).is_file():
        raise ProjectNotFound(str(folder), folder.parent, [])
    invalidate_caches()
    root = sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    root.__path__ = getattr(root, "__path__", [])
    name = f"{_PACKAGE}.{package}"
    for loaded in [module for module in list(sys.modules) if module == name or module.startswith(name + ".")]:
        del sys.modules[loaded]
    made = ModuleType(name)
    made.__path__ = [str(folder)]
    sys.modules[name] = made
    try:
        return import_module(f"{name}.project")
    except ValidationError as error:
        raise _invalid_project(error, folder) from error
    except TouchlineError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and type(error) is not SystemExit:
            raise  # a signal ends this process
        line = _line_in(error, folder)
        raise InvalidProject(
            folder / PROJECT_FILE,
            line,
            f"{type(error).__name__}: {error}",
            "Correct that line and run the command again.",
        ) from error


def _invalid_project(error: ValidationError, folder: Path) -> InvalidProject:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part != "[key]")
    model = _model(error.title)
    if first["type"] == "extra_forbidden" and model is not None:
        problem = f"{error.title} has no field {field!r}"
        step = nearest(field, list(model.model_fields))
    else:
        place = f"{error.title}({field})" if field else error.title
        is_secret = model is None or model.model_config.get("hide_input_in_errors", False)
        value = "" if is_secret or not _is_plain(first["input"]) or not field else f", found {first['input']!r}"
        problem = f"{place}: {without_error_kind(first['msg'])}{value}"
        step = "Correct it and run the command again."
    return InvalidProject(folder / PROJECT_FILE, _line_in(error, folder), problem, step)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _model(title: str) -> type[BaseModel] | None:
    """The declaration class of that name, for the list of its fields."""
    models: dict[str, type[BaseModel]] = {}
    pending: list[Any] = [BaseModel]
    while pending:
        for child in pending.pop().__subclasses__():
            if child.__module__.startswith("touchline."):
                models.setdefault(child.__name__, child)
            pending.append(child)
    return models.get(title)


def _line_in(error: BaseException, folder: Path) -> int | None:
    """The failing line of the project's code: the deepest frame inside its folder."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return lines[-1] if lines else None
