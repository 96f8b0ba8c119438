"""The checks of `touchline doctor`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from touchline import project as projects
from touchline.cli.opening import Home
from touchline.cli.processes import supervisor
from touchline.cli.processes.ports import require_free
from touchline.errors import PortTaken, TouchlineError

_SUPPORTED = ((3, 11), (3, 13))
_LITTLE_SPACE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    mark: Literal["ok", "note", "wrong"]
    what: str
    actual: str


def examine(home: Home) -> list[CheckResult]:
    """Check everything that a command needs, each finding with the next step."""
    return [_python(), *_folder(home), _database(home), *_projects(home), *_ports(home)]


def _python() -> CheckResult:
    version = sys.version_info[:2]
    is_supported = _SUPPORTED[0] <= version <= _SUPPORTED[1]
    return CheckResult(
        "ok" if is_supported else "wrong", "Python", f"{version[0]}.{version[1]} (3.11 to 3.13 are supported)"
    )


def _folder(home: Home) -> Iterator[CheckResult]:
    folder = home.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield CheckResult("wrong", "home", f"{folder}: {error.strerror}; set TOUCHLINE_HOME to a writable folder")
        return
    yield CheckResult("ok" if free > _LITTLE_SPACE_BYTES else "note", "home", f"{folder}, {free / 1e9:.1f} GB free")


def _database(home: Home) -> CheckResult:
    try:
        home.database.migrate()
    except TouchlineError as error:
        return CheckResult("wrong", "database", str(error))
    return CheckResult("ok", "database", home.settings.database.split("@")[-1])


def _projects(home: Home) -> Iterator[CheckResult]:
    try:
        folders = projects.find_projects(home.settings.projects, base=home.base)
    except TouchlineError as error:
        yield CheckResult("wrong", "projects", str(error))
        return
    if not folders:
        yield CheckResult(
            "note", "projects", "none here; write one: touchline init NAME --from data.csv --target COLUMN"
        )
    for folder in folders:
        try:
            loaded = projects.load_project(folder, base=home.base)
        except TouchlineError as error:
            yield CheckResult("wrong", f"project {folder.name}", str(error))
        else:
            yield CheckResult("ok", f"project {loaded.name}", str(folder))


def _ports(home: Home) -> Iterator[CheckResult]:
    settings = home.settings
    if supervisor.running(settings.home) is not None:
        yield CheckResult("ok", "processes", f"running; API on {settings.port}, MLflow on {settings.mlflow_port}")
        return
    for port, setting in ((settings.port, "TOUCHLINE_PORT"), (settings.mlflow_port, "TOUCHLINE_MLFLOW_PORT")):
        try:
            require_free(settings.host, port, setting=setting)
        except PortTaken as taken:
            yield CheckResult("note", f"port {port}", str(taken))
        else:
            yield CheckResult("ok", f"port {port}", "free")
