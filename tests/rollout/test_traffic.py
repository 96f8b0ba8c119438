"""Requests while a rollout runs, through a real server: who answers, what is logged, what a faulty candidate costs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from tests.serving.builders import INPUTS, Logit, Server, Shelf, a_release, a_server, wait_for
from touchline.features.vectors.columns import Vectors
from touchline.registry import InputField
from touchline.rollout import Routing
from touchline.serving import Head
from touchline.storage.tables import predictions

OLD, NEW = a_release(1, slope=0.1), a_release(2, slope=0.3)
USER = InputField("user", {"anyOf": [{"type": "string"}, {"type": "null"}]}, is_required=False)


@dataclass
class Rollout(Shelf):
    """A shelf with a rollout."""

    routing: Routing | None = None
    beside: tuple[str, ...] = ()

    def head(self) -> Head:
        return replace(super().head(), routing=self.routing, beside=self.beside)

    def route(self, routing: Routing | None) -> None:
        self.routing, self.sequence = routing, self.sequence + 1


class Broken:
    """A model that fails for customers above 50."""

    def predict(self, vectors: Vectors) -> Vectors:
        if (vectors[:, 0] > 50).any():
            raise RuntimeError("no customers above 50 here")
        return Logit(0.3).predict(vectors)


def a_routing(mode: Any = "ab", **changes: Any) -> Routing:
    return Routing(
        **{"experiment": "e1", "mode": mode, "salt": "s", "reference": OLD.id, "candidate": NEW.id, **changes}
    )


@contextmanager
def a_rollout(folder: Path, routing: Routing, candidate: Any = NEW, production: Any = OLD) -> Iterator[Server]:
    shelf = Rollout.of(production, candidate)
    assert isinstance(shelf, Rollout)
    shelf.routing = replace(routing, reference=production.id, candidate=candidate.id)
    shelf.beside = (candidate.id,)
    with a_server(folder, shelf) as server:
        server.serving.slots["shop"].source = shelf  # type: ignore[attr-defined]  # for tests that move it
        yield server


def logged(server: Server, count: int) -> list[Any]:
    def rows() -> list[Any]:
        with server.database.connect() as connection:
            found = connection.execute(sa.select(predictions).order_by(predictions.c.prediction_id)).all()
        return list(found) if len(found) >= count else []

    return list(wait_for(rows))


def test_a_unit_keeps_its_variant_and_the_log_says_all_that_a_verdict_needs(tmp_path: Path) -> None:
    old, new = (replace_inputs(release) for release in (OLD, NEW))
    with a_rollout(tmp_path, a_routing(share=50, unit="user"), new, old) as server:
        bodies = [{"age": 30, "user": f"u{number}"} for number in range(40)] * 2
        answers = [server.client.post("/predict", json=body).json() for body in bodies]
        rows = logged(server, 160)
    by_user: dict[str, set[str]] = {}
    for body, answer in zip(bodies, answers, strict=True):
        by_user.setdefault(str(body["user"]), set()).add(answer["variant"])
        assert answer["release"] == (new.id if answer["variant"] == "candidate" else old.id)
    assert all(len(variants) == 1 for variants in by_user.values())
    assert 8 < sum(variants == {"candidate"} for variants in by_user.values()) < 32
    given = {row.prediction_id: row for row in rows if row.role == "answer"}
    assert {given[answer["prediction_id"]].variant for answer in answers} == {"candidate", "production"}
    assert all(row.experiment == "e1" and row.salt == "s" and row.seconds > 0 for row in given.values())
    assert {row.probability for row in given.values()} == {0.5}
    shadows = {row.answer_id: row for row in rows if row.role == "shadow"}
    assert shadows.keys() == given.keys()
    assert all(shadows[key].variant != given[key].variant for key in given)
    assert all(shadows[key].release_id != given[key].release_id for key in given)


def replace_inputs(release: Any) -> Any:
    return a_release(release.version, slope=release.model.slope, inputs=(*INPUTS, USER))


def test_in_a_shadow_production_answers_and_the_candidate_predicts_the_same_rows(tmp_path: Path) -> None:
    with a_rollout(tmp_path, a_routing("shadow")) as server:
        ages = list(range(20, 60))
        one = server.client.post("/predict", json={"age": 19}).json()
        many = server.client.post("/predict", json=[{"age": age} for age in ages]).json()["predictions"]
        rows = logged(server, 82)
    assert {answer["release"] for answer in (one, *many)} == {OLD.id}
    answers = {row.prediction_id: row for row in rows if row.role == "answer"}
    shadows = [row for row in rows if row.role == "shadow"]
    assert {row.experiment for row in answers.values()} == {None}
    assert {row.answer_id for row in shadows} == answers.keys()
    for row in shadows:
        age = np.frombuffer(row.vector, "<f8")[:1]
        assert row.release_id == NEW.id
        assert row.request_id == answers[row.answer_id].request_id
        assert row.output["probabilities"]["yes"] == pytest.approx(Logit(0.3).predict(age[None, :])[0, 0])


def test_a_candidate_that_fails_costs_no_request_and_is_counted(tmp_path: Path) -> None:
    broken = a_release(2, model=Broken())
    with a_rollout(tmp_path, a_routing(share=100), broken) as server:
        answers = [server.client.post("/predict", json={"age": age}).json() for age in (30, 70)]
        rows = logged(server, 3)
    assert [answer["variant"] for answer in answers] == ["candidate", "production"]
    roles = Counter((row.variant, row.role) for row in rows if row.role != "shadow")
    assert roles == {("candidate", "answer"): 1, ("candidate", "failed"): 1, ("production", "answer"): 1}
    failed = next(row for row in rows if row.role == "failed")
    assert failed.output["error"] == "RuntimeError: no customers above 50 here"
    fallback = next(row for row in rows if row.variant == "production" and row.role == "answer")
    assert fallback.probability == 1.0  # not drawn: it counts for nothing


class Slow:
    """A model that takes a while for a row, and longer for one customer."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def predict(self, vectors: Vectors) -> Vectors:
        time.sleep(0.003)
        if (vectors[:, 0] == 50).any():
            self.begun.set()
            self.may_end.wait(120)
        return Logit(0.3).predict(vectors)


