"""Corrections of probabilities: they help where help is needed, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from touchline.training.calibration_methods import CALIBRATION_METHODS, CalibrationMethod
from touchline.training.estimators.arrays import sigmoid, softmax, two_columns
from touchline.training.fitting.calibration import (
    Calibrator,
    choose_calibration,
    corrected_by_others,
    fit_calibrator,
)
from touchline.training.metrics.losses import log_loss_rows

Array = NDArray[np.float64]


def overconfident(rows: int = 4000, classes: int = 2, factor: float = 3.0) -> tuple[NDArray[np.int64], Array]:
    """Labels, and the probabilities of a model whose scores are `factor` times too large."""
    random = np.random.default_rng(11)
    scores = random.normal(size=(rows, classes))
    truth = softmax(scores)
    labels = (random.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return labels, softmax(scores * factor)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_correction_mends_an_overconfident_model(method: CalibrationMethod, classes: int) -> None:
    labels, said = overconfident(classes=classes)
    corrected = fit_calibrator(method, labels[:2000], said[:2000]).transform(said[2000:])
    np.testing.assert_allclose(corrected.sum(axis=1), 1.0)
    assert log_loss_rows(labels[2000:], corrected).mean() < log_loss_rows(labels[2000:], said[2000:]).mean() - 0.05


def test_the_temperature_is_the_factor_by_which_scores_are_too_large() -> None:
    labels, said = overconfident(classes=3, rows=20_000)
    assert fit_calibrator("temperature", labels, said).arrays["temperature"][0] == pytest.approx(3.0, rel=0.05)


def test_platt_equals_a_logistic_regression_on_the_log_odds() -> None:
    from sklearn.linear_model import LogisticRegression

    labels, said = overconfident()
    odds = np.log(said[:, 1] / said[:, 0])[:, None]
    theirs = LogisticRegression(C=np.inf).fit(odds, labels)
    ours = fit_calibrator("platt", labels, said)
    # Platt's softened targets move the slope a little.
    assert ours.arrays["slopes"][0] == pytest.approx(theirs.coef_[0, 0], rel=0.02)
    assert ours.arrays["offsets"][0] == pytest.approx(theirs.intercept_[0], abs=0.02)


def test_a_calibrated_model_is_left_alone() -> None:
    labels, said = overconfident(factor=1.0)
    assert choose_calibration(labels, said, CALIBRATION_METHODS, seed=1) == "none"


def test_a_crooked_model_is_not_left_alone() -> None:
    labels, said = overconfident(factor=3.0)
    assert choose_calibration(labels, said, CALIBRATION_METHODS, seed=1) != "none"


def test_no_row_is_judged_by_a_correction_that_it_helped_to_fit() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 1500)
    said = two_columns(random.random(1500))
    plain = log_loss_rows(labels, np.full_like(said, 0.5)).mean()
    on_itself = fit_calibrator("isotonic", labels, said).transform(said)
    by_others = corrected_by_others("isotonic", labels, said, seed=1)
    assert log_loss_rows(labels, on_itself).mean() < plain - 0.001
    assert log_loss_rows(labels, by_others).mean() > plain


def test_an_isotonic_correction_never_promises_certainty() -> None:
    scores = np.linspace(0.01, 0.99, 1200)
    labels = (scores > 0.5).astype(np.int64)
    corrected = fit_calibrator("isotonic", labels, two_columns(scores)).transform(two_columns(np.array([0.0, 1.0])))
    assert ((corrected > 0) & (corrected < 1)).all()


def test_no_correction_returns_what_it_is_given() -> None:
    said = two_columns(sigmoid(np.linspace(-3, 3, 7)))
    assert Calibrator("none", {}).transform(said) is said


@pytest.mark.parametrize("surprises", [2, 40])
def test_only_enough_surprises_make_a_correction(surprises: int) -> None:
    """A cautious model of rows that are nearly separable: each row without a surprise asks for more certainty."""
    labels = np.tile([0, 1], 100).astype(np.int64)
    probabilities = np.where(np.eye(2)[labels] > 0, 0.55, 0.45)
    wrong = np.arange(surprises)
    probabilities[wrong] = probabilities[wrong][:, ::-1]
    found = choose_calibration(labels, probabilities, ["temperature"], seed=1)
    # With 40 surprises in 200 rows the shares are 80 % against the 55 % that the model gives.
    assert found == ("none" if surprises == 2 else "temperature")
