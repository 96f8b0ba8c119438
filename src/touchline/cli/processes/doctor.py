"""What `touchline doctor` looks at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from touchline.cli.opening import Home
from touchline.cli.processes import supervisor
from touchline.cli.processes.ports import require_free
from touchline.errors import PortTaken, TouchlineError

_SUPPORTED = ((3, 11), (3, 13))
_LITTLE_SPACE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how it was found."""

    mark: Literal["ok", "note", "wrong"]
    what: str
    found: str


def examine(home: Home) -> list[Finding]:
    """Everything that can be wrong before a command is run, each with what to do."""
    return [_python(), *_folder(home), _database(home), *_projects(home), *_ports(home)]


def _python() -> Finding:
    here = sys.version_info[:2]
    good = _SUPPORTED[0] <= here <= _SUPPORTED[1]
    return Finding("ok" if good else "wrong", "Python", f"{here[0]}.{here[1]} (3.11 to 3.13 are supported)")


def _folder(home: Home) -> Iterator[Finding]:
    folder = home.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as failed:
        yield Finding("wrong", "home", f"{folder}: {failed.strerror}; set TOUCHLINE_HOME to a writable folder")
        return
    enough = free > _LITTLE_SPACE_BYTES
    yield Finding("ok" if enough else "note", "home", f"{folder}, {free / 1e9:.1f} GB free")


def _database(home: Home) -> Finding:
    try:
        home.database.migrate()
    except TouchlineError as failed:
        return Finding("wrong", "database", str(failed))
    return Finding("ok", "database", home.settings.database.split("@")[-1])


def _projects(home: Home) -> Iterator[Finding]:
    from touchline.project import find_projects, load_project

    try:
        folders = find_projects(home.settings.projects, base=home.base)
    except TouchlineError as missing:
        yield Finding("wrong", "projects", str(missing))
        return
    if not folders:
        yield Finding("note", "projects", "none here; make one: touchline init NAME --from data.csv --target COLUMN")
    for folder in folders:
        try:
            loaded = load_project(folder, base=home.base)
        except TouchlineError as wrong:
            yield Finding("wrong", f"project {folder.name}", str(wrong))
        else:
            yield Finding("ok", f"project {loaded.name}", str(folder))


def _ports(home: Home) -> Iterator[Finding]:
    settings = home.settings
    if supervisor.running(settings.home) is not None:
        yield Finding("ok", "processes", f"running; API on {settings.port}, MLflow on {settings.mlflow_port}")
        return
    for port, setting in ((settings.port, "TOUCHLINE_PORT"), (settings.mlflow_port, "TOUCHLINE_MLFLOW_PORT")):
        try:
            require_free(settings.host, port, setting=setting)
        except PortTaken as taken:
            yield Finding("note", f"port {port}", str(taken))
        else:
            yield Finding("ok", f"port {port}", "free")