def test_no_other_request_waits_while_a_slow_candidate_answers(tmp_path: Path) -> None:
    slow = Slow()
    routing = a_routing("canary", share=1, unit="user", overrides={"anna": "candidate"})
    old, new = replace_inputs(OLD), a_release(2, model=slow, inputs=(*INPUTS, USER))
    with a_rollout(tmp_path, routing, new, old) as server, ThreadPoolExecutor(1) as pool:
        hers = pool.submit(server.client.post, "/predict", json={"age": 50, "user": "anna"})
        assert slow.begun.wait(120)
        other = server.client.post("/predict", json={"age": 30, "user": None}).json()
        assert not hers.done()
        slow.may_end.set()
        assert (other["variant"], hers.result().json()["variant"]) == ("production", "candidate")


def test_a_shadow_that_fails_is_logged_and_its_neighbours_are_predicted(tmp_path: Path) -> None:
    with a_rollout(tmp_path, a_routing("shadow"), a_release(2, model=Broken())) as server:
        server.client.post("/predict", json=[{"age": age} for age in (30, 70, 40)])
        rows = logged(server, 6)
    assert Counter(row.role for row in rows) == {"answer": 3, "shadow": 2, "failed": 1}


def test_a_candidate_with_fewer_inputs_gets_what_it_knows(tmp_path: Path) -> None:
    fewer = a_release(2, slope=0.3, inputs=INPUTS[:1])
    with a_rollout(tmp_path, a_routing(share=100), fewer) as server:
        answer = server.client.post("/predict", json={"age": 30, "colour": "red"}).json()
    assert answer["variant"] == "candidate"


HEIGHT = InputField("height", {"type": "number", "minimum": 0})


@pytest.mark.parametrize("mode", ["ab", "shadow"])
def test_a_request_without_a_new_field_is_answered_by_production_and_left_out(tmp_path: Path, mode: str) -> None:
    more = a_release(2, slope=0.3, inputs=(*INPUTS, HEIGHT))
    with a_rollout(tmp_path, a_routing(mode, share=100), more) as server:
        lacking = server.client.post("/predict", json={"age": 30}).json()
        whole = server.client.post("/predict", json={"age": 40, "height": 1.8}).json()
        rows = logged(server, 4)
    assert (lacking["release"], lacking["candidate_lacks"]) == (OLD.id, ["height"])
    assert "candidate_lacks" not in whole
    assert whole["variant"] == ("candidate" if mode == "ab" else "production")
    of_lacking = [row for row in rows if lacking["prediction_id"] in (row.prediction_id, row.answer_id)]
    assert {(row.variant, row.role, row.experiment) for row in of_lacking} == {
        ("production", "answer", None),
        ("candidate", "incomplete", "e1"),
    }
    of_whole = [row for row in rows if row not in of_lacking]
    assert sorted(row.role for row in of_whole) == ["answer", "shadow"]
    assert {row.release_id: row.inputs.get("height") for row in of_whole} == {OLD.id: None, more.id: 1.8}


def test_only_a_field_of_no_release_or_a_wrong_value_of_a_new_one_is_refused(tmp_path: Path) -> None:
    more = a_release(2, inputs=(*INPUTS, HEIGHT))
    with a_rollout(tmp_path, a_routing("shadow"), more) as server:
        bodies: list[dict[str, object]] = [{"heigth": 1.8}, {"height": -1}, {"height": "tall"}, {"height": None}]
        answers = [server.client.post("/predict", json={"age": 30, **body}) for body in bodies]
        listed = server.client.post("/predict", json=[{"age": 30}, {"age": 30, "height": 2}, {"age": 3, "heigth": 1}])
    assert [answer.status_code for answer in answers] == [422] * 4
    assert "height" in answers[0].json()["errors"][0]["allowed"]
    assert [problem["field"] for problem in listed.json()["errors"]] == ["2.heigth"]


