"""Names that a package exports without importing what is behind them (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package in which a submodule never hides an exported name that is spelt like it.

    Importing `room/materialize.py` would otherwise set `room.materialize` to the module, in place of the function.
    """

    _exported: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self._exported):
            super().__setattr__(name, value)


def lazy_names(package: str, sources: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` for `package` that imports the module behind a name when it is first asked for.

    `sources` maps module names to the names they provide.
    """
    where = {name: module for module, names in sources.items() for name in names}
    room = sys.modules[package]
    room.__class__ = _Package
    room._exported = frozenset(where)  # type: ignore[attr-defined]  # a _Package since the line above

    def resolve(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(where[name]), name)
        setattr(room, name, found)
        return found

    return resolve
