"""Refuse what breaks the layout: a table named in two files, a library or an HTTP status outside its home, a circle.

    python tools/check_imports.py [FOLDER]

Imports inside functions count; those that only a type checker reads (`if TYPE_CHECKING:`) do not.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "touchline"
# Libraries that only these folders or files may import.
HOMES: dict[str, tuple[str, ...]] = {
    "feast": ("touchline.features.feast", "touchline.features.feast_stores"),
    "mlflow": ("touchline.registry.runs",),
    "matplotlib": ("touchline.training.card",),
    "apprise": ("touchline.alerts.apprise_channel",),
}
TABLES = "touchline.storage.tables"
# The tables themselves, the schema version in them, and the migrations name no rows.
TABLE_READERS = ("touchline.storage.tables", "touchline.storage.migrations")
STATUS_HOME = "touchline.http"
STATUS_ARGUMENTS = frozenset({"status_code", "status"})


def main(root: Path) -> int:
    """Print every breach; the exit code is 1 if there was one."""
    modules = {name: ast.parse(path.read_bytes()) for name, path in module_files(root / "src").items()}
    breaches = [
        *tables_of_several(modules),
        *strangers(modules),
        *statuses_outside(modules),
        *circles(import_graph(modules, root / "src")),
    ]
    for breach in breaches:
        print(breach)
    print(f"imports: {len(breaches)} breaches of the layout")
    return bool(breaches)


def module_files(source: Path) -> dict[str, Path]:
    """Every module below the folder by its dotted name."""
    files = {}
    for path in sorted((source / PACKAGE).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports_of(tree: ast.AST) -> Iterator[tuple[str, str | None, int]]:
    """The module, the name (None for a whole module) and the line of each import that runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((str(node.module), alias.name, node.lineno) for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            yield from imports_of(node)


def tables_of_several(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    """Tables that more than one file names: each has one owner, which everybody else asks."""
    tables = {
        target.id
        for name, tree in modules.items()
        if name == TABLES or name.startswith(f"{TABLES}.")
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Table"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    owners: dict[str, list[str]] = {}
    for name, tree in modules.items():
        if not name.startswith(TABLE_READERS):
            for table in sorted(tables & set(_tables_named(tree))):
                owners.setdefault(table, []).append(name)
    for table, names in sorted(owners.items()):
        if len(names) > 1:
            yield f"table {table} is named in {len(names)} files ({', '.join(names)}): one owns it, the others ask it"


def _tables_named(tree: ast.Module) -> Iterator[str]:
    """Names imported from the room's tables or one file of them, and attributes of the room's."""
    as_module = {"tables"} if any((m, n) == ("touchline.storage", "tables") for m, n, _ in imports_of(tree)) else set()
    yield from (str(name) for module, name, _ in imports_of(tree) if f"{module}.".startswith(f"{TABLES}."))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in as_module:
            yield node.attr


def strangers(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    """Imports of a library outside the folders that may import it."""
    for name, tree in modules.items():
        for module, _, line in imports_of(tree):
            homes = HOMES.get(module.split(".")[0])
            if homes is not None and not name.startswith(homes):
                yield f"{name}:{line}: imports {module}, which only {' and '.join(homes)} may import"


def statuses_outside(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    """HTTP statuses written as numbers outside the room that maps errors to them."""
    for name, tree in modules.items():
        if name.startswith(STATUS_HOME):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in STATUS_ARGUMENTS and _is_status(node.value):
                yield f"{name}:{node.value.lineno}: names the HTTP status {ast.unparse(node.value)}; see {STATUS_HOME}"
            if isinstance(node, ast.Compare) and _compares_status(node):
                yield f"{name}:{node.lineno}: compares with an HTTP status; see {STATUS_HOME}"


def _compares_status(node: ast.Compare) -> bool:
    names_status = ast.unparse(node.left).endswith(("status", "status_code"))
    return names_status and any(_is_status(value) for value in node.comparators)


def _is_status(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and 100 <= node.value <= 599


def import_graph(modules: Mapping[str, ast.Module], source: Path) -> dict[str, set[str]]:
    """Which of our files each file imports. A name of a room counts as the file that the room takes it from."""
    stubs = {name: exported for name in modules if (exported := _exports(source, name))}
    graph: dict[str, set[str]] = {}
    for name, tree in modules.items():
        graph[name] = set()
        for module, imported, _ in imports_of(tree):
            target = stubs.get(module, {}).get(str(imported)) or (
                f"{module}.{imported}" if f"{module}.{imported}" in modules else module
            )
            if target in modules and target != name and target not in stubs:
                graph[name].add(target)
    return graph


def _exports(source: Path, name: str) -> dict[str, str]:
    stub = source.joinpath(*name.split("."), "__init__.pyi")
    if not stub.exists():
        return {}
    statements = ast.parse(stub.read_bytes()).body
    return {
        alias.name: str(node.module) for node in statements if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def circles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """Groups of files that import each other in a circle (strongly connected components; Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            place = stack.index(node)
            found.append(stack[place:])
            del stack[place:]

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    for group in found:
        if len(group) > 1:
            yield f"these files import each other in a circle: {', '.join(sorted(group))}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()))
