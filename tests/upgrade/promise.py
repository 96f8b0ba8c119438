"""What is promised to stay within a major version: names that must exist, read from the code as it is.

python -m tests.upgrade.promise      write promise.json: only before a release, and only with more names than before
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

import touchline
from touchline.cli.main import app
from touchline.registry.release.manifest import SCHEMA, ReleaseManifest
from touchline.settings import Settings

FILE = Path(__file__).with_name("promise.json")
ROUTES = Path(__file__).parents[2] / "web" / "openapi.json"
# Routes of /api that other programs may rely on; the others belong to the dashboard.
STABLE_API = (
    "system/health",
    "data/freshness",
    "model/health",
    "feature-store/stats",
    "feature-store/{plural}",
    "feature-store/{plural}/{key}",
    "training/automated/run",
    "training/automated/status",
)

Promise = Mapping[str, Mapping[str, list[str]]]


def present() -> Promise:
    """The names of the declaration, the commands, the settings, the release format and the stable routes of /api."""
    return {
        "declaration": {name: _parameters(getattr(touchline, name)) for name in _declared()},
        "commands": _options(typer.main.get_command(app), ()),
        "settings": {"environment": sorted(f"TOUCHLINE_{name.upper()}" for name in Settings.model_fields)},
        "release": {f"schema {SCHEMA}": sorted(field.name for field in fields(ReleaseManifest))},
        "routes": {path: _methods(path) for path in STABLE_API},
    }


def _declared() -> list[str]:
    stub = Path(touchline.__file__).with_suffix(".pyi").read_text()
    return sorted(line.rpartition(" as ")[2] for line in stub.splitlines() if line.startswith("from "))


def _parameters(thing: Any) -> list[str]:
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return sorted(thing.model_fields)
    return sorted(name for name in inspect.signature(thing).parameters if name not in ("args", "kwargs"))


def _options(command: Any, words: tuple[str, ...]) -> dict[str, list[str]]:
    options = {" ".join(words): sorted(option for one in command.params for option in one.opts if option[0] == "-")}
    for name, below in getattr(command, "commands", {}).items():
        options |= _options(below, (*words, name))
    return options


def _methods(route: str) -> list[str]:
    return sorted(json.loads(ROUTES.read_text())["paths"][f"/api/projects/{{name}}/{route}"])


def missing(promised: Promise, actual: Promise) -> list[str]:
    """What was promised and is no more."""
    return [
        f"{section}: {name} {part}".rstrip()
        for section, names in promised.items()
        for name, parts in names.items()
        for part in (parts if name in actual[section] else [""])
        if name not in actual[section] or part not in actual[section][name]
    ]


if __name__ == "__main__":
    FILE.write_text(json.dumps(present(), indent=1, sort_keys=True) + "\n")
