"""Predictions beside the answers: none is lost, one row's failure is its own, and the log names the answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.serving.builders import NOW, Logit, Ratings, a_match_release, a_release
from touchline.errors import ReleaseNotFound
from touchline.features.vectors.columns import Vectors
from touchline.predictions.spool_drain import RowsRefused
from touchline.registry import LoadedRelease
from touchline.rollout import Routing
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, Row
from touchline.serving.predicting.traffic import Traffic
from touchline.serving.shadow.shadow_writer import ShadowWriter
from touchline.storage.ulids import Ulids

OLD, NEW = a_release(1, slope=0.1), a_release(2, slope=0.3)
OTHER_COLUMNS = a_release(2, slope=0.3, columns=OLD.columns[::-1])


class Picky:
    """A model that fails for a row above 50, wherever in the batch it is; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, vectors: Vectors) -> Vectors:
        self.calls += 1
        if (vectors > 50).any():
            raise RuntimeError("nobody above 50 here")
        return Logit(0.3).predict(vectors)


class Beside:
    """The lines of answers, and the predictions beside them: what the process of a shadow does."""

    def __init__(self, *predictors: Predictor, most: int = 10_000) -> None:
        self.waiting: list[bytes] = []
        self.logged: list[bytes] = []
        self._most = most
        by_id = {predictor.release.id: predictor for predictor in predictors}
        self._writer = ShadowWriter("shop", by_id.__getitem__, self)

    def may_wait(self) -> bool:
        return len(self.waiting) < self._most

    def write(self, lines: Sequence[bytes]) -> None:
        self.logged += lines

    def predict(self) -> list[dict[str, Any]]:
        self.logged.clear()
        self._writer.write(self.waiting)
        return [json.loads(line) for line in self.logged]


def a_traffic(candidate: LoadedRelease, *, most: int = 10_000) -> tuple[Traffic, Beside]:
    routing = Routing("e1", "shadow", "s", OLD.id, candidate.id)
    predictor = Predictor(candidate, None)
    beside = Beside(predictor, most=most)
    return Traffic(routing, Predictor(OLD, None), predictor, beside.logged.append, beside.may_wait), beside


def a_row(age: float) -> Row:
    return {"age": age, "colour": "red", "cutoff": None, "example_id": None}


def ask(traffic: Traffic, waiting: Beside, ages: list[float]) -> dict[str, Any]:
    """Answer rows; their lines by prediction id."""
    new_id = Ulids().next
    context = RequestContext("r1", None, NOW, NOW)
    lines = []
    for age in ages:
        lines.append(traffic.answer_one(a_row(age), context, new_id).line)
        waiting.waiting.append(lines[-1])
    return {line["prediction_id"]: line for line in map(json.loads, lines)}


@pytest.mark.parametrize("candidate", [NEW, OTHER_COLUMNS], ids=["same vectors", "vectors of its own"])
def test_every_row_is_predicted_beside_its_answer(candidate: LoadedRelease) -> None:
    traffic, waiting = a_traffic(candidate)
    answers = ask(traffic, waiting, [float(age % 50) for age in range(600)])
    beside, alone = waiting.predict(), Predictor(candidate, None)
    assert Counter(row["answer_id"] for row in beside) == Counter(answers.keys())
    for row in beside:
        answer = answers[row["answer_id"]]
        assert (row["release_id"], row["variant"], row["role"]) == (candidate.id, "candidate", "shadow")
        same = ("request_id", "cutoff", "answered_at", "inputs", "entity_keys", "views", "example_id")
        assert {name: row[name] for name in same} == {name: answer[name] for name in same}
        own = alone.answer_one(a_row(row["inputs"]["age"]), RequestContext("", None, NOW, NOW), str)
        assert row["output"] == {"probabilities": own.answer["probabilities"]}
        assert row["vector"] == json.loads(own.line)["vector"]
    again = waiting.predict()  # as after a kill: the same ids, so each is stored once
    assert {row["prediction_id"] for row in again} == {row["prediction_id"] for row in beside}


@pytest.mark.parametrize("columns", [OLD.columns, OLD.columns[::-1]], ids=["same vectors", "vectors of its own"])
def test_a_few_rows_that_fail_cost_few_calls_and_no_neighbour(columns: Any) -> None:
    picky = Picky()
    candidate = a_release(2, model=picky, columns=columns)
    traffic, waiting = a_traffic(candidate)
    answers = ask(traffic, waiting, [60.0 if number in (7, 130) else 30.0 for number in range(200)])
    rows = waiting.predict()
    assert Counter(row["role"] for row in rows) == {"shadow": 198, "failed": 2}
    assert {row["answer_id"] for row in rows} == answers.keys()
    failed = next(row for row in rows if row["role"] == "failed")
    assert failed["output"] == {"error": "RuntimeError: nobody above 50 here"}
    assert failed["inputs"] == answers[failed["answer_id"]]["inputs"]
    assert picky.calls < 100


def test_rows_that_no_more_place_is_for_are_counted_and_answered() -> None:
    traffic, waiting = a_traffic(NEW, most=4)
    assert len(ask(traffic, waiting, [30.0] * 6)) == 6
    assert (len(waiting.predict()), traffic.left_out) == (4, 2)


def test_rows_of_a_release_that_is_gone_and_lines_that_are_no_rows_are_refused_with_the_reason() -> None:
    def gone(release_id: str) -> Predictor:
        raise ReleaseNotFound("shop", release_id)

    traffic, waiting = a_traffic(NEW)
    ask(traffic, waiting, [30.0])
    with pytest.raises(RowsRefused, match="ReleaseNotFound: "):
        ShadowWriter("shop", gone, waiting).write(waiting.waiting)
    with pytest.raises(RowsRefused, match="not a row that waits"):
        ShadowWriter("shop", gone, waiting).write([b'{"prediction_id":"1","beside":{}}'])


def test_answers_that_wait_for_no_version_and_those_of_other_projects_are_passed_over() -> None:
    traffic, waiting = a_traffic(NEW)
    ask(traffic, waiting, [30.0])
    alone = Predictor(OLD, None).answer_one(a_row(30.0), RequestContext("r1", None, NOW, NOW), Ulids().next).line
    text_of_an_input = alone.replace(b'"red"', b'"a,\\"beside\\":{"')
    waiting.waiting += [alone, text_of_an_input, waiting.waiting[0].replace(b'"shop"', b'"other"'), b"no row"]
    assert len(waiting.predict()) == 1


def test_both_versions_of_a_pair_see_the_features_that_the_answer_saw() -> None:
    old, new = a_match_release(1), a_match_release(2, slope=0.3)
    store = Ratings({"A": 1.5, "B": 2.5})
    routing = Routing("e1", "shadow", "s", old.id, new.id)
    candidate = Predictor(new, None)  # it could not read again
    waiting = Beside(candidate)
    traffic = Traffic(routing, Predictor(old, store), candidate, waiting.logged.append, waiting.may_wait)
    row = {"home_team": "A", "away_team": "B", "features": None, "cutoff": None, "example_id": None}
    answered = traffic.answer_one(row, RequestContext("r1", None, NOW, NOW), Ulids().next)
    waiting.waiting.append(answered.line)
    answer, (beside,) = json.loads(answered.line), waiting.predict()
    assert (beside["role"], beside["release_id"]) == ("shadow", new.id)
    assert {name: beside[name] for name in ("vector", "views")} == {name: answer[name] for name in ("vector", "views")}
    assert beside["output"]["probabilities"]["yes"] == Logit(0.3).predict(np.array([[1.5, 2.5]]))[0, 0]
