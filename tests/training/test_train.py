"""A training from end to end: honest, repeatable, and restored with NumPy alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.training.builders import NOW, QUICK, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.errors import CandidateUnfit, ClassesUnordered, NoCandidateWorked
from touchline.training import (
    Candidate,
    FitRequest,
    Fitted,
    Model,
    Training,
    TrainingOptions,
    TrainingResult,
    refit,
    train,
)
from touchline.training.estimators.base import Kind, Params
from touchline.training.estimators.linear import LogisticFamily
from touchline.training.fitting.recipe import Recipe

Array = NDArray[np.float64]
BOTH = Training(candidates=("logistic", "lightgbm"))


def trained(training: Training = BOTH, frame: pl.DataFrame | None = None) -> TrainingResult:
    return train(a_task(), training, a_training_set(frame), now=NOW)


def test_a_model_learns_what_there_is_to_learn_and_each_candidate_is_reported() -> None:
    steps: list[str] = []
    options = TrainingOptions(lambda progress: steps.append(progress.message))
    found = train(a_task(), BOTH, a_training_set(), now=NOW, options=options).evaluation
    [both] = [step for step in steps if step.count(" log_loss 0.") == 2]
    assert sorted(part.split()[0] for part in both.split("; ")) == ["lightgbm", "logistic"]
    assert found.metrics["log_loss"].value < found.baseline["log_loss"].value - 0.1
    assert found.metrics["roc_auc"].value > 0.75
    assert found.rows == 80


def test_every_metric_lies_in_its_interval() -> None:
    found = trained(QUICK, a_frame(1200)).evaluation
    assert found.metrics["ece"].high is not None
    assert found.metrics["ece"].high > found.metrics["ece"].value
    for metric in found.metrics.values():
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low <= metric.value <= metric.high


def test_the_same_data_and_declaration_give_the_same_model_bit_for_bit(tmp_path: Path) -> None:
    first, second = trained(), trained()
    assert first.recipe == second.recipe
    assert first.evaluation.metrics == second.evaluation.metrics
    for name, result in (("first", first), ("second", second)):
        result.model.export(tmp_path / name)
    written = [p.relative_to(tmp_path / "first") for p in (tmp_path / "first").rglob("*") if p.is_file()]
    assert len(written) >= 4
    for file in written:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_shuffled_label_leaves_nothing_better_than_the_constant() -> None:
    frame = a_frame(1500)
    shuffled = frame.with_columns(label=frame["label"].shuffle(seed=3))
    found = trained(frame=shuffled).evaluation
    high = found.metrics["roc_auc"].high
    low = found.metrics["roc_auc"].low
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert found.metrics["log_loss"].value > found.baseline["log_loss"].value - 0.01


@pytest.mark.parametrize("family", ["logistic", "lightgbm"])
def test_what_is_restored_predicts_what_was_written(family: str, tmp_path: Path) -> None:
    result = trained(QUICK.model_copy(update={"candidates": (family,)}))
    result.model.export(tmp_path / "model")
    restored = Model.restore(tmp_path / "model")
    np.testing.assert_array_equal(restored.predict(result.self_test.vectors), result.self_test.outputs)
    assert restored.columns == result.model.columns
    assert restored.classes == ("no", "yes")


@pytest.mark.parametrize("family", ["logistic", "lightgbm"])
def test_restoring_and_predicting_leaves_the_heavy_libraries_out(family: str, tmp_path: Path) -> None:
    result = trained(QUICK.model_copy(update={"candidates": (family,)}))
    result.model.export(tmp_path / "model")
    np.save(tmp_path / "vectors.npy", result.self_test.vectors)
    code = (
        "import sys, pathlib, numpy; from touchline.training import Model;"
        f"folder = pathlib.Path({str(tmp_path)!r});"
        "print(Model.restore(folder / 'model').predict(numpy.load(folder / 'vectors.npy')).sum());"
        "heavy = {'pandas', 'sklearn', 'lightgbm', 'scipy', 'polars', 'mlflow', 'feast', 'xgboost', 'torch'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(len(result.self_test.vectors))


def test_the_evaluation_fit_knows_fewer_labels_than_the_one_that_ships() -> None:
    result = trained(QUICK)
    assert not np.array_equal(
        result.model.predict(result.self_test.vectors), result.evaluation_model.predict(result.self_test.vectors)
    )


def test_the_evaluations_numbers_are_those_of_its_predictions() -> None:
    found = trained(QUICK).evaluation
    said = found.predictions
    assert said.columns == ["example_id", "cutoff", "cluster", "label", "p_no", "p_yes"]
    chosen = said.select(pl.when(pl.col("label") == "yes").then("p_yes").otherwise("p_no").log().mean()).item()
    assert found.metrics["log_loss"].value == pytest.approx(-chosen)


def test_following_a_recipe_again_gives_the_evaluated_predictions() -> None:
    training_set = a_training_set()
    result = train(a_task(), BOTH.model_copy(update={"calibration": ("none",)}), training_set, now=NOW)
    recipe = Recipe.from_json(result.recipe.to_json())
    assert refit(recipe, a_task(), training_set, result).equals(result.evaluation.predictions)


def test_a_recipe_of_fewer_columns_is_followed_on_those() -> None:
    narrow = train(a_task(), QUICK, a_training_set(inputs=("noise", "group")), now=NOW)
    wide_set = a_training_set()
    wide = train(a_task(), QUICK, wide_set, now=NOW)
    again = refit(narrow.recipe, a_task(), wide_set, wide)
    assert again["example_id"].equals(wide.evaluation.predictions["example_id"])
    assert again.equals(narrow.evaluation.predictions)


def test_numbers_are_learned_too() -> None:
    result = train(a_regression(), Training(candidates=("ridge",)), a_number_set(), now=NOW)
    assert result.best_candidate == "ridge"
    assert result.evaluation.metrics["r2"].value > 0.99
    assert result.evaluation.predictions.columns[-1] == "value"


def test_ordered_classes_are_scored_by_rps() -> None:
    classes = ("home", "draw", "away")
    result = train(a_task(classes, ordered=True), QUICK, a_training_set(a_frame(classes=classes)), now=NOW)
    assert result.model.classes == classes
    assert 0 < result.evaluation.metrics["rps"].value < result.evaluation.baseline["rps"].value


def test_rps_is_refused_for_classes_without_an_order() -> None:
    classes = ("red", "green", "blue")
    with pytest.raises(ClassesUnordered, match="ordered=True"):
        train(a_task(classes), Training(score="rps"), a_training_set(a_frame(classes=classes)), now=NOW)


class Crashing(LogisticFamily):
    """A family that fails."""

    name = "crashing"

    def fit(self, request: FitRequest) -> Fitted:
        raise MemoryError(f"no room for {len(request.fit.matrix)} rows")


def test_a_candidate_that_crashes_is_reported_and_the_others_go_on() -> None:
    training = QUICK.model_copy(update={"candidates": (Candidate(name="mine", family=Crashing()), "logistic")})
    result = trained(training)
    assert result.best_candidate == "logistic"
    assert result.candidates[0].error == "MemoryError: no room for 250 rows"


class Endless(LogisticFamily):
    """A family that never looks at the clock."""

    name = "endless"

    def fit(self, request: FitRequest) -> Fitted:  # noqa: ARG002
        Event().wait()
        raise AssertionError


def test_a_candidate_that_runs_past_its_budget_is_left_behind() -> None:
    trained(QUICK)  # loads the libraries, which may take longer than the budget
    endless = Candidate(name="endless", family=Endless())
    result = trained(QUICK.model_copy(update={"candidates": (endless, "logistic"), "candidate_seconds": 2.0}))
    assert result.best_candidate == "logistic"
    assert result.candidates[0].error == (
        "BudgetExceeded: endless was not done within 2 s. Raise candidate_seconds in Training, or leave it out."
    )


class Uninstalled(LogisticFamily):
    """A family whose library is not there."""

    name = "uninstalled"

    def fit(self, request: FitRequest) -> Fitted:  # noqa: ARG002
        raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_a_missing_library_names_the_extra_to_install() -> None:
    mine = Candidate(name="mine", family=Uninstalled())
    result = trained(QUICK.model_copy(update={"candidates": (mine, "logistic")}))
    assert "pip install 'touchline[mlp]'" in (result.candidates[0].error or "")


def test_when_every_candidate_crashes_each_reason_is_told() -> None:
    training = QUICK.model_copy(update={"candidates": (Candidate(name="mine", family=Crashing()),)})
    with pytest.raises(NoCandidateWorked, match="mine: MemoryError: no room"):
        trained(training)


def test_a_family_of_another_kind_of_task_is_refused() -> None:
    with pytest.raises(CandidateUnfit, match=r"'ridge' cannot learn a binary task. Fitting ones: .*logistic"):
        trained(QUICK.model_copy(update={"candidates": ("ridge",)}))


class Mine(LogisticFamily):
    """A project's own family."""

    name = "mine"

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"strength": 0.01}


