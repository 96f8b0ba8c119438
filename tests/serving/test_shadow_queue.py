"""Predictions beside the answers: none is lost, one row's failure is its own, and the log names the answer."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.serving.builders import NOW, Logit, Ratings, a_match_release, a_release, wait_for
from touchline.features.vectors.columns import Vectors
from touchline.registry import LoadedRelease
from touchline.rollout import Routing
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, Row
from touchline.serving.predicting.traffic import Traffic
from touchline.storage.ulids import Ulids

OLD, NEW = a_release(1, slope=0.1), a_release(2, slope=0.3)
OTHER_COLUMNS = a_release(2, slope=0.3, columns=OLD.columns[::-1])


class Picky:
    """A model that fails for a row above 50, wherever in the batch it is; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, vectors: Vectors) -> Vectors:
        self.calls += 1
        if (vectors[:, 0] > 50).any():
            raise RuntimeError("nobody above 50 here")
        return Logit(0.3).predict(vectors)


class Gated:
    """A model that answers once it may."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def predict(self, vectors: Vectors) -> Vectors:
        self.gate.wait(300)
        return Logit(0.3).predict(vectors)


def a_traffic(candidate: LoadedRelease, lines: list[bytes]) -> Traffic:
    routing = Routing("e1", "shadow", "s", OLD.id, candidate.id)
    return Traffic(routing, Predictor(OLD, None), Predictor(candidate, None), lines.append)


def a_row(age: float) -> Row:
    return {"age": age, "colour": "red", "cutoff": None, "example_id": None}


def ask(traffic: Traffic, ages: list[float]) -> dict[str, Any]:
    """Answer rows; their lines by prediction id."""
    new_id = Ulids().next
    context = RequestContext("r1", None, NOW, NOW)
    answered = [traffic.answer_one(a_row(age), context, new_id) for age in ages]
    return {one.answer["prediction_id"]: json.loads(one.line) for one in answered}


@pytest.mark.parametrize("candidate", [NEW, OTHER_COLUMNS], ids=["same vectors", "vectors of its own"])
def test_every_row_is_predicted_beside_its_answer(candidate: LoadedRelease) -> None:
    lines: list[bytes] = []
    traffic = a_traffic(candidate, lines)
    answers = ask(traffic, [float(age % 50) for age in range(600)])
    traffic.close()
    assert traffic.shadows is not None
    assert traffic.shadows.wait()
    beside, alone = [json.loads(line) for line in lines], Predictor(candidate, None)
    assert Counter(row["answer_id"] for row in beside) == Counter(answers.keys())
    for row in beside:
        answer = answers[row["answer_id"]]
        assert (row["release_id"], row["variant"], row["role"]) == (candidate.id, "candidate", "shadow")
        same = ("request_id", "cutoff", "answered_at", "inputs", "entity_keys", "views", "example_id")
        assert {name: row[name] for name in same} == {name: answer[name] for name in same}
        own = alone.answer_one(a_row(row["inputs"]["age"]), RequestContext("", None, NOW, NOW), str)
        assert row["output"] == {"probabilities": own.answer["probabilities"]}
        assert row["vector"] == own.vector.hex()


def test_a_few_rows_that_fail_cost_few_calls_and_no_neighbour() -> None:
    lines: list[bytes] = []
    picky = Picky()
    traffic = a_traffic(a_release(2, model=picky), lines)
    ask(traffic, [60.0 if number in (7, 130) else 30.0 for number in range(200)])
    traffic.close()
    assert traffic.shadows is not None
    assert traffic.shadows.wait()
    assert Counter(json.loads(line)["role"] for line in lines) == {"shadow": 198, "failed": 2}
    assert picky.calls < 100


def test_a_row_that_comes_after_the_end_is_predicted_too() -> None:
    lines: list[bytes] = []
    traffic = a_traffic(NEW, lines)
    traffic.close()
    assert traffic.shadows is not None
    assert traffic.shadows.wait()
    ask(traffic, [30.0, 40.0])  # a request that had begun before the rollout moved
    wait_for(lambda: len(lines) == 2)


def test_rows_beyond_a_full_queue_are_counted_and_no_answer_waits_for_it() -> None:
    lines: list[bytes] = []
    slow = Gated()
    traffic = a_traffic(a_release(2, model=slow), lines)
    answers = ask(traffic, [30.0] * 6000)
    shadows = traffic.shadows
    assert shadows is not None
    assert shadows.left_out > 0
    slow.gate.set()
    shadows.wait_until(0)
    traffic.close()
    assert shadows.wait()
    assert len(lines) + shadows.left_out == len(answers) == 6000


def test_both_versions_of_a_pair_see_the_features_that_the_answer_saw() -> None:
    old, new, lines = a_match_release(1), a_match_release(2, slope=0.3), list[bytes]()
    store = Ratings({"A": 1.5, "B": 2.5})
    routing = Routing("e1", "shadow", "s", old.id, new.id)
    traffic = Traffic(routing, Predictor(old, store), Predictor(new, None), lines.append)  # new could not read again
    row = {"home_team": "A", "away_team": "B", "features": None, "cutoff": None, "example_id": None}
    answered = traffic.answer_one(row, RequestContext("r1", None, NOW, NOW), Ulids().next)
    traffic.close()
    assert traffic.shadows is not None
    assert traffic.shadows.wait()
    answer, beside = json.loads(answered.line), json.loads(lines[0])
    assert (beside["role"], beside["release_id"]) == ("shadow", new.id)
    assert {name: beside[name] for name in ("vector", "views")} == {name: answer[name] for name in ("vector", "views")}
    assert beside["output"]["probabilities"]["yes"] == Logit(0.3).predict(np.array([[1.5, 2.5]]))[0, 0]
