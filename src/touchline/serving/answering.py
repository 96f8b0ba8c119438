"""The answer to one predict request: check, score, log, tell. Raises `Problem` for whatever does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from touchline.errors import FeatureNotANumber
from touchline.serving.predict import Predictor
from touchline.serving.problems import FieldProblem, InvalidRequest, NoRelease, Overloaded
from touchline.serving.releases import ReleaseSlot
from touchline.serving.scored import Answered, Ask, Row
from touchline.serving.state import Serving

_JSON = orjson.OPT_UTC_Z


def predictor_of(slot: ReleaseSlot) -> Predictor:
    """The predictor that answers now, or `NoRelease` with the reason."""
    current = slot.current
    if current is not None:
        return current
    if slot.refused is not None:
        raise NoRelease(slot.project, f"release {slot.refused.release_id} does not load ({slot.refused.reason})")
    if slot.unreachable is not None:
        raise NoRelease(slot.project, f"the journal cannot be read ({slot.unreachable})")
    raise NoRelease(slot.project, "no version is in Production. Train and promote one: touchline train, models promote")


def answer_body(serving: Serving, slot: ReleaseSlot, body: bytes, correlation_id: str | None) -> bytes:
    """The JSON answer to a request body."""
    predictor = predictor_of(slot)
    rows, is_many = predictor.read_body(body, serving.limits.rows)
    answered = answer_rows(serving, slot, predictor, rows, correlation_id)
    if is_many:
        return orjson.dumps({"predictions": [one.answer for one in answered]}, option=_JSON)
    return orjson.dumps(answered[0].answer, option=_JSON)


def answer_rows(
    serving: Serving,
    slot: ReleaseSlot,
    predictor: Predictor,
    rows: Sequence[Row],
    correlation_id: str | None,
) -> list[Answered]:
    """Score checked rows and log them. What cannot be logged is not answered."""
    if not serving.log.has_room:
        raise Overloaded("The prediction log is full because its disk and database are away.", retry_after_seconds=5)
    new_id = serving.ids.next
    ask = Ask(new_id(), correlation_id, slot.now(), slot.wall())
    try:
        answered = predictor.answer(rows, ask, new_id)
    except FeatureNotANumber as wrong:
        raise InvalidRequest([FieldProblem(wrong.column, str(wrong), None, "number")]) from wrong
    for one in answered:
        serving.log.record(one.line)
    slot.meter.scored(predictor.release.version, answered)
    return answered


class PredictHere:
    """Predictions for a project's own routes: the same checks, log and release as `/predict`."""

    def __init__(self, serving: Serving, project: str) -> None:
        self._serving, self.project = serving, project

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answers to rows, as `/predict` gives them. Raises `Problem`, which the server turns into a response."""
        slot = self._serving.slots[self.project]
        predictor = predictor_of(slot)
        checked, _ = predictor.read_body(orjson.dumps(list(rows)), self._serving.limits.rows)
        answered = answer_rows(self._serving, slot, predictor, checked, None)
        return [one.answer for one in answered]
