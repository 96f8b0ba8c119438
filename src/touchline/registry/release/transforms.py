"""On-demand transforms in a release: the modules that define them, copied whole, and loaded again from the copy.

A transform also runs while serving, which imports neither the project nor Polars. So it is defined in a module that
imports NumPy, light modules of the standard library and, relatively, other such modules of the project.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import NotPortable
from touchline.features import OnDemand
from touchline.features.declaration.on_demand import compute_columns
from touchline.registry.release.manifest import OnDemandCode

_LIGHT_STANDARD: Final = ("__future__", "collections", "dataclasses", "enum", "functools", "itertools", "math")
_LIGHT: Final = frozenset({*_LIGHT_STANDARD, "operator", "typing", "numpy"})
TRANSFORMS: Final = "transforms"
"""The folder of a release that holds the modules of its transforms, one file a module, named by its dotted name."""
_LOADING = Lock()

Columns = Mapping[str, NDArray[Any]]
Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class ReleaseTransform:
    """A transform loaded from a release's own copy of its code."""

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., Any]
    has_named_arguments: bool = False

    def __call__(self, columns: Columns) -> Columns:
        return compute_columns(self.name, self.function, columns, has_named_arguments=self.has_named_arguments)


def locate_transform(transform: OnDemand) -> tuple[str, str]:
    """The module that defines the transform's function, and the function's name in it.

    Raises `NotPortable` for a function that no module holds by name: a closure, a partial made in the declaration.
    """
    function = transform.function
    for holder in (function, getattr(function, "func", None), type(function)):
        module = sys.modules.get(getattr(holder, "__module__", None) or "")
        if module is not None and getattr(module, "__file__", None) is not None:
            # A function's own globals are its module's, also where the project was loaded again since.
            for name, value in getattr(holder, "__globals__", vars(module)).items():
                if value is function:
                    return module.__name__, name
    raise NotPortable(transform.name, "is not a function at the top level of a module")


def transform_modules(transforms: Sequence[OnDemand]) -> dict[str, Path]:
    """The file of every module that the transforms need, by module name, each after the modules that it imports.

    Raises `NotPortable` where a module imports anything but NumPy, light standard modules and its like.
    """
    files: dict[str, Path] = {}
    for transform in transforms:
        _add_module(locate_transform(transform)[0], transform.name, files)
    return files


def _add_module(name: str, transform: str, files: dict[str, Path]) -> None:
    if name in files:
        return
    module = sys.modules[name]
    path = Path(str(module.__file__))
    files[name] = path  # reserved first, so that two modules that import each other end
    for imported in _own_imports(_imports_in(path.read_bytes()), module, transform):
        _add_module(imported, transform, files)
    files[name] = files.pop(name)


def _own_imports(imports: Sequence[Import], module: ModuleType, transform: str) -> Iterator[str]:
    """The project's modules that a module imports relatively; any import that serving could not follow is refused."""
    where = f"is defined with {Path(str(module.__file__)).name}, which imports"
    for node in imports:
        if isinstance(node, ast.Import):
            heavy = [alias.name for alias in node.names if alias.name.split(".")[0] not in _LIGHT]
            if heavy:
                raise NotPortable(transform, f"{where} {heavy[0]!r}")
        elif node.level == 0:
            if (node.module or "").split(".")[0] not in _LIGHT:
                raise NotPortable(transform, f"{where} {node.module!r}")
        else:
            yield from _relative_imports(node, module)


@lru_cache(maxsize=64)  # by content: each training and each release asks for the same few modules
def _imports_in(source: bytes) -> tuple[Import, ...]:
    return tuple(node for node in _statements(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom))


def _relative_imports(node: ast.ImportFrom, module: ModuleType) -> Iterator[str]:
    parts = str(module.__package__).split(".")
    base = ".".join([*parts[: len(parts) - node.level + 1], *(node.module or "").split(".")]).rstrip(".")
    for alias in node.names:
        submodule = f"{base}.{alias.name}"
        yield submodule if submodule in sys.modules else base


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        yield node
        if not is_for_types:
            yield from _statements(node)


def release_transforms(declared: Sequence[OnDemandCode], sources: Mapping[str, bytes]) -> tuple[ReleaseTransform, ...]:
    """The declared transforms, taken from these sources of modules (in order of import)."""
    modules = load_modules(sources) if sources else {}
    return tuple(
        ReleaseTransform(code.name, code.inputs, getattr(modules[code.module], code.function), code.has_named_arguments)
        for code in declared
    )


def load_modules(sources: Mapping[str, bytes]) -> dict[str, ModuleType]:
    """The modules from their sources, given in order of import, below a package that no other code has.

    Nothing is read from or written to a byte-code cache: only the sources are covered by a release's digest.
    """
    digest = hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()[:16]
    root = f"touchline_release_{digest}"
    with _LOADING:
        if root not in sys.modules:
            try:
                sys.modules[root] = _package(root)
                for name, source in sources.items():
                    is_package = any(other.startswith(f"{name}.") for other in sources)
                    _execute(f"{root}.{name}", source, is_package=is_package)
            except BaseException:
                for name in [name for name in list(sys.modules) if name == root or name.startswith(f"{root}.")]:
                    del sys.modules[name]
                raise
    return {name: sys.modules[f"{root}.{name}"] for name in sources}


def _execute(name: str, source: bytes, *, is_package: bool) -> None:
    parent = name.rpartition(".")[0]
    parts = parent.split(".")
    for length in range(2, len(parts) + 1):
        package = ".".join(parts[:length])
        if package not in sys.modules:
            sys.modules[package] = _package(package)
            _bind(package)
    if name not in sys.modules:
        sys.modules[name] = _package(name) if is_package else ModuleType(name)
    module = sys.modules[name]
    module.__package__ = name if is_package else parent
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    _bind(name)


def _package(name: str) -> ModuleType:
    """An empty package, in which relative imports find what has been loaded."""
    package = ModuleType(name)
    package.__path__, package.__package__ = [], name
    return package


def _bind(name: str) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(sys.modules[parent], leaf, sys.modules[name])


def stored_inputs(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inputs of transforms as `store_inputs` wrote them: float64, or objects with None for categories."""
    inputs: dict[str, NDArray[Any]] = {}
    for key, values in arrays.items():
        kind, _, name = key.partition(":")
        if kind == "number":
            inputs[name] = values
        elif kind == "category":
            texts = values.astype(object)
            texts[arrays[f"null:{name}"]] = None
            inputs[name] = texts
    return inputs


def store_inputs(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays for an npz file without pickle: numbers as they are, categories as text beside where they are null."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in inputs.items():
        if values.dtype != object:
            arrays[f"number:{name}"] = values
            continue
        is_null = np.array([value is None for value in values], dtype=np.bool_)
        arrays[f"category:{name}"] = np.array(["" if value is None else str(value) for value in values], dtype=np.str_)
        arrays[f"null:{name}"] = is_null
    return arrays
