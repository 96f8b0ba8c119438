"""One suite for every family: what is written predicts the same, and as the library that fitted it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from numpy.typing import NDArray

from touchline.errors import BudgetExceeded, ModelDamaged
from touchline.plugins import load, names
from touchline.training.estimators.arrays import read_arrays, write_arrays
from touchline.training.estimators.base import Deadline, Family, FitRequest, FitRows, Kind
from touchline.training.estimators.forest import ForestFamily
from touchline.training.estimators.sklearn_bridge import SklearnFamily

Array = NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")


def every_family() -> list[ParameterSet]:
    return [
        a_family(name, kind)
        for name in sorted(set(names("touchline.estimators")) - {"automl"})
        for kind in KINDS
        if kind in load("touchline.estimators", name).kinds
    ]


def families_but(*left_out: str) -> list[ParameterSet]:
    return [a_family(name) for name in sorted(set(names("touchline.estimators")) - {"automl", *left_out})]


def a_family(*values: str) -> ParameterSet:
    # Torch is not among what the default run installs.
    return pytest.param(*values, marks=[pytest.mark.scale] if values[0] == "mlp" else [])


def some_rows(kind: Kind, rows: int = 400, seed: int = 4) -> FitRows:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 4))
    matrix[:, 3] = random.integers(0, 3, rows)
    score = 2 * matrix[:, 0] + (matrix[:, 3] == 1) + random.normal(scale=0.5, size=rows)
    labels = {"binary": score > 0, "multiclass": np.digitize(score, [-0.7, 0.7]), "regression": score}[kind]
    return FitRows(matrix, labels.astype(float if kind == "regression" else np.int64))


def a_request(family: Family, kind: Kind, **changes: object) -> FitRequest:
    quick = {"rounds": 20, "trees": 20, "epochs": 5}
    defaults = family.defaults(kind)
    params = {**defaults, **{name: value for name, value in quick.items() if name in defaults}}
    categorical = (3,) if family.layout == "trees" else ()
    classes = 3 if kind == "multiclass" else 2
    request = {"kind": kind, "classes": classes, "fit": some_rows(kind), "validation": None}
    return FitRequest(**{**request, "params": params, "seed": 7, "categorical": categorical, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "kind"), every_family())
def test_what_is_written_predicts_the_same_to_the_last_bit(name: str, kind: Kind, tmp_path: Path) -> None:
    family: Family = load("touchline.estimators", name)
    fitted = family.fit(a_request(family, kind))
    fitted.export(tmp_path)
    matrix = some_rows(kind, seed=5).matrix
    found = family.restore(tmp_path).predict(matrix)
    np.testing.assert_array_equal(found, fitted.predict(matrix))
    assert found.dtype == np.float64
    assert found.shape == (400, {"binary": 2, "multiclass": 3, "regression": 1}[kind])
    if kind != "regression":
        np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize(("name", "kind"), every_family())
def test_a_row_alone_is_answered_as_it_is_among_others(name: str, kind: Kind) -> None:
    family: Family = load("touchline.estimators", name)
    fitted = family.fit(a_request(family, kind))
    matrix = some_rows(kind, seed=5).matrix
    together = fitted.predict(matrix)
    np.testing.assert_array_equal(np.concatenate([fitted.predict(row[None]) for row in matrix[:30]]), together[:30])


@pytest.mark.parametrize(("name", "kind"), every_family())
def test_the_same_request_gives_the_same_bytes(name: str, kind: Kind, tmp_path: Path) -> None:
    family: Family = load("touchline.estimators", name)
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        family.fit(a_request(family, kind)).export(tmp_path / place)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


@pytest.mark.parametrize(("name", "kind"), every_family())
def test_it_learns(name: str, kind: Kind) -> None:
    family: Family = load("touchline.estimators", name)
    said = family.fit(a_request(family, kind, validation=some_rows(kind, seed=6))).predict(
        some_rows(kind, seed=5).matrix
    )
    labels = some_rows(kind, seed=5).labels
    if kind == "regression":
        assert np.corrcoef(said[:, 0], labels)[0, 1] > 0.8
    else:
        assert (said.argmax(axis=1) == labels).mean() > np.bincount(labels.astype(int)).max() / 400 + 0.1


@pytest.mark.parametrize("name", families_but("logistic", "ridge"))
def test_a_family_that_fits_in_rounds_stops_when_its_time_is_up(name: str) -> None:
    family: Family = load("touchline.estimators", name)
    with pytest.raises(BudgetExceeded, match=f"{name} was not done within 3 s"):
        family.fit(a_request(family, "binary", deadline=Deadline(at=0.0, seconds=3.0)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_forest_walks_as_scikit_learn_does(kind: Kind) -> None:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from touchline.training.estimators.forest import forest_of

    rows = some_rows(kind)
    chosen = RandomForestRegressor if kind == "regression" else RandomForestClassifier
    grown = chosen(n_estimators=30, random_state=1, min_samples_leaf=2).fit(rows.matrix, rows.labels)
    ours = forest_of([tree.tree_ for tree in grown.estimators_], is_regression=kind == "regression")
    matrix = some_rows(kind, seed=5).matrix
    theirs = grown.predict(matrix)[:, None] if kind == "regression" else grown.predict_proba(matrix)
    np.testing.assert_allclose(ours.predict(matrix), theirs, rtol=1e-13)


def test_a_large_batch_is_walked_in_parts() -> None:
    family = ForestFamily()
    fitted = family.fit(a_request(family, "binary"))
    matrix = np.tile(some_rows("binary").matrix, (600, 1))
    np.testing.assert_array_equal(fitted.predict(matrix)[-400:], fitted.predict(matrix[:400]))


@pytest.mark.parametrize("kind", KINDS)
def test_xgboosts_library_answers_as_its_package_does(kind: Kind) -> None:
    import xgboost

    family: Family = load("touchline.estimators", "xgboost")
    fitted = family.fit(a_request(family, kind))
    booster = xgboost.Booster(model_file=bytearray(fitted.content))  # type: ignore[attr-defined]  # its own field
    matrix = some_rows(kind, seed=5).matrix
    types = ["q", "q", "q", "c"]
    theirs = booster.predict(xgboost.DMatrix(matrix, feature_types=types, enable_categorical=True)).astype(np.float64)
    expected = {"binary": np.stack([1 - theirs, theirs], axis=-1), "regression": theirs.reshape(-1, 1)}.get(
        kind, theirs
    )
    np.testing.assert_allclose(fitted.predict(matrix), expected, rtol=3e-7)


def test_a_scikit_learn_estimator_is_brought_as_it_is(tmp_path: Path) -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    family = SklearnFamily("extra", ExtraTreesClassifier(n_estimators=10), trusted=("sklearn.tree._tree.Tree",))
    fitted = family.fit(a_request(family, "binary"))
    fitted.export(tmp_path)
    matrix = some_rows("binary").matrix
    np.testing.assert_array_equal(family.restore(tmp_path).predict(matrix), fitted.predict(matrix))


@pytest.mark.parametrize("name", families_but())
def test_a_changed_byte_is_refused(name: str, tmp_path: Path) -> None:
    family: Family = load("touchline.estimators", name)
    family.fit(a_request(family, "binary")).export(tmp_path)
    model = max((path for path in tmp_path.iterdir() if path.suffix != ".sha256"), key=lambda path: path.stat().st_size)
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(ModelDamaged, match=re.escape(model.name)):
        family.restore(tmp_path)


def test_arrays_come_back_as_they_were_or_not_at_all(tmp_path: Path) -> None:
    arrays = {"weight": np.arange(40.0).reshape(8, 5), "bias": np.ones(3, np.float32), "none": np.zeros(0)}
    path = tmp_path / "model.npz"
    write_arrays(path, arrays)
    whole, refused = path.read_bytes(), 0
    damaged = [whole[:place] for place in range(0, len(whole), 7)]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for content in damaged:
        path.write_bytes(content)
        try:
            found = read_arrays(path)
        except ModelDamaged:
            refused += 1
            continue
        # A byte that says nothing of an array, such as the time in the archive.
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    assert refused > len(damaged) / 2


def test_loading_a_family_imports_no_library() -> None:
    before = set(sys.modules)
    for name in names("touchline.estimators"):
        load("touchline.estimators", name)
    assert not {"lightgbm", "xgboost", "sklearn", "torch"} & (set(sys.modules) - before)


@pytest.mark.scale
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learner", ["lgbm", "xgboost", "rf"])
@pytest.mark.filterwarnings("ignore")
def test_what_flaml_finds_is_kept_as_one_of_ours(learner: str, kind: Kind, tmp_path: Path) -> None:
    family: Family = load("touchline.estimators", "automl")
    request = a_request(family, kind, validation=some_rows(kind, seed=6))
    params = {"seconds": 2.0, "learners": learner}
    found = family.fit(replace(request, params=params))
    found.export(tmp_path)
    matrix = some_rows(kind, seed=5).matrix
    np.testing.assert_array_equal(family.restore(tmp_path).predict(matrix), found.predict(matrix))
    # FLAML shuffles the rows while it searches, so the fit that follows is near, not equal; and the same each time.
    settled = replace(request, params={**params, **found.settled}, validation=None)
    again = family.fit(settled).predict(matrix)
    np.testing.assert_array_equal(again, family.fit(settled).predict(matrix))
    assert np.corrcoef(again.ravel(), found.predict(matrix).ravel())[0, 1] > 0.95


def test_logistic_of_columns_that_say_the_same_is_fitted_to_its_optimum() -> None:
    random = np.random.default_rng(3)
    own, other = random.normal(size=(2, 400))
    matrix = np.stack([own, other, own - other, random.normal(size=400)], axis=1)
    labels = np.digitize(own - other + random.logistic(size=400), [-0.5, 0.5])
    fitted = load("touchline.estimators", "logistic").fit(
        FitRequest("multiclass", 3, FitRows(matrix, labels.astype(np.float64)), None, {"strength": 1.0}, 7, 1)
    )
    gaps = fitted.predict(matrix) - np.eye(3)[labels]
    assert np.abs(gaps.T @ matrix + fitted.coefficients).max() < 1e-3  # the gradient of loss and penalty
