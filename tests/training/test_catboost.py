"""CatBoost's trees by NumPy: the package's own predictions and Shapley values, and codes as equality splits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from touchline.errors import ModelDamaged
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Kind
from touchline.training.estimators.catboost import CATBOOST, Catboost

Array = NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
OBJECTIVES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}


def a_request(kind: Kind, *, categorical: tuple[int, ...] = ()) -> FitRequest:
    random = np.random.default_rng(4)
    matrix = random.normal(size=(600, 4))
    matrix[:, 3] = random.integers(0, 5, 600)
    matrix[random.random((600, 4)) < 0.1] = np.nan
    score = np.nan_to_num(matrix[:, 0]) + 2 * (matrix[:, 3] == 2) + random.normal(size=600)
    labels = {"binary": score > 0, "multiclass": np.digitize(score, [-0.5, 0.5]), "regression": 1e5 * score}[kind]
    rows = FitRows(matrix, labels.astype(float if kind == "regression" else np.int64))
    params = {**CATBOOST.defaults(kind), "rounds": 40}
    return FitRequest(kind, 3 if kind == "multiclass" else 2, rows, None, params, 7, categorical=categorical)


def the_packages_model(request: FitRequest) -> Any:
    import catboost

    params = {"iterations": 40, "learning_rate": 0.08, "depth": 6, "random_seed": 7, "thread_count": 1}
    fixed = {"loss_function": OBJECTIVES[request.kind], "logging_level": "Silent", "allow_writing_files": False}
    return catboost.CatBoost({**params, **fixed}).fit(request.fit.matrix, request.fit.labels)


def fitted_trees(request: FitRequest) -> Catboost:
    fitted: Fitted = CATBOOST.fit(request)
    assert isinstance(fitted, Catboost)
    return fitted


@pytest.mark.parametrize("kind", KINDS)
def test_raw_scores_equal_the_packages(kind: Kind) -> None:
    request = a_request(kind)
    expected = the_packages_model(request).predict(request.fit.matrix, prediction_type="RawFormulaVal")
    found = fitted_trees(request).trees.raw_scores(request.fit.matrix)
    np.testing.assert_allclose(found, np.asarray(expected).reshape(len(found), -1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_equal_the_packages_shapley_values(kind: Kind) -> None:
    import catboost

    request = a_request(kind)
    rows = request.fit.matrix[:50]
    theirs = the_packages_model(request).get_feature_importance(catboost.Pool(rows), type="ShapValues")
    found = fitted_trees(request).contributions(rows)
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(found / scale, np.asarray(theirs).reshape(found.shape) / scale, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_add_up_to_the_raw_score_with_categories(kind: Kind) -> None:
    request = a_request(kind, categorical=(3,))
    fitted = fitted_trees(request)
    rows = request.fit.matrix[:50]
    np.testing.assert_allclose(fitted.contributions(rows).sum(axis=2), fitted.trees.raw_scores(rows), rtol=1e-9)


def test_a_code_is_split_by_equality_and_an_unseen_one_equals_none() -> None:
    request = a_request("binary", categorical=(3,))
    fitted = fitted_trees(request)
    assert fitted.trees.is_level.any()
    rows = np.tile(request.fit.matrix[:1], (3, 1))
    rows[:, 3] = [np.nan, 77.0, 2.0]
    null, unseen, known = fitted.predict(rows)[:, 1]
    assert null == unseen
    assert known > null


def test_early_stopping_settles_the_rounds() -> None:
    request = a_request("binary")
    held = FitRows(np.random.default_rng(1).permutation(request.fit.matrix), request.fit.labels)
    settled = CATBOOST.fit(replace(request, validation=held)).settled
    assert 1 <= int(settled["rounds"]) < 40


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_learn_gives_the_base_rate(kind: Kind) -> None:
    request = a_request(kind)
    flat = replace(request, fit=FitRows(np.ones((600, 4)), request.fit.labels))
    expected = request.fit.labels.mean() if kind == "regression" else np.bincount(request.fit.labels.astype(int)) / 600
    np.testing.assert_allclose(CATBOOST.fit(flat).predict(np.ones((1, 4)))[0], expected, rtol=2e-2)


def test_one_class_alone_is_learnt_as_nearly_certain() -> None:
    request = a_request("binary")
    alone = replace(request, fit=FitRows(request.fit.matrix, np.zeros(600, dtype=np.int64)))
    assert 0 < CATBOOST.fit(alone).predict(request.fit.matrix[:1])[0, 1] < 0.01


def test_a_class_that_a_fit_lacks_has_a_column() -> None:
    request = a_request("multiclass")
    labels = np.where(request.fit.labels == 1, 0, request.fit.labels)
    lacking = replace(request, fit=FitRows(request.fit.matrix, labels), validation=request.fit)
    found = CATBOOST.fit(lacking).predict(request.fit.matrix)
    assert found.shape == (600, 3)
    assert found[:, 1].max() < 0.01


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ModelDamaged, match="it has 4 columns, the matrix 3"):
        CATBOOST.fit(a_request("binary")).predict(np.zeros((1, 3)))


def test_a_written_model_is_served_without_the_package(tmp_path: Path) -> None:
    request = a_request("binary", categorical=(3,))
    CATBOOST.fit(request).export(tmp_path)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from touchline.training.estimators.catboost import CATBOOST\n"
        f"CATBOOST.restore(Path({str(tmp_path)!r})).predict(np.zeros((1, 4)))\n"
        "print({'catboost', 'pandas'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
