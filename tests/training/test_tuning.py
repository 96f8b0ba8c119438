"""Searches for settings: repeatable, resumable, never without the default, and within their budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.training import Candidate, Model, Training, TrainingOptions, TrainingResult, Tune, train
from touchline.training.data.rows import labelled_rows
from touchline.training.fitting.blend import BlendFamily, find_family
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.recipe import Recipe
from touchline.training.search.tuning import TuningReport


def searched(trials: int = 4, *, studies: Path | None = None, rows: int = 400, **changes: object) -> TrainingResult:
    declared = {"candidates": ("lightgbm",), "tune": Tune(trials=trials, windows=2), "blend": False, **changes}
    return train(
        a_task(),
        Training.model_validate(declared),
        a_training_set(a_frame(rows)),
        now=NOW,
        options=TrainingOptions(studies=studies),
    )


def report_of(result: TrainingResult) -> TuningReport:
    return next(report.tuning for report in result.candidates if report.tuning is not None)


def test_the_default_setting_competes_with_the_ones_found() -> None:
    result = searched()
    assert [report.name for report in result.candidates] == ["lightgbm", "lightgbm+tuned"]
    assert len(report_of(result).trials) == 4
    best = min(result.candidates, key=lambda report: report.score or np.inf)
    assert result.best_candidate == best.name


def test_a_search_is_the_same_when_it_is_done_again() -> None:
    first, second = report_of(searched()), report_of(searched())
    assert [(t.params, t.score, t.state) for t in first.trials] == [(t.params, t.score, t.state) for t in second.trials]
    assert first.sampler == "TPESampler"


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    searched(trials=3, studies=tmp_path)
    resumed = report_of(searched(trials=5, studies=tmp_path))
    assert resumed.resumed == 3
    assert len(resumed.trials) == 5


def test_a_finished_search_is_not_repeated(tmp_path: Path) -> None:
    first = searched(trials=3, studies=tmp_path)
    again = searched(trials=3, studies=tmp_path)
    assert report_of(again).resumed == 3
    assert again.recipe == first.recipe


def test_a_search_on_newer_rows_begins_with_the_best_of_the_last(tmp_path: Path) -> None:
    old = report_of(searched(trials=3, studies=tmp_path))
    new = report_of(searched(trials=3, studies=tmp_path, rows=440))
    assert new.study != old.study
    assert new.resumed == 0
    best = min((trial for trial in old.trials if trial.score is not None), key=lambda trial: trial.score or 0.0)
    assert new.trials[0].params == best.params


def test_a_declared_setting_is_not_searched() -> None:
    result = searched(candidates=(Candidate(name="small", family="lightgbm", params={"num_leaves": 3}),))
    assert {trial.params["num_leaves"] for trial in report_of(result).trials} == {3}


def test_what_leaves_nothing_to_choose_is_tried_once() -> None:
    fixed = Candidate(name="fixed", family="logistic", params={"strength": 0.5})
    assert len(report_of(searched(trials=9, candidates=(fixed,))).trials) == 1


def test_a_search_ends_with_its_seconds() -> None:
    result = searched(trials=0, tune=Tune(seconds=1.5, windows=2))
    assert len(report_of(result).trials) >= 1
    assert result.seconds < 30


def test_a_blend_of_candidates_competes_and_is_restored_as_it_was() -> None:
    declared = Training(candidates=("logistic", "lightgbm", "forest"), blend=True, smote=False, calibration=("none",))
    result = train(a_task(), declared, a_training_set(a_frame(800)), now=NOW)
    assert [report.name for report in result.candidates] == ["logistic", "lightgbm", "forest", "blend"]
    assert all(report.error is None for report in result.candidates)


@pytest.mark.parametrize("pool", ["mean", "log"])
def test_a_blend_is_the_weighted_mean_of_its_members_also_when_restored(tmp_path: Path, pool: str) -> None:
    rows = labelled_rows(a_task(), a_training_set(), now=NOW)
    columns = tuple(column.name for column in rows.columns)
    members = tuple(
        Recipe(name, name, find_family(name).defaults("binary") | {"rounds": 20}, columns, seed=seed)
        for name, seed in (("logistic", 1), ("lightgbm", 1), ("lightgbm", 2))
    )
    weights = (0.5, 0.25, 0.25)
    recipe = Recipe("blend", "blend", {"pool": pool}, columns, seed=1, members=members, weights=weights)
    fitted = fit_recipe(Recipe.from_json(recipe.to_json()), BlendFamily(), rows, ())
    fitted.export(tmp_path / "model")
    alone = [fit_recipe(member, find_family(member.family), rows, ()).predict(rows.vectors) for member in members]
    if pool == "mean":
        expected = 0.5 * alone[0] + 0.25 * alone[1] + 0.25 * alone[2]
    else:
        products = alone[0] ** 0.5 * alone[1] ** 0.25 * alone[2] ** 0.25
        expected = products / products.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict(rows.vectors), expected, rtol=1e-12)
    np.testing.assert_array_equal(Model.restore(tmp_path / "model").predict(rows.vectors), fitted.predict(rows.vectors))


def test_blend_weights_ignore_what_does_not_help() -> None:
    from touchline.training.estimators.arrays import two_columns
    from touchline.training.fitting.blend import blend_weights

    random = np.random.default_rng(1)
    truth = random.random(2000)
    labels = (random.random(2000) < truth).astype(np.int64)
    noisy = np.clip(truth + random.normal(scale=0.2, size=(2, 2000)), 0.01, 0.99)
    weights = blend_weights("log_loss", labels, [two_columns(p) for p in (*noisy, 1 - noisy[0])])
    assert weights[2] == 0.0
    assert weights[:2].min() > 0.3
    assert weights.sum() == 1.0