def test_a_projects_own_family_competes_and_is_restored(tmp_path: Path) -> None:
    family = Mine()
    training = QUICK.model_copy(update={"candidates": (Candidate(name="own", family=family),)})
    result = trained(training)
    result.model.export(tmp_path / "model")
    restored = Model.restore(tmp_path / "model", {"mine": family})
    np.testing.assert_array_equal(restored.predict(result.self_test.vectors), result.self_test.outputs)


def test_rare_classes_bring_weights_and_synthetic_rows_into_the_competition() -> None:
    frame = a_frame(1000)
    rare = frame.with_columns(label=pl.when(pl.col("signal") > 1.5).then(pl.lit("yes")).otherwise(pl.lit("no")))
    noisy = rare.with_columns(label=pl.when(pl.int_range(pl.len()) % 29 == 0).then(pl.lit("yes")).otherwise("label"))
    result = trained(Training(candidates=("logistic",), smote=True, blend=False), noisy)
    assert [report.name for report in result.candidates] == ["logistic", "logistic+weights", "logistic+smote"]
    assert all(report.error is None for report in result.candidates)
    without = trained(Training(candidates=("logistic",)), noisy)
    assert [report.name for report in without.candidates] == ["logistic"]


def test_the_markets_own_forecast_is_judged_beside_the_model() -> None:
    frame = a_frame().with_columns(market_no=pl.lit(0.5), market_yes=pl.lit(0.5))
    training = QUICK.model_copy(update={"baselines": {"market": ("market_no", "market_yes")}})
    result = train(a_task(), training, a_training_set(frame), now=NOW)
    assert result.evaluation.baselines["market"]["log_loss"].value == pytest.approx(np.log(2))


