"""Data as it should not be: either it is trained on and told of, or refused in words that say what to do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, QUICK, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.errors import (
    ClassMissing,
    LabelsAllEqual,
    LabelsUnusable,
    NothingVaries,
    OneClassOnly,
    TooFewExamples,
    TouchlineError,
)
from touchline.training import Candidate, FitRequest, Fitted, Training, TrainingResult, Tune, train
from touchline.training.estimators.linear import LogisticFamily

EVERY = Training(candidates=("logistic", "lightgbm", "xgboost", "forest"), calibration=("none",), blend=False)
PLACE = pl.int_range(pl.len())


def trained(frame: pl.DataFrame, training: Training = QUICK) -> TrainingResult:
    return train(a_task(), training, a_training_set(frame), now=NOW)


def told(result: TrainingResult) -> dict[str, str | None]:
    return {found.check: found.column for found in result.findings}


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (a_frame().with_columns(label=pl.lit("yes")), OneClassOnly, "All 400 known labels are 'yes'"),
        (a_frame(5), TooFewExamples, "There are 5 labelled examples; training needs 25 or more"),
        (a_frame(40)[:26], TooFewExamples, "known before the validation window"),
        (
            a_frame().with_columns(label=pl.when(PLACE < 330).then(pl.lit("no")).otherwise(pl.lit("yes"))),
            ClassMissing,
            "No example of 'yes' is among the 250 known before the validation window",
        ),
        (a_frame().with_columns(label=pl.lit(None, pl.String)), OneClassOnly, "No label is known"),
        (
            a_frame().with_columns(signal=pl.lit(1.0), noise=pl.lit(None, pl.Float64), group=pl.lit("a")),
            NothingVaries,
            "None of the 3 columns varies",
        ),
    ],
    ids=["one class", "five rows", "a window too small", "a class never seen", "null targets only", "all constant"],
)
def test_what_cannot_be_learned_is_refused_with_the_next_step(
    frame: pl.DataFrame, error: type[TouchlineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        trained(frame)


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        (pl.lit(3.0), LabelsAllEqual, "All 400 known labels are 3.0"),
        (pl.when(PLACE != 7).then("label").otherwise(np.inf), LabelsUnusable, r"first: example e7, inf"),
        (pl.when(PLACE != 7).then("label").otherwise(np.nan), LabelsUnusable, r"1 labels are not a finite number"),
        (pl.lit(None, pl.Float64), TooFewExamples, "There are 0 labelled examples"),
    ],
    ids=["constant", "infinite", "not a number", "null targets only"],
)
def test_a_number_that_cannot_be_learned_is_refused(label: pl.Expr, error: type[TouchlineError], message: str) -> None:
    training_set = a_training_set(a_number_set().frame.with_columns(label=label))
    with pytest.raises(error, match=message):
        train(a_regression(), Training(candidates=("ridge",)), training_set, now=NOW)


def test_examples_without_a_target_are_left_out_and_counted() -> None:
    result = trained(a_frame().with_columns(label=pl.when(PLACE % 4 > 0).then("label")))
    assert "no label yet" in told(result)
    assert result.split.unlabelled == 100


def test_every_family_learns_beside_a_constant_and_three_thousand_levels() -> None:
    frame = a_frame(3300).with_columns(group=pl.format("level {}", PLACE % 3000), noise=pl.lit(1.0))
    result = trained(frame, EVERY)
    assert [report.error for report in result.candidates] == [None] * 4
    assert told(result) == {"constant": "noise", "many levels": "group"}


@pytest.mark.parametrize("wild", [np.inf, -np.inf, 1e39])
def test_every_family_learns_beside_numbers_that_are_none(wild: float) -> None:
    noise = pl.when(PLACE % 9 == 0).then(wild).otherwise("noise")
    result = trained(a_frame().with_columns(noise=noise), EVERY)
    assert [report.error for report in result.candidates] == [None] * 4
    assert told(result)["infinite"] == "noise"
    answers = result.model.predict(np.array([[0.0, np.nan, 1.0], [0.0, wild, 1.0]]))
    np.testing.assert_array_equal(answers[0], answers[1])


class Moody(LogisticFamily):
    """A family that fails with some settings, and by the text of a library in another language."""

    name = "moody"

    def fit(self, request: FitRequest) -> Fitted:
        if request.params["strength"] != 1.0:
            raise RuntimeError("no such setting\nStack trace:\n  [bt] (0) 0x11031e")
        return super().fit(request)


def test_settings_that_break_a_library_end_neither_the_search_nor_the_training() -> None:
    moody = Candidate(name="moody", family=Moody())
    training = QUICK.model_copy(update={"candidates": (moody, "logistic"), "tune": Tune(trials=2, windows=1)})
    result = trained(a_frame(), training)
    report = next(report for report in result.candidates if report.name == "moody")
    assert report.tuning is not None
    assert [trial.state for trial in report.tuning.trials] == ["failed", "failed"]
    assert "logistic+tuned" in [report.name for report in result.candidates]


def test_a_librarys_stack_trace_stays_out_of_the_report() -> None:
    moody = Candidate(name="moody", family=Moody(), params={"strength": 2.0})
    result = trained(a_frame(), QUICK.model_copy(update={"candidates": (moody, "logistic")}))
    assert result.candidates[0].error == "RuntimeError: no such setting"
