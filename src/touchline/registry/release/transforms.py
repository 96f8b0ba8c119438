"""On-demand transforms as one file that needs NumPy alone, so that serving never imports a project's declaration."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

from touchline.errors import NotPortable
from touchline.features import OnDemand

_ALLOWED: Final = frozenset({"__future__", "collections", "functools", "itertools", "math", "numpy", "typing"})


def portable_source(transforms: Sequence[OnDemand]) -> str:
    """Python source with every transform and all that it refers to in the project's own modules.

    Raises `NotPortable` where a transform needs more than NumPy and the standard library's mathematics.
    """
    collected = _Collected()
    for transform in transforms:
        collected.add_function(transform)
    head = '"""The on-demand transforms of this release, taken from the project\'s code."""\n'
    return "\n\n".join([head + "from __future__ import annotations", *collected.pieces.values()]) + "\n"


class _Collected:
    """Top-level pieces of source by the name they define, each after what it refers to."""

    def __init__(self) -> None:
        self.pieces: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        self._who = ""

    def add_function(self, transform: OnDemand) -> None:
        self._who = transform.name
        function = inspect.unwrap(transform.function)
        module = sys.modules[function.__module__]
        if getattr(function, "__closure__", None):
            raise NotPortable(self._who, "reads a variable of an enclosing function")
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError) as wrong:
            raise NotPortable(self._who, "has no source file") from wrong
        node = tree.body[0]
        if not isinstance(node, ast.FunctionDef):
            raise NotPortable(self._who, "is no `def`")
        self._add_node(module, node.name, node)
        if node.name != transform.name:
            self.pieces[transform.name] = f"{transform.name} = {node.name}"

    def _add_name(self, module: ModuleType, name: str) -> None:
        for node in _top_level(module):
            if name in _defines(node):
                self._add_node(module, name, node)
                return

    def _add_node(self, module: ModuleType, name: str, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._add_import(module, name, node)
            return
        if self._origins.get(name) == module.__name__:
            return
        if name in self._origins:
            raise NotPortable(self._who, f"refers to two different {name!r}, of {module.__name__} and another module")
        self._origins[name] = module.__name__
        bare = _without_decoration(node)
        for reference in sorted(_references(bare) - {name}):
            self._add_name(module, reference)
        self.pieces[name] = ast.unparse(bare)

    def _add_import(self, module: ModuleType, name: str, node: ast.Import | ast.ImportFrom) -> None:
        alias = next(alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) == name)
        if isinstance(node, ast.ImportFrom) and _is_own(module, node):
            source = _resolve(module, node)
            self._add_name(source, alias.name)
            if alias.asname and alias.asname != alias.name:
                self.pieces[name] = f"{name} = {alias.name}"
            return
        package = (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        if package not in _ALLOWED:
            raise NotPortable(self._who, f"needs {package!r}")
        self.pieces[name] = ast.unparse(
            ast.ImportFrom(node.module, [alias], 0) if isinstance(node, ast.ImportFrom) else ast.Import([alias])
        )


def _is_own(module: ModuleType, node: ast.ImportFrom) -> bool:
    package = (module.__package__ or module.__name__).split(".")[0]
    return node.level > 0 or (node.module or "").split(".")[0] == package


def _resolve(module: ModuleType, node: ast.ImportFrom) -> ModuleType:
    if node.level == 0:
        return sys.modules[node.module or ""]
    parts = (module.__package__ or "").split(".")
    base = parts[: len(parts) - node.level + 1]
    return sys.modules[".".join([*base, *((node.module or "").split(".") if node.module else [])])]


def _top_level(module: ModuleType) -> list[ast.stmt]:
    try:
        return ast.parse(inspect.getsource(module)).body
    except (OSError, TypeError):
        return []


def _defines(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        targets: Sequence[Any] = node.targets
        return {found.id for target in targets for found in ast.walk(target) if isinstance(found, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def _without_decoration(node: ast.stmt) -> ast.stmt:
    """A copy without decorators and annotations, which may name what only the declaration imports."""
    copy = ast.parse(ast.unparse(node)).body[0]
    for found in ast.walk(copy):
        if isinstance(found, ast.FunctionDef):
            found.decorator_list, found.returns = [], None
        if isinstance(found, ast.arg):
            found.annotation = None
    if isinstance(copy, ast.AnnAssign) and copy.value is not None:
        return ast.Assign([copy.target], copy.value, lineno=1)
    return copy


def _references(node: ast.stmt) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
