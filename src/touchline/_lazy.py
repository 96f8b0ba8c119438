"""Names that a package exports without importing what is behind them (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, sources: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` for `package` that imports the module behind a name when it is first asked for.

    `sources` maps module names to the names they provide.
    """
    where = {name: module for module, names in sources.items() for name in names}

    def resolve(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(where[name]), name)

    return resolve
