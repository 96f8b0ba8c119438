"""The code that loads a model in an environment without touchline: a loader, and copies of the files that it imports.

MLflow keeps them in the model's `code/` (its `code_paths`) and puts that folder on the module path.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import touchline
from touchline import plugins
from touchline._lazy import stub_names
from touchline.features.declaration.package_files import find_file
from touchline.registry.release.families import member_families
from touchline.registry.runs import pyfunc
from touchline.training.estimators.base import GROUP
from touchline.training.fitting.blend import NAME as BLEND

_PACKAGE: Final = "touchline"
_LOADER: Final = '''"""Loads the model in `artifacts/model`."""

from mlflow.models import set_model

from touchline.registry.runs.pyfunc import keep_own_package, mlflow_model

keep_own_package()
set_model(mlflow_model({families!r}))
'''


def write_code(model: Path, folder: Path) -> tuple[Path, Path]:
    """Write the loader of an exported model, and the package that it imports, into a folder; returns both paths."""
    families = {name: _place(name) for name in member_families(model) if name != BLEND}
    loader = folder / "load_model.py"
    loader.write_text(_LOADER.format(families=families), encoding="utf-8")
    source = Path(str(touchline.__file__)).parent
    own = [place.partition(":")[0] for place in families.values() if place != pyfunc.READ_BY_SKOPS]
    for path in _imported_files(pyfunc.__name__, *own):
        target = folder / "code" / _PACKAGE / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return loader, folder / "code" / _PACKAGE


def _place(family: str) -> str:
    """The module of a family within touchline; families of a project or of another package are read by skops."""
    place = plugins.place(GROUP, family)
    return place if place is not None and place.startswith(f"{_PACKAGE}.") else pyfunc.READ_BY_SKOPS


@cache
def _imported_files(*named: str) -> frozenset[Path]:
    """The files of these modules of touchline and of all that they import, with the packages they lie in."""
    modules = list(named)
    seen: set[str] = set()
    files: set[Path] = set()
    while modules:
        module = modules.pop()
        if module in seen or (file := find_file(module, _PACKAGE)) is None:
            continue
        seen.add(module)
        files.add(file.path)
        parts = module.split(".")
        modules += [".".join(parts[:length]) for length in range(1, len(parts))]
        stub = file.path.with_suffix(".pyi")
        if file.path.name == "__init__.py" and stub.exists():
            files.add(stub)
            modules.append(f"{_PACKAGE}._lazy")
            continue  # its names are imported when they are used
        for imported, name in file.imports(file.tree):
            modules += _modules_of(imported, name)
    return frozenset(files)


def _modules_of(module: str, name: str | None) -> Iterator[str]:
    """The module of an import, and that of the name it takes: a submodule, or the origin of a lazy package's name."""
    yield module
    if name is None:
        return
    file = find_file(module, _PACKAGE)
    stub = file.path.with_suffix(".pyi") if file is not None else None
    exported: Mapping[str, str] = _exported(stub) if stub is not None and stub.exists() else {}
    yield exported.get(name, f"{module}.{name}")


@cache
def _exported(stub: Path) -> Mapping[str, str]:
    return stub_names(stub)