def test_a_forecast_that_is_not_always_there_is_judged_where_it_is() -> None:
    is_known = pl.int_range(pl.len()) % 4 > 0
    frame = a_frame().with_columns(market_no=pl.when(is_known).then(0.5), market_yes=pl.when(is_known).then(0.5))
    training = QUICK.model_copy(update={"baselines": {"market": ("market_no", "market_yes")}})
    evaluation = train(a_task(), training, a_training_set(frame), now=NOW).evaluation
    assert evaluation.baselines["market"]["log_loss"].value == pytest.approx(np.log(2))
    assert evaluation.baseline_rows == {"market": 60}
    assert evaluation.rows == 80
    assert np.isnan(evaluation.named["market"][0]).all()


def test_a_forecast_that_is_never_there_has_no_numbers() -> None:
    frame = a_frame().with_columns(nothing=pl.lit(None, dtype=pl.Float64))
    training = QUICK.model_copy(update={"baselines": {"market": ("nothing", "nothing")}})
    evaluation = train(a_task(), training, a_training_set(frame), now=NOW).evaluation
    assert evaluation.baselines["market"].keys() == evaluation.metrics.keys()
    assert np.isnan(evaluation.baselines["market"]["log_loss"].value)


def test_a_found_threshold_is_kept_with_the_model() -> None:
    result = trained(QUICK.model_copy(update={"threshold": "f1"}))
    assert result.model.threshold == result.recipe.threshold != 0.5


def test_strange_inputs_do_not_stop_a_training() -> None:
    frame = (
        a_frame(500)
        .with_columns(
            noise=pl.when(pl.int_range(pl.len()) % 50 == 0).then(float("inf")).otherwise("noise"),
            signal=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("signal"),
            group=pl.format("level {}", pl.int_range(pl.len()) % 300),
        )
        .with_columns(constant=pl.lit(1.0))
    )
    training_set = a_training_set(frame, ("signal", "noise", "group", "constant"))
    result = train(a_task(), BOTH, training_set, now=NOW)
    assert "constant" in result.recipe.dropped
    assert result.evaluation.metrics["roc_auc"].value > 0.7


def test_a_training_without_time_needs_no_clusters() -> None:
    result = trained(QUICK, a_frame(400, timed=False))
    assert result.split.method == "stratified"
    assert result.evaluation.clusters == result.evaluation.rows


def test_progress_is_told_in_order() -> None:
    shares: list[float] = []
    train(a_task(), QUICK, a_training_set(), now=NOW, options=TrainingOptions(lambda told: shares.append(told.share)))
    assert shares == sorted(shares)
    assert len(shares) >= 3


def test_a_later_clock_knows_more_labels() -> None:
    from datetime import UTC, datetime

    training_set = a_training_set(a_frame(600))
    early = train(a_task(), QUICK, training_set, now=datetime(2020, 2, 20, tzinfo=UTC))
    late = train(a_task(), QUICK, training_set, now=NOW)
    assert early.split.unlabelled > late.split.unlabelled == 0
    assert replace(early.split, unlabelled=0) != late.split


def test_rows_without_time_are_corrected_as_in_the_evaluation() -> None:
    steep = Candidate(name="steep", family="lightgbm", params={"learning_rate": 3.0, "min_data_in_leaf": 2})
    training = Training(candidates=(steep,), calibration=("platt",), learning_curve=False)
    result = trained(training, a_frame(7_000, timed=False))
    assert len(result.rows.windows[-1].validation) >= 1_000
    shipped, evaluated = result.model.calibrator, result.evaluation_model.calibrator
    assert (shipped.method, evaluated.method) == ("platt", "platt")
    for name, values in evaluated.arrays.items():
        np.testing.assert_array_equal(shipped.arrays[name], values)
