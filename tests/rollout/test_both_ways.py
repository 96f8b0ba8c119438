"""While a rollout runs, a request that is answered within uvicorn's protocol is answered and logged as through ASGI."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.databases import a_database
from tests.rollout.test_traffic import HEIGHT, USER, Broken, Rollout, a_routing
from tests.serving.builders import INPUTS, a_release
from tests.serving.two_ways import Counted, Response, request_bytes, responses, two_ways
from touchline.storage.tables import predictions

OLD = a_release(1, slope=0.1, inputs=(*INPUTS, USER))
SAME = a_release(2, slope=0.3, inputs=(*INPUTS, USER))
FAULTY = a_release(2, model=Broken(), inputs=(*INPUTS, USER))
TALLER = a_release(2, slope=0.3, inputs=(*INPUTS, USER, HEIGHT))
_FAULTS = [{"age": 140}, {"age": 40, "shoe": 1}, {"age": "old"}, {"colour": "red"}, {"age": 40, "user": 5}]
_BODIES: list[dict[str, object]] = [
    *({"age": 20 + number, "user": f"u{number % 30}", "height": 1.8} for number in range(60)),
    *({"age": 70 - number, "user": f"u{number}"} for number in range(15)),
    {"age": 30, "user": None},
    {"age": 30, "colour": "grün", "user": "ü", "height": 2},
    {"age": 30, "user": "anna", "height": 1.7},
    {"age": 30, "user": "bert", "height": 1.7},
    {"age": 30, "user": "u1", "height": -1},
    {"age": 30, "user": "u1", "cutoff": "2009-04-10T00:00:00Z"},
    *_FAULTS,
]
# What differs by chance or by time.
_OWN = {"prediction_id", "request_id", "answer_id", "correlation_id", "seconds", "answered_at"}


@pytest.mark.parametrize("candidate", [SAME, FAULTY, TALLER], ids=["same", "faulty", "taller"])
@pytest.mark.parametrize("mode", ["shadow", "ab", "canary"])
def test_both_ways_answer_and_log_the_same(tmp_path: Path, mode: str, candidate: Any) -> None:
    overrides: dict[str, Any] = {"anna": "candidate", "bert": "production"}
    routing = a_routing(mode, share=40, unit="user", overrides=overrides)
    shelf = Rollout.of(OLD, candidate)
    assert isinstance(shelf, Rollout)
    shelf.routing = replace(routing, reference=OLD.id, candidate=candidate.id)
    shelf.beside = (candidate.id,)
    bodies = [body if candidate is TALLER else without_height(body) for body in _BODIES]
    with two_ways(tmp_path, shelf) as both:
        passed_on = Counted.passed_on
        answers = [ask(port, bodies) for port in both.ports]
        assert Counted.passed_on == passed_on
    at_once, by_asgi = (logged(tmp_path, port) for port in both.ports)
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]].count(200) >= len(bodies) - len(_FAULTS) - 2
    assert at_once == by_asgi
    roles = {row["role"] for rows in at_once.values() for row in rows}
    assert roles >= {"answer"} | ({"failed"} if candidate is FAULTY else set())
    assert ("shadow" in roles) == (mode != "canary")
    assert ("incomplete" in roles) == (candidate is TALLER)


def without_height(body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name != "height"}


def ask(port: int, bodies: list[dict[str, object]]) -> list[Response]:
    packets = [
        request_bytes(json.dumps(body, ensure_ascii=False).encode(), b"X-Correlation-ID: %d-%d" % (port, number))
        for number, body in enumerate(bodies)
    ]
    return responses(port, packets, len(bodies))


def logged(folder: Path, port: int) -> dict[int, list[dict[str, Any]]]:
    """The rows of one way by the number of the request; the server has ended, so all are stored."""
    database = a_database(folder)
    with database.connect() as connection:
        stored = connection.execute(sa.select(predictions)).mappings().all()
    database.close()
    answers, by_number = {row["prediction_id"] for row in stored}, defaultdict(list)
    for row in stored:
        of_port, number = map(int, row["correlation_id"].split("-"))
        if of_port == port:
            assert row["answer_id"] is None or row["answer_id"] in answers
            shown = {name: value for name, value in row.items() if name not in _OWN}
            is_beside, is_timed = row["answer_id"] is not None, row["seconds"] is not None
            by_number[number].append({**shown, "is_beside": is_beside, "is_timed": is_timed})
    for rows in by_number.values():
        rows.sort(key=lambda row: (row["role"], row["variant"]))
    return by_number
