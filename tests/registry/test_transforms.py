"""On-demand transforms run from a release's own copy of their modules, or are refused before a version is recorded."""

from __future__ import annotations

import functools
import importlib
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.registry.builders import a_trained, sign_again
from touchline.errors import NotPortable, TransformBroken
from touchline.features import OnDemand
from touchline.project import load_project
from touchline.registry import Registry, build_release, load_release, read_version, record_version
from touchline.registry.release.manifest import OnDemandCode
from touchline.registry.release.transforms import locate_transform, release_transforms, transform_modules

Columns = Mapping[str, NDArray[Any]]
_NAMES = itertools.count()
A = np.array([0.0, 1.0, 4.0])

# Each package is a project: what it holds, and the value of `made` for a = 4.
WORKS: dict[str, dict[str, str]] = {
    "a helper reached through its module": {
        "maths.py": "import numpy as np\ndef root(a): return np.sqrt(a)\n",
        "transforms.py": "from . import maths\ndef made(columns): return {'made': maths.root(columns['a'])}\n",
    },
    "a helper under another name": {
        "maths.py": "import numpy as np\ndef root(a): return np.sqrt(a)\n",
        "transforms.py": "from .maths import root as r\ndef made(columns): return {'made': r(columns['a'])}\n",
    },
    "a helper in a subpackage, which has a helper itself": {
        "deep/__init__.py": "",
        "deep/one.py": "from . import two\ndef half(a): return two.quarter(a) * 2\n",
        "deep/two.py": "def quarter(a): return a / 4\n",
        "transforms.py": "from .deep import one\ndef made(columns): return {'made': one.half(columns['a'])}\n",
    },
    "a name of the package itself": {
        "__init__.py": "HALF = 0.5\n",
        "transforms.py": "from . import HALF\ndef made(columns): return {'made': columns['a'] * HALF}\n",
    },
    "functools.cache": {
        "transforms.py": "from functools import cache\n@cache\ndef factor(): return 0.5\n"
        "def made(columns): return {'made': columns['a'] * factor()}\n",
    },
    "a partial at the top of the module": {
        "transforms.py": "from functools import partial\n"
        "def times(factor, columns): return {'made': columns['a'] * factor}\n"
        "made = partial(times, 0.5)\n",
    },
    "a lambda and a constant": {"transforms.py": "F = 0.5\nmade = lambda columns: {'made': columns['a'] * F}\n"},
    "an instance with a method": {
        "transforms.py": "class Times:\n    def __init__(self, factor): self.factor = factor\n"
        "    def __call__(self, columns): return {'made': columns['a'] * self.factor}\nmade = Times(0.5)\n",
    },
    "imports for types alone": {
        "transforms.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars as pl\n"
        "def made(columns: 'pl.DataFrame'): return {'made': columns['a'] / 2}\n",
    },
}

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "Polars": (
        {"transforms.py": "import polars as pl\ndef made(columns): return {'made': columns['a'] / 2}\n"},
        r"transforms.py, which imports 'polars'",
    ),
    "an import inside the function": (
        {"transforms.py": "def made(columns):\n    from scipy import stats\n    return {'made': columns['a'] / 2}\n"},
        r"imports 'scipy'",
    ),
    "a helper that imports Polars": (
        {
            "maths.py": "import polars\ndef half(a): return a / 2\n",
            "transforms.py": "from . import maths\ndef made(columns): return {'made': maths.half(columns['a'])}\n",
        },
        r"maths.py, which imports 'polars'",
    ),
    "the declaration itself": (
        {"transforms.py": "from touchline import on_demand\ndef made(columns): return {'made': columns['a'] / 2}\n"},
        r"imports 'touchline'.*declare it there: on_demand",
    ),
}


