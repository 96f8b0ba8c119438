"""Prediction intervals: as wide as errors on unseen rows ask for, and judged on the test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.training.builders import NOW, QUICK, a_number_set, a_regression, a_task, a_training_set
from touchline.training import Model, Training, TrainingResult, build_card, train
from touchline.training.card.card import CardFacts
from touchline.training.data.rows import labelled_rows
from touchline.training.data.splits import make_split
from touchline.training.fitting.blend import find_family
from touchline.training.fitting.conformal import conformal_interval
from touchline.training.fitting.fit import fit_recipe

RIDGE = Training(candidates=("ridge",), learning_curve=False, validation=0.2)


def a_result(training: Training = RIDGE, rows: int = 600) -> TrainingResult:
    return train(a_regression(), training, a_number_set(rows), now=NOW)


def test_the_declared_share_of_new_rows_is_covered() -> None:
    random = np.random.default_rng(3)
    covered = []
    for _ in range(300):
        errors = random.standard_t(3, size=100)
        found = conformal_interval(errors[:60], np.zeros(60), 0.8)
        assert found is not None
        covered.append((np.abs(errors[60:]) <= found.half_widths[0]).mean())
    assert np.mean(covered) == pytest.approx(49 / 61, abs=0.01)


def test_each_range_of_predicted_values_is_covered_by_a_width_of_its_own() -> None:
    """Errors that grow with the value: one width for all would cover nearly all small values and too few large ones."""
    random = np.random.default_rng(5)
    predicted = random.uniform(0, 100, size=40_000)
    errors = random.normal(size=40_000) * (0.5 + predicted / 10)
    interval = conformal_interval(errors[:4000], predicted[:4000], 0.9)
    assert interval is not None
    assert len(interval.half_widths) == 10
    assert list(interval.half_widths) == sorted(interval.half_widths)
    new, new_errors = predicted[4000:], np.abs(errors[4000:])
    for low in range(0, 100, 20):
        there = (new >= low) & (new < low + 20)
        assert (new_errors <= interval.half_widths_of(new))[there].mean() == pytest.approx(0.9, abs=0.04)
    one_width = conformal_interval(errors[:4000], np.zeros(4000), 0.9)
    assert one_width is not None
    assert len(one_width.half_widths) == 1
    assert (new_errors <= one_width.half_widths[0])[new >= 80].mean() < 0.85


def test_one_row_and_many_rows_have_the_same_interval() -> None:
    random = np.random.default_rng(6)
    predicted = np.round(random.normal(size=1000), 1)  # with ties
    interval = conformal_interval(random.normal(size=1000), predicted, 0.8)
    assert interval is not None
    assert len(interval.edges) == len(interval.half_widths) - 1 == 4
    for value, half in zip(predicted, interval.half_widths_of(predicted), strict=True):
        assert interval.around(value) == (value - half, value + half)


def test_the_width_is_that_of_the_latest_validation_rows() -> None:
    result = a_result()
    rows = labelled_rows(a_regression(), a_number_set(600), now=NOW)
    (window,) = make_split(rows, RIDGE).windows
    fitted = fit_recipe(result.recipe, find_family("ridge"), rows, (), on=window.fit)
    predicted = fitted.predict(rows.vectors[window.validation])[:, 0]
    expected = conformal_interval(rows.labels[window.validation] - predicted, predicted, 0.9)
    assert result.model.interval == result.evaluation_model.interval == expected


def test_the_coverage_on_the_test_rows_is_reported() -> None:
    result = a_result()
    found, interval = result.evaluation.interval, result.model.interval
    assert found is not None
    assert interval is not None
    frame = result.evaluation.predictions
    ends = [interval.around(value) for value in frame["value"]]
    within = np.mean([low <= label <= high for label, (low, high) in zip(frame["label"], ends, strict=True)])
    assert found.covered.value == within
    assert found.covered.low is not None
    assert found.covered.low <= found.covered.value
    card = build_card(result, CardFacts("p", ""), {}).to_markdown()
    assert "Its nominal coverage is 0.9 (split-conformal" in card


def test_an_interval_is_restored_to_the_last_bit(tmp_path: Path) -> None:
    model = a_result().model
    model.export(tmp_path / "model")
    assert Model.restore(tmp_path / "model").interval == model.interval


def test_a_larger_share_is_wider() -> None:
    wide, narrow = a_result(RIDGE.model_copy(update={"coverage": 0.99})), a_result()
    assert wide.model.interval is not None
    assert narrow.model.interval is not None
    assert min(wide.model.interval.half_widths) > min(narrow.model.interval.half_widths)


def test_classes_and_too_few_rows_have_no_interval() -> None:
    classes = train(a_task(), QUICK, a_training_set(), now=NOW)
    assert (classes.model.interval, classes.evaluation.interval) == (None, None)
    assert a_result(RIDGE.model_copy(update={"coverage": 0.999})).model.interval is None


def test_a_share_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValidationError, match="coverage"):
        Training(coverage=1.0)
