"""What is imported is declared, what is declared is explained, and the locks agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.lock"))
# An environment of its own, which touchline is not in: its versions need not agree with ours.
APART = {"deploy", "docs"}

# Types that a declared dependency's own interface speaks in: its version decides theirs.
COMES_WITH = {
    "starlette": "fastapi",
    "pydantic_core": "pydantic",
    "annotated_types": "pydantic",
    "typing_extensions": "pydantic",
    "pandas": "feast",
}


def declared() -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    return {re.split(r"[\[<>=~! ]", line)[0].lower() for line in lines}


def imported_modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((CHECKOUT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name.name.split(".")[0], path) for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield str(node.module).split(".")[0], path


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.\-]*==[^\s;]+)", lock.read_text(), flags=re.MULTILINE))


def test_every_imported_library_is_declared() -> None:
    known = packages_distributions()
    undeclared = {
        f"{module} in {path.relative_to(CHECKOUT)}"
        for module, path in imported_modules()
        if module not in {*sys.stdlib_module_names, "touchline", "touchline_projects"}
        and not {name.lower().replace("_", "-") for name in [*known.get(module, [module]), COMES_WITH.get(module, "")]}
        & declared()
    }
    assert undeclared == set()


def test_every_dependency_is_explained() -> None:
    told = set(re.findall(r"^\| ([\w\-]+) \|", (CHECKOUT / "docs/dependencies.md").read_text(), flags=re.MULTILINE))
    assert declared() - {"touchline"} - told == set()


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.stem not in APART], ids=lambda lock: lock.stem)
def test_a_lock_is_part_of_the_lock_of_everything(lock: Path) -> None:
    assert pins(lock) <= pins(CHECKOUT / "requirements/all.lock")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_host_and_no_path(lock: Path) -> None:
    assert not re.search(r"://|^-|^/", lock.read_text(), flags=re.MULTILINE)


def test_everything_declared_is_locked() -> None:
    locked = {pin.split("==")[0] for pin in pins(CHECKOUT / "requirements/all.lock")}
    assert declared() - {"touchline", "torch"} - locked == set()
