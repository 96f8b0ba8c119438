"""The Python files of a project's package, read without importing them: definitions, names they use, imports."""

from __future__ import annotations

import ast
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

_PROJECTS = "touchline_projects"


@dataclass(frozen=True)
class PackageFile:
    """One file of a package. `module` is its full name; `name` leaves out the package, which may be a folder's name."""

    module: str
    package: str
    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.module.removeprefix(self.package).lstrip(".")

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The top-level statements that define or change each top-level name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in sorted(_defined_names(statement)):
                found.setdefault(name, []).append(statement)
        return found

    def imports(self, node: ast.AST) -> Iterator[tuple[str, str | None]]:
        """Modules of this package that a piece of code imports, each with the name it takes from it, if it takes one.

        Imports for type checkers alone do not count.
        """
        for statement in _running_nodes(node):
            if isinstance(statement, ast.Import):
                pairs: list[tuple[str, str | None]] = [(alias.name, None) for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom):
                base = self._imported_from(statement)
                pairs = [(base, alias.name) for alias in statement.names]
            else:
                continue
            yield from (pair for pair in pairs if is_within(pair[0], self.package))

    def _imported_from(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parts = self.module.split(".")
        is_package = self.path.name == "__init__.py"
        base = parts[: len(parts) - statement.level + is_package]
        return ".".join([*base, *filter(None, [statement.module])])


def package_of(module: str) -> str:
    """The project that a module belongs to.

    >>> package_of("touchline_projects.football.rolling"), package_of("tests.features.builders")
    ('touchline_projects.football', 'tests')
    """
    parts = module.split(".")
    return ".".join(parts[:2] if parts[0] == _PROJECTS else parts[:1])


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def find_file(module: str, package: str) -> PackageFile | None:
    """The file of a module, imported or not; None where there is none, as for a folder without `__init__.py`."""
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is not None:
        return _read(module, package, Path(origin))
    folders = getattr(sys.modules.get(package), "__path__", ())
    parts = module.removeprefix(package).lstrip(".").split(".")
    for folder in folders:
        place = Path(folder, *parts)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return _read(module, package, path)
    return None


def global_names(node: ast.stmt | ast.expr) -> set[str]:
    """Names that a piece of code takes from its module. Annotations of functions do not count, those of fields do."""
    copy = parsed(ast.unparse(node))
    for found in ast.walk(copy):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            found.returns = None
        elif isinstance(found, ast.arg):
            found.annotation = None
    names: set[str] = set()
    tables = [symtable.symtable(ast.unparse(copy), "<reached>", "exec")]
    while tables:
        table = tables.pop()
        is_module = table.get_type() == "module"
        names.update(symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() or is_module)
        tables.extend(table.get_children())
    return names


def parsed(text: str) -> ast.Module:
    """The tree of a source text.

    Python 3.11 raises `SystemError` where a finalizer or another thread parses meanwhile (CPython's gh-106905).
    """
    try:
        return ast.parse(text)
    except SystemError:
        return ast.parse(text)


def code_text(node: ast.AST) -> str:
    """The hash input of a piece of code: without comments, layout and docstrings."""
    copy = parsed(ast.unparse(node))
    for found in ast.walk(copy):
        if not isinstance(found, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(found) is not None:
            found.body = found.body[1:] or [ast.Pass()]
    return ast.dump(copy)


def _read(module: str, package: str, path: Path) -> PackageFile | None:
    if path.suffix != ".py":
        return None
    try:
        return _parsed(module, package, path, path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


@lru_cache(256)
def _parsed(module: str, package: str, path: Path, text: str) -> PackageFile:
    return PackageFile(module, package, path, parsed(text))


def _defined_names(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement binds, or whose value it changes: `x = 1`, `x["a"] = 1`, `x.append(1)`."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    names: set[str] = set()
    for node in _outside_functions(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            names.update(_root_name(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            names.update(_root_name(node.value.func) if isinstance(node.value.func, ast.Attribute) else ())
    return names


def _root_name(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, ast.ClassDef | ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children: list[ast.AST] = list(node.orelse)
    else:
        yield node
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _running_nodes(child)
