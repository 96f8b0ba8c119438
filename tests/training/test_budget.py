"""The seconds of a training are shared out, and nothing waits beyond them."""

from __future__ import annotations

from threading import Event

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.training import Candidate, FitRequest, Fitted, Training, TrainingResult, Tune, train
from touchline.training.estimators.lightgbm import LIGHTGBM
from touchline.training.estimators.linear import RIDGE, LogisticFamily


def trained(**declared: object) -> TrainingResult:
    return train(a_task(), Training.model_validate(declared), a_training_set(a_frame(400)), now=NOW)


def test_a_training_without_time_left_still_has_its_defaults() -> None:
    result = trained(candidates=("logistic", "lightgbm"), seconds=0.01, tune=Tune(seconds=60.0), blend=True, bags=5)
    names = [report.name for report in result.candidates]
    assert names[:2] == ["logistic", "lightgbm"]
    assert "blend" in names
    seeds = {member.seed for member in result.recipe.members}
    assert len(seeds) <= 1


def test_a_search_that_finds_nothing_better_leaves_its_time() -> None:
    result = trained(candidates=("logistic",), tune=Tune(seconds=600.0, windows=1), smote=False)
    report = next(report.tuning for report in result.candidates if report.tuning)
    assert report is not None
    assert 15 < len(report.trials) < 200


def test_time_that_searches_leave_goes_to_the_best_again_under_another_seed() -> None:
    tune = Tune(seconds=600.0, windows=1)
    result = trained(candidates=("logistic",), tune=tune, blend=False, calibration=("none",))
    names = [report.name for report in result.candidates]
    assert names == ["logistic", "logistic+tuned", *(f"logistic+tuned {again}" for again in (2, 3, 4, 5))]
    studies = [report.tuning.study for report in result.candidates if report.tuning]
    assert len(set(studies)) == 5


def test_no_search_is_done_again_in_time_that_was_not_declared() -> None:
    result = trained(candidates=("logistic",), seconds=600.0, tune=Tune(trials=2, windows=1), smote=False)
    assert [report.name for report in result.candidates if "tuned" in report.name] == ["logistic+tuned"]
    short = trained(candidates=("logistic",), seconds=600.0, tune=Tune(seconds=0.01, windows=1), smote=False)
    assert [report.name for report in short.candidates if "tuned" in report.name] == ["logistic+tuned"]


class Sleepy(LogisticFamily):
    """A family that never comes back from some settings and does not look at the clock."""

    name = "sleepy"

    def fit(self, request: FitRequest) -> Fitted:
        if request.params["strength"] != 1.0:
            Event().wait()
        return super().fit(request)


def test_a_setting_that_never_ends_does_not_hold_up_the_training() -> None:
    sleepy = Candidate(name="sleepy", family=Sleepy())
    result = trained(candidates=(sleepy,), tune=Tune(seconds=0.2, windows=1), smote=False)
    assert result.best_candidate == "sleepy"


def test_only_what_chance_changes_is_fitted_under_several_seeds() -> None:
    defaults = LIGHTGBM.defaults("binary")
    assert not LIGHTGBM.has_chance(defaults)
    assert LIGHTGBM.has_chance({**defaults, "feature_fraction": 0.5})
    assert not RIDGE.has_chance({})
