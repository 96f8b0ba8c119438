"""Categories as mean labels: those of scikit-learn, never told by a row's own label, and the same when restored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.training.builders import NOW, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.features import ColumnSpec
from touchline.serving.predicting.one_row import row_scorer
from touchline.training import Candidate, Model, Training, Tune, train
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.fitting.blend import find_family
from touchline.training.fitting.category_means import cross_fitted_means, fit_means, prepare_for_trees
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.preparation import Preparation
from touchline.training.fitting.recipe import Recipe
from touchline.training.refit import refit

Array = NDArray[np.float64]
GROUP = 2


def some_rows(kind: str = "binary", rows: int = 400, *, timed: bool = False) -> LabelledRows:
    if kind == "regression":
        return labelled_rows(a_regression(), a_number_set(rows), now=NOW)
    classes = ("a", "b", "c") if kind == "multiclass" else ("no", "yes")
    frame = a_frame(rows, classes=classes, timed=timed)
    frame = frame.with_columns(group=pl.when(pl.int_range(pl.len()) % 7 > 0).then("group"))
    return labelled_rows(a_task(classes), a_training_set(frame), now=NOW)


def columns_of(preparation: Preparation, rows: LabelledRows) -> Array:
    return preparation.transform(rows.vectors)[:, -sum(part.width for part in preparation.means) :]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_means_are_those_of_scikit_learn(kind: str) -> None:
    from sklearn.preprocessing import TargetEncoder

    rows = some_rows(kind)
    target = "continuous" if kind == "regression" else kind
    theirs = TargetEncoder(target_type=target, random_state=1).fit(rows.vectors[:, [GROUP]], rows.labels)
    expected = np.stack(theirs.encodings_, axis=1)
    (part,) = fit_means([GROUP], rows)
    # They put null last, where there is one.
    order = [2, 3, 4, 0][: len(expected)]
    np.testing.assert_allclose(np.array(part.means)[order], expected, rtol=1e-12)


def test_an_unseen_level_has_the_mean_of_all_and_null_its_own() -> None:
    rows = some_rows()
    preparation, _ = prepare_for_trees(rows, "means", seed=1)
    strange = rows.vectors[:4].copy()
    strange[:, GROUP] = [-1.0, 3.0, 99.0, np.nan]
    found = preparation.transform(strange)[:, -1]
    assert found[:3].tolist() == [rows.labels.mean()] * 3
    is_null = np.isnan(rows.vectors[:, GROUP])
    assert found[3] == pytest.approx(rows.labels[is_null].mean(), abs=0.03)
    assert found[3] != found[0]


def test_a_level_is_drawn_to_the_mean_of_all_the_fewer_rows_it_has() -> None:
    rows = some_rows()
    vectors, labels = rows.vectors.copy(), np.arange(len(rows)) % 4 > 0
    vectors[:, GROUP] = np.where(np.arange(len(rows)) < 8, 2.0, np.arange(len(rows)) // 8 % 2)
    (part,) = fit_means([GROUP], replace(rows, vectors=vectors, labels=labels.astype(np.int64)))
    assert part.means[4][0] == pytest.approx(0.75)
    labels[:8] = [True, False] * 4
    (part,) = fit_means([GROUP], replace(rows, vectors=vectors, labels=labels.astype(np.int64)))
    assert 0.5 < part.means[4][0] < labels.mean() < part.means[2][0]


def test_many_rare_levels_have_means_of_their_own() -> None:
    rows = some_rows()
    columns = (*rows.columns[:2], ColumnSpec("group", "category", tuple(f"l{i}" for i in range(100))))
    vectors = rows.vectors.copy()
    vectors[:, GROUP] = np.arange(len(rows)) // 4
    many = replace(rows, columns=columns, vectors=vectors)
    assert prepare_for_trees(many, "codes", seed=1)[0].dropped == ("group",)
    preparation, _ = prepare_for_trees(many, "both", seed=1)
    assert (preparation.names, preparation.dropped) == (("signal", "noise", "group: mean yes"), ())
    assert len(np.unique(columns_of(preparation, many))) > 2


@pytest.mark.parametrize("timed", [False, True])
def test_a_rows_own_label_is_in_no_mean_that_it_is_fitted_with(timed: bool) -> None:
    rows = some_rows(timed=timed)
    labels = np.asarray(rows.labels).copy()
    labels[250] = 1 - labels[250]
    before, after = (cross_fitted_means([GROUP], r, seed=3) for r in (rows, replace(rows, labels=labels)))
    same = (before == after) | np.isnan(before)
    assert same[250].all()
    assert not same.all()


def test_rows_of_a_cluster_are_not_told_by_each_other() -> None:
    rows = some_rows()
    clusters = np.arange(len(rows)) // 8
    grouped, labels = replace(rows, clusters=clusters), np.asarray(rows.labels).copy()
    labels[clusters == 5] = 1 - labels[clusters == 5]
    before, after = (cross_fitted_means([GROUP], r, seed=3) for r in (grouped, replace(grouped, labels=labels)))
    np.testing.assert_array_equal(before[clusters == 5], after[clusters == 5])


def test_in_time_a_row_is_told_only_by_labels_known_before_it() -> None:
    rows = some_rows(timed=True)
    labels = np.asarray(rows.labels).copy()
    labels[200:] = 1 - labels[200:]
    before, after = (cross_fitted_means([GROUP], r, seed=3) for r in (rows, replace(rows, labels=labels)))
    np.testing.assert_array_equal(before[:200], after[:200])
    assert np.isnan(before[:40]).all()
    late = replace(rows, known_at=np.full(len(rows), rows.cutoffs.max() + 1))
    assert np.isnan(cross_fitted_means([GROUP], late, seed=3)).all()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("categories", ["means", "both"])
def test_what_is_written_is_what_is_read_and_rows_are_prepared_alone(kind: str, categories: str) -> None:
    rows = some_rows(kind)
    preparation, matrix = prepare_for_trees(rows, "both" if categories == "both" else "means", seed=1)
    assert Preparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation
    assert len(preparation.names) == len(preparation.origins) == matrix.shape[1]
    assert preparation.categorical == ((2,) if categories == "both" else ())
    assert not preparation.keeps_finite_rows
    together = preparation.transform(rows.vectors)
    alone = np.concatenate([preparation.transform(rows.vectors[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(alone, together[:20])


def test_a_release_from_before_has_no_means() -> None:
    preparation, _ = prepare_for_trees(some_rows(), "codes", seed=1)
    record = {name: value for name, value in preparation.to_json().items() if name != "means"}
    assert Preparation.from_json(json.loads(json.dumps(record))) == preparation


@pytest.mark.parametrize("family", ["lightgbm", "xgboost"])
def test_a_declared_form_is_fitted_exported_and_made_again_bit_for_bit(family: str, tmp_path: Path) -> None:
    means = Candidate(name="means", family=family, params={"categories": "means", "rounds": 20})
    training = Training(candidates=(means,), calibration=("none",), smote=False, learning_curve=False)
    training_set = a_training_set(a_frame(400, timed=False))
    result = train(a_task(), training, training_set, now=NOW)
    assert result.model.preparation.names == ("signal", "noise", "group: mean yes")
    again = refit(Recipe.from_json(json.loads(json.dumps(result.recipe.to_json()))), a_task(), training_set, result)
    assert again.equals(result.evaluation.predictions)
    result.model.export(tmp_path / "model")
    restored = Model.restore(tmp_path / "model")
    np.testing.assert_array_equal(restored.predict(result.self_test.vectors), result.self_test.outputs)
    strange = np.array([[0.1, 0.2, level] for level in (0.0, np.nan, -1.0, 9.0)])
    score = row_scorer(restored, may_be_infinite=True)
    np.testing.assert_array_equal([score(row.tobytes()) for row in strange], restored.predict(strange))
    assert set(result.diagnostics.importance) == {"signal", "noise", "group"}


def test_the_search_finds_the_form_that_many_levels_need() -> None:
    random = np.random.default_rng(5)
    frame = a_frame(1500, timed=False)
    levels = random.integers(0, 60, 1500)
    chance = random.random(60)[levels]
    frame = frame.with_columns(
        group=pl.Series([f"l{level}" for level in levels]),
        label=pl.Series(np.where(random.random(1500) < chance, "yes", "no")),
    )
    small = Candidate(name="small", family="lightgbm", params={"num_leaves": 4, "rounds": 20, "learning_rate": 0.2})
    training = Training(candidates=(small,), tune=Tune(trials=6, windows=1), calibration=("none",), smote=False)
    result = train(a_task(), training, a_training_set(frame), now=NOW)
    tried = {
        trial.params["categories"] for report in result.candidates if report.tuning for trial in report.tuning.trials
    }
    assert tried == {"codes", "means", "both"}
    assert result.recipe.params["categories"] != "codes"


def test_a_form_that_there_is_not_is_told_with_those_that_there_are() -> None:
    recipe = Recipe("own", "lightgbm", {"rounds": 5, "categories": "mean"}, ("signal", "noise", "group"), seed=1)
    with pytest.raises(ValueError, match="categories is 'mean'; it may be codes, means, both"):
        fit_recipe(recipe, find_family("lightgbm"), some_rows(), ())
