"""Names that a package exports without importing the modules behind them (PEP 562).

A file that must load quickly imports the whole room at its top (`from touchline import features`) and writes
`features.compute_view`: the room's own files are loaded at that first use, so no import stands inside a function.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package in which a submodule never hides an exported name of the same spelling.

    Importing `room/replay.py` would otherwise set `room.replay` to the module instead of the function.
    """

    _exported: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self._exported):
            super().__setattr__(name, value)


def lazy_names(package: str) -> Callable[[str], Any]:
    """A `__getattr__` for `package` that imports a name's module when the name is first used.

    The names are those of the stub `__init__.pyi` beside the package's `__init__.py`, which type checkers read too.
    """
    room = sys.modules[package]
    modules = stub_names(Path(str(room.__file__)).with_suffix(".pyi"))
    room.__class__ = _Package
    room._exported = frozenset(modules)  # type: ignore[attr-defined]  # a _Package since the line above
    room.__all__ = sorted(modules)  # type: ignore[attr-defined]

    def resolve(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(room, name, value)
        return value

    return resolve


def stub_names(stub: Path) -> dict[str, str]:
    """The module that provides each name which a stub re-exports (`from module import name as name`)."""
    statements = ast.parse(stub.read_text(encoding="utf-8")).body
    return {
        alias.name: str(statement.module)
        for statement in statements
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