def a_project(folder: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The imported `transforms` module of a package with these files."""
    package = folder / f"shop_code_{next(_NAMES)}"
    for name, text in {"__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(f"{package.name}.transforms")


def a_transform(function: Callable[..., Any]) -> OnDemand:
    return OnDemand(name="made", inputs=("a",), function=function)


def released(transform: OnDemand) -> Callable[[Columns], Columns]:
    """The transform as a release has it: from a copy of its modules, the project's own ones being gone."""
    sources = {name: path.read_bytes() for name, path in transform_modules([transform]).items()}
    code = OnDemandCode("made", ("a",), ("made",), "1", *locate_transform(transform))
    for name in sources:
        del sys.modules[name]
    (loaded,) = release_transforms([code], sources)
    return loaded


@pytest.mark.parametrize("kind", WORKS)
def test_a_transform_works_without_its_project(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_project(tmp_path, WORKS[kind], monkeypatch).made
    expected = made({"a": A})["made"]
    assert expected[2] == 2.0
    assert np.array_equal(released(a_transform(made))({"a": A})["made"], expected)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_module_that_serving_could_not_import_is_refused_by_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, message = REFUSED[kind]
    transform = a_transform(a_project(tmp_path, files, monkeypatch).made)
    with pytest.raises(NotPortable, match=message):
        transform_modules([transform])


def test_a_function_that_no_module_holds_is_refused() -> None:
    factor = 2.0

    def closure(columns: Columns) -> Columns:
        return {"made": columns["a"] * factor}

    for function in (closure, functools.partial(closure), lambda columns: {"made": columns["a"]}):
        with pytest.raises(NotPortable, match="'made' is not a function at the top level of a module"):
            locate_transform(a_transform(function))


def test_modules_of_two_releases_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = a_project(tmp_path, WORKS["a lambda and a constant"], monkeypatch)
    path = Path(str(old.__file__))
    code = OnDemandCode("made", ("a",), ("made",), "1", *locate_transform(a_transform(old.made)))
    (before,) = release_transforms([code], {old.__name__: path.read_bytes()})
    (after,) = release_transforms([code], {old.__name__: path.read_bytes().replace(b"0.5", b"3.0")})
    assert before({"a": A})["made"].tolist() == [0.0, 0.5, 2.0]
    assert after({"a": A})["made"].tolist() == [0.0, 3.0, 12.0]


def test_a_transform_that_computes_other_values_outside_its_project_is_refused(
    registry: Registry,
) -> None:
    with pytest.raises(NotPortable, match="'gap' gives other values of 'gap' than at training"):
        record_version(registry, _with_vectors_of(a_trained(), factor=1.5))


def test_the_self_test_runs_the_transforms(two: Registry) -> None:
    release = build_release(two, read_version(two, "p", 1))
    path = release.path / "transforms" / "tests.registry.scale.py"
    for code, message in ((b"return values * SCALE", b"return values * other"), (b"SCALE = 2.0", b"SCALE = 2.5")):
        kept = path.read_bytes()
        path.write_bytes(kept.replace(code, message))
        sign_again(release.path)
        with pytest.raises(
            TransformBroken, match=r"on-demand transform 'gap' (fails on its stored inputs|gives other)"
        ):
            load_release(release.path)
        path.write_bytes(kept)
    sign_again(release.path)
    load_release(release.path)


def _with_vectors_of(trained: Any, *, factor: float) -> Any:
    """The same training, whose stored vectors hold another multiple of the transform's column."""
    from dataclasses import replace

    columns = [column.name for column in trained.result.model.columns]
    vectors = trained.result.self_test.vectors.copy()
    vectors[:, columns.index("gap")] *= factor
    self_test = replace(trained.result.self_test, vectors=vectors, outputs=trained.result.model.predict(vectors))
    return replace(trained, result=replace(trained.result, self_test=self_test))


def test_a_transform_is_found_after_its_project_was_loaded_again() -> None:
    place = Path(__file__).parents[2]
    [first, *_] = load_project("projects/football", base=place).project.task.on_demand
    again = load_project("projects/football", base=place).project.task.on_demand[0]
    assert again.function is not first.function
    assert locate_transform(first) == locate_transform(again)
    assert transform_modules([first]) == transform_modules([again])
