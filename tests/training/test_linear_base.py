"""Numbers in time compete on a linear regression too, which goes on where trees stand still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, a_frame, a_regression, a_training_set
from touchline import plugins
from touchline.features import TrainingSet
from touchline.training import Candidate, Model, Training, TrainingOptions, TrainingResult, train
from touchline.training.estimators.base import GROUP, FitRequest, FitRows
from touchline.training.fitting.blend import find_family, own_families
from touchline.training.fitting.curved_target import CurvedTargetFamily
from touchline.training.fitting.linear_base import LinearBaseFamily, fit_linear_base
from touchline.training.fitting.wrapped_families import inner_name

QUICK_TREES = Candidate(name="lightgbm", family="lightgbm", params={"learning_rate": 0.3, "num_leaves": 7})
TREES = Training(candidates=(QUICK_TREES,), blend=False, learning_curve=False)


def growing() -> TrainingSet:
    """A number that grows from day to day, with steps that a line does not have."""
    frame = a_frame(1200, seed=3)
    days, group = np.arange(1200) / 10, (frame["group"] == "a").to_numpy()
    labels = 50 + 0.5 * days + 20 * (frame["signal"].to_numpy() > 0) * group
    return a_training_set(frame.with_columns(noise=pl.Series(days), label=pl.Series(labels)))


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    options = TrainingOptions(has_diagnostics=False)
    return train(a_regression(), TREES, growing(), now=NOW, options=options)


def test_a_trend_that_goes_on_is_learned_by_trees_on_a_line(result: TrainingResult) -> None:
    assert result.best_candidate == "lightgbm+linear"
    scores = {report.name: report.score or np.inf for report in result.candidates}
    assert scores["lightgbm+linear"] < 0.3 * scores["lightgbm"]
    assert result.evaluation.metrics["rmse"].value < 4


def test_it_is_restored_to_the_same_predictions(result: TrainingResult, tmp_path: Path) -> None:
    result.model.export(tmp_path / "model")
    vectors = growing().vectors()
    restored = Model.restore(tmp_path / "model")
    assert np.array_equal(restored.predict(vectors), result.model.predict(vectors))
    assert np.array_equal(restored.predict(vectors[:1]), result.model.predict(vectors)[:1])


def test_the_names_of_wrapped_families_lead_to_the_inner_one() -> None:
    both = CurvedTargetFamily(LinearBaseFamily(plugins.load(GROUP, "lightgbm")))
    assert inner_name(both.name) == ("lightgbm", 2)
    assert find_family(both.name).name == both.name
    assert set(own_families(both)) == {"lightgbm"}


def test_an_unseen_code_and_a_null_add_nothing_and_a_far_number_counts_as_a_limit() -> None:
    matrix = np.array([[float(i), i % 2] for i in range(20)])
    base = fit_linear_base(FitRows(matrix, 3.0 * matrix[:, 0] + 10.0 * matrix[:, 1]), (1,))
    rows = np.array([[9.5, 0.0], [9.5, 1.0], [9.5, 7.0], [9.5, np.nan], [np.nan, 0.0], [1e30, 0.0], [28.5, 0.0]])
    zero, one, unseen, null, middle, far, limit = base.predict(rows).tolist()
    assert one - zero == pytest.approx(10, rel=0.2)
    assert unseen == null == pytest.approx((zero + one) / 2)
    assert (middle, far) == (zero, limit)


def test_a_row_has_the_same_base_alone_and_among_others() -> None:
    random = np.random.default_rng(5)
    matrix = np.concatenate([random.normal(size=(60, 21)), random.integers(0, 4, (60, 13)).astype(float)], axis=1)
    base = fit_linear_base(FitRows(matrix, random.normal(size=60)), tuple(range(21, 34)))
    assert [base.predict(matrix[[place]])[0] for place in range(60)] == base.predict(matrix).tolist()


def test_only_the_rest_of_the_labels_is_left_for_the_trees() -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(400, 2))
    labels = 5.0 * matrix[:, 0] + 3.0
    family = plugins.load(GROUP, "lightgbm")
    request = FitRequest(
        "regression", 0, FitRows(matrix, labels), None, {**family.defaults("regression"), "rounds": 5}, 1
    )
    fitted = LinearBaseFamily(family).fit(request)
    beyond = np.array([[4.0, 0.0], [-4.0, 0.0]])
    assert fitted.predict(beyond)[:, 0] == pytest.approx([23.0, -17.0], abs=0.5)
