"""A target with a long tail competes curved, and the predictions are means of the labels all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, a_frame, a_regression, a_training_set
from touchline import plugins
from touchline.features import TrainingSet
from touchline.training import Model, Training, train
from touchline.training.estimators.base import FitRequest, FitRows
from touchline.training.fitting.blend import own_families
from touchline.training.fitting.curved_target import CurvedTargetFamily, has_long_tail


def long_tailed(rows: int = 1500, sign: float = 1.0) -> TrainingSet:
    random = np.random.default_rng(4)
    frame = a_frame(rows, timed=False)
    labels = sign * np.exp(1.5 * frame["signal"].to_numpy() + random.normal(scale=0.4, size=rows))
    return a_training_set(frame.with_columns(label=pl.Series(labels)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_curved_target_wins_where_the_tail_is_long(sign: float) -> None:
    result = train(a_regression(), Training(candidates=("ridge",), blend=False), long_tailed(sign=sign), now=NOW)
    assert result.best_candidate == "ridge+curved"
    scores = {report.name: report.score for report in result.candidates}
    assert scores["ridge+curved"] is not None
    assert scores["ridge"] is not None
    assert scores["ridge+curved"] < 0.8 * scores["ridge"]


def test_labels_without_a_long_tail_bring_no_curved_candidate() -> None:
    random = np.random.default_rng(1)
    assert not has_long_tail(random.normal(size=1000))
    assert has_long_tail(np.exp(random.normal(size=1000)))
    assert not has_long_tail(np.full(10, 3.0))


@pytest.mark.parametrize("family", ["ridge", "lightgbm"])
def test_predictions_have_the_mean_of_the_labels_and_not_their_median(family: str) -> None:
    random = np.random.default_rng(2)
    matrix = random.normal(size=(6000, 2))
    labels = np.exp(matrix[:, 0] + random.normal(scale=1.0, size=6000))
    inner = plugins.load("touchline.estimators", family)
    held = FitRows(matrix[4000:5000], labels[4000:5000])
    fit = FitRequest("regression", 0, FitRows(matrix[:4000], labels[:4000]), held, inner.defaults("regression"), 1)
    values = CurvedTargetFamily(inner).fit(fit).predict(matrix[5000:])[:, 0]
    truth = np.exp(matrix[5000:, 0] + 0.5)  # the mean of a lognormal value
    assert values.mean() == pytest.approx(truth.mean(), rel=0.1)
    assert np.median(values / truth) == pytest.approx(1.0, abs=0.1)


def test_a_curved_model_and_its_blend_are_restored_to_the_same_predictions(tmp_path: Path) -> None:
    data = long_tailed(400)
    result = train(a_regression(), Training(candidates=("ridge", "lightgbm")), data, now=NOW)
    assert any(report.name.endswith("+curved") for report in result.candidates)
    assert not any("+linear" in report.name for report in result.candidates)  # its rows have no time
    result.model.export(tmp_path / "model")
    restored = Model.restore(tmp_path / "model")
    assert np.array_equal(restored.predict(data.vectors()), result.model.predict(data.vectors()))
    curved = CurvedTargetFamily(plugins.load("touchline.estimators", "ridge"))
    assert set(own_families(curved)) == {"ridge"}
