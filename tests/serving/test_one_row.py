"""The short way of one row gives what the long way of many gives, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest

from tests.serving.builders import NOW, Ratings, a_match_release, a_release
from tests.serving.bundles import a_model
from touchline.features import ColumnSpec, RowPlan
from touchline.registry import InputField
from touchline.serving.predicting.one_row import row_scorer
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext
from touchline.training import ClassShares, Model
from touchline.training.calibration_methods import CALIBRATION_METHODS, CalibrationMethod
from touchline.training.fitting.calibration import fit_calibrator

_KEYS, _REST = {"home_team": "A", "away_team": "Z"}, {"cutoff": None, "example_id": None, "features": None}
ASK = RequestContext("r", None, NOW, NOW)


def _calibrated(model: Model, method: CalibrationMethod) -> Model:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(3000, len(model.columns)))
    labels = (vectors[:, 0] + random.normal(size=3000) > 0).astype(np.int64)
    return replace(model, calibrator=fit_calibrator(method, labels, model.predict(vectors)))


@pytest.mark.parametrize("shares", [None, ClassShares((0.4, 0.6), (0.7, 0.3))])
@pytest.mark.parametrize("method", CALIBRATION_METHODS)
@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
def test_a_row_alone_scores_as_among_others(family: str, method: CalibrationMethod, shares: ClassShares | None) -> None:
    plain = a_model(family, rounds=20, num_leaves=7) if family == "lightgbm" else a_model(family)
    model = replace(_calibrated(plain, method), shares=shares)
    score = row_scorer(model, may_be_infinite=True)
    vectors = np.random.default_rng(6).normal(size=(100, 4)) * 10
    vectors[::3, 1], vectors[::5, 2], vectors[::7, 3] = np.nan, np.inf, -np.inf
    outputs = model.predict(vectors)
    for vector, output in zip(vectors, outputs, strict=True):
        assert score(vector.tobytes()) == output.tolist()


def test_nulls_and_categories_are_encoded_alike() -> None:
    columns = (
        ColumnSpec("age", "number"),
        ColumnSpec("colour", "category", ("blue", "red")),
        ColumnSpec("size", "number"),
    )
    plan = RowPlan(columns)
    rows = [{"age": 3, "colour": "red", "size": True}, {"age": None, "colour": "green"}, {"colour": None, "size": 2.5}]
    rows += [{"age": NOW, "size": None}]
    for row in rows:
        assert plan.vector(row, NOW) == plan.vectors([row], [NOW]).tobytes()


def test_one_row_is_answered_as_a_list_of_it_is() -> None:
    model = a_model("lightgbm", rounds=20)
    inputs = tuple(InputField(column.name, {"type": "number"}) for column in model.columns)
    release = a_release(columns=model.columns, model=model, classes=model.classes, inputs=inputs, example=None)
    predictor = Predictor(release, None)
    rows, _ = predictor.requests.read_body(b'{"x0": 0.25, "x1": -1, "x2": 3e-7, "x3": 1}', 1)
    alone, among = predictor.answer_one(rows[0], ASK, lambda: "p"), predictor.answer(rows, ASK, lambda: "p")[0]
    assert (alone.answer, alone.line) == (among.answer, among.line)


@pytest.mark.parametrize("lacking", [(), ("height",)])
def test_both_forms_of_an_answer_say_the_same(lacking: tuple[str, ...]) -> None:
    release = a_match_release(classes=('"a"', "ü"))
    reader = Ratings({"A": 1.0, "B": 2.0})
    answered = Predictor(release, reader).answer_one({**_KEYS, **_REST}, ASK, lambda: "p")
    answered.candidate_lacks = lacking
    assert answered.json == orjson.dumps(answered.answer, option=orjson.OPT_UTC_Z)
    assert ("candidate_lacks" in answered.answer) == bool(lacking)