def test_a_new_field_whose_null_is_a_value_counts_as_given(tmp_path: Path) -> None:
    nullable = InputField("height", {"anyOf": [{"type": "number"}, {"type": "null"}]})
    with a_rollout(tmp_path, a_routing(share=100), a_release(2, inputs=(*INPUTS, nullable))) as server:
        answers = [server.client.post("/predict", json={"age": 30, **row}).json() for row in ({"height": None}, {})]
    assert [answer["variant"] for answer in answers] == ["candidate", "production"]


def test_clients_that_send_the_fields_of_either_version_are_answered_after_the_decision(tmp_path: Path) -> None:
    more = a_release(2, inputs=(INPUTS[0], HEIGHT))
    shelf = Rollout.of(OLD, more)
    assert isinstance(shelf, Rollout)
    shelf.beside = (more.id,)
    body = {"age": 30, "colour": "red", "height": 1.8}
    with a_server(tmp_path, shelf) as server:
        slot = server.serving.slots["shop"]
        before = server.client.post("/predict", json=body).json()
        shelf.beside = (OLD.id,)
        shelf.promote(more.id)
        wait_for(lambda: slot.current is not None and slot.current.release.id == more.id)
        after = server.client.post("/predict", json=body).json()
        shelf.beside = ()
        shelf.sequence += 1
        wait_for(lambda: server.client.post("/predict", json=body).status_code == 422)
        alone = server.client.post("/predict", json=body)
    assert (before["release"], after["release"]) == (OLD.id, more.id)
    assert [problem["field"] for problem in alone.json()["errors"]] == ["colour"]


def test_a_prediction_of_the_candidate_is_explained_by_the_candidate(tmp_path: Path) -> None:
    with a_rollout(tmp_path, a_routing(share=100)) as server:
        answer = server.client.post("/predict", json={"age": 30}).json()
        logged(server, 1)
        told = server.client.post("/explain", json={"prediction_id": answer["prediction_id"]})
    assert answer["variant"] == "candidate"
    assert "has no explanation" in told.json()["detail"]  # its own release was found; this kind of model has none
    assert NEW.id in told.json()["detail"]


def test_a_canary_has_no_shadow_and_an_override_is_said(tmp_path: Path) -> None:
    old, new = (replace_inputs(release) for release in (OLD, NEW))
    routing = a_routing("canary", share=1, unit="user", overrides={"anna": "candidate"})
    with a_rollout(tmp_path, routing, new, old) as server:
        anna = server.client.post("/predict", json={"age": 30, "user": "anna"}).json()
        nobody = server.client.post("/predict", json={"age": 30}).json()
        rows = logged(server, 2)
    assert (anna["variant"], nobody["variant"]) == ("candidate", "production")
    assert [(row.override, row.unit, row.probability, row.role) for row in rows] == [
        (True, "anna", 1.0, "answer"),
        (False, None, 1.0, "answer"),
    ]


def test_a_new_production_ends_the_routing_at_once_and_a_probe_counts_nowhere(tmp_path: Path) -> None:
    shelf = Rollout.of(OLD, NEW)
    assert isinstance(shelf, Rollout)
    shelf.routing = a_routing(share=100)
    with a_server(tmp_path, shelf) as server:
        assert server.client.post("/predict", json={"age": 30}).json()["variant"] == "candidate"
        probe = server.client.post("/predict", json={"age": 30}, headers={"X-Correlation-Id": "touchline-probe"}).json()
        assert probe["release"] == OLD.id  # Production, whatever the split says
        shelf.promote(NEW.id)
        slot = server.serving.slots["shop"]
        wait_for(lambda: slot.current is not None and slot.current.release.id == NEW.id and slot.traffic is None)
        after = server.client.post("/predict", json={"age": 30}).json()
        rows = logged(server, 4)
    assert (after["release"], after["variant"]) == (NEW.id, "production")
    assert [row.role for row in rows if row.correlation_id == "touchline-probe"] == ["probe"]


def test_a_candidate_that_does_not_load_is_named_and_production_answers(tmp_path: Path) -> None:
    shelf = Rollout.of(OLD)
    assert isinstance(shelf, Rollout)
    shelf.routing = a_routing(share=50)
    with a_server(tmp_path, shelf) as server:
        answer = server.client.post("/predict", json={"age": 30}).json()
        model = server.client.get("/health").json()["models"]["shop"]
    assert answer["release"] == OLD.id
    assert model["status"] == "degraded"
    assert model["rollout"]["candidate"] == NEW.id
