"""Explanations add up to the prediction, and agree with the shap package where both apply."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.training.builders import NOW, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.statistics import with_prior
from touchline.training import ClassShares, Model, Training, TrainingResult, train
from touchline.training.calibration_methods import CALIBRATION_METHODS, CalibrationMethod
from touchline.training.estimators.lightgbm import Lightgbm
from touchline.training.evaluation.explanation import ColumnContributions, explain

CLASSES = ("home", "draw", "away")


@cache
def trained(
    family: str, kind: str = "binary", calibration: tuple[CalibrationMethod, ...] = ("none",)
) -> TrainingResult:
    training = Training(
        candidates=(family,), calibration=calibration, smote=False, validation=0.2, learning_curve=False
    )
    if kind == "regression":
        return train(a_regression(), training, a_number_set(), now=NOW)
    classes = ("no", "yes") if kind == "binary" else CLASSES
    return train(a_task(classes), training, a_training_set(a_frame(classes=classes)), now=NOW)


def explained(result: TrainingResult) -> ColumnContributions:
    vectors = result.self_test.vectors
    return explain(result.model, vectors[:20], vectors, seed=1)


@pytest.mark.parametrize(
    ("family", "kind", "method"),
    [
        ("catboost", "binary", "tree"),
        ("catboost", "multiclass", "tree"),
        ("catboost", "regression", "tree"),
        ("lightgbm", "binary", "tree"),
        ("lightgbm", "multiclass", "tree"),
        ("lightgbm", "regression", "tree"),
        ("logistic", "binary", "linear"),
        ("logistic", "multiclass", "linear"),
        ("ridge", "regression", "linear"),
        ("forest", "binary", "permutation"),
        ("forest", "multiclass", "permutation"),
        ("forest", "regression", "permutation"),
    ],
)
def test_contributions_add_up_to_what_the_model_says(family: str, kind: str, method: str) -> None:
    result = trained(family, kind)
    found = explained(result)
    assert found.method == method
    np.testing.assert_allclose(found.outputs(), result.model.predict(result.self_test.vectors[:20]), atol=1e-9)


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_a_corrected_model_is_explained_as_corrected(method: CalibrationMethod) -> None:
    from touchline.training.fitting.calibration import fit_calibrator

    result = trained("lightgbm")
    labels = np.random.default_rng(1).integers(0, 2, len(result.self_test.vectors))
    model = replace(result.model, calibrator=fit_calibrator(method, labels, result.self_test.outputs))
    found = explain(model, result.self_test.vectors[:20], result.self_test.vectors, seed=1)
    np.testing.assert_allclose(found.outputs(), model.predict(result.self_test.vectors[:20]), atol=1e-9)


@pytest.mark.parametrize("family", ["lightgbm", "logistic", "forest"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_model_under_new_class_shares_is_explained_and_restored_as_it_predicts(
    family: str, kind: str, tmp_path: Path
) -> None:
    result = trained(family, kind)
    shares = (0.8, 0.2) if kind == "binary" else (0.1, 0.2, 0.7)
    before = (0.5, 0.5) if kind == "binary" else (0.4, 0.3, 0.3)
    model = replace(result.model, shares=ClassShares(before, shares))
    vectors = result.self_test.vectors[:20]
    said = model.predict(vectors)
    np.testing.assert_allclose(said, with_prior(result.model.predict(vectors), before, shares), atol=1e-12)
    found = explain(model, vectors, result.self_test.vectors, seed=1)
    np.testing.assert_allclose(found.outputs(), said, atol=1e-9)
    model.export(tmp_path / "model")
    np.testing.assert_array_equal(Model.restore(tmp_path / "model").predict(vectors), said)


def test_what_drives_the_label_is_the_most_important() -> None:
    for family in ("lightgbm", "logistic", "forest"):
        assert next(iter(explained(trained(family)).importance())) == "signal"


@pytest.mark.filterwarnings("ignore:LightGBM binary classifier")
def test_trees_are_explained_as_the_shap_package_does() -> None:
    shap = pytest.importorskip("shap")
    import lightgbm

    result = trained("lightgbm")
    assert isinstance(result.model.estimator, Lightgbm)
    matrix = result.model.preparation.transform(result.self_test.vectors[:20])
    booster = lightgbm.Booster(model_str=result.model.estimator.text)
    theirs = shap.TreeExplainer(booster).shap_values(matrix)
    values = np.asarray(theirs[1] if isinstance(theirs, list) else theirs)
    np.testing.assert_allclose(explained(result).contributions[:, [0, 1, 2], 0], values, atol=1e-9)


def test_linear_models_are_explained_by_hand_arithmetic() -> None:
    result = trained("ridge", "regression")
    found = explained(result)
    vectors = result.self_test.vectors
    moved = vectors[:1].copy()
    moved[0, 0] += 1.0
    slope = result.model.predict(moved)[0, 0] - result.model.predict(vectors[:1])[0, 0]
    expected = slope * (vectors[:20, 0] - vectors[:, 0].mean())
    np.testing.assert_allclose(found.contributions[:, 0, 0], expected, atol=1e-9)


def test_walking_gives_the_exact_shares_of_an_additive_model() -> None:
    """On a model without interactions every order of columns gives the same, so the walk is exact."""
    from touchline.training.evaluation.explanation import _walked

    result = trained("ridge", "regression")
    vectors = result.self_test.vectors
    same_background = np.repeat(vectors[:1], 8, axis=0)
    base, walked = _walked(result.model, vectors[:10], same_background, 3)
    exact = explain(result.model, vectors[:10], same_background)
    np.testing.assert_allclose(walked, exact.contributions, atol=1e-9)
    np.testing.assert_allclose(base, exact.base, atol=1e-9)
