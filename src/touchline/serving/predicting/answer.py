"""The answer to one predict request: check, score, log, tell. Raises `Problem` for whatever does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from touchline.errors import FeatureNotANumber
from touchline.http.problems import FieldProblem, InvalidRequest, NoRelease, Overloaded
from touchline.serving.http.state import Serving
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import Answered, Ask
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.storage.ulids import Ulids

# Larger bodies and batches are read and scored in a thread, so that a small request does not wait behind them.
_SMALL_BYTES = 16 * 1024
_FEW_ROWS = 32


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


async def answer_body(serving: Serving, slot: ReleaseSlot, body: bytes, correlation_id: str | None) -> bytes:
    """The JSON answer to a request body. What cannot be logged is not answered."""
    predictor = predictor_of(slot)
    if not serving.log.has_room:
        raise Overloaded("The prediction log is full because its disk and database are away.", retry_after_seconds=5)
    if len(body) <= _SMALL_BYTES:
        rows, is_many = predictor.read_body(body, serving.limits.rows)
    else:
        rows, is_many = await asyncio.to_thread(predictor.read_body, body, serving.limits.rows)
    ask = Ask(serving.ids.next(), correlation_id, slot.now(), slot.wall())
    try:
        if len(rows) > _FEW_ROWS:
            answered = await asyncio.to_thread(predictor.answer, rows, ask, Ulids().next)
        elif slot.waiting is not None and slot.waiting.predictor is predictor:
            answered = await slot.waiting.answer(rows, ask, serving.ids.next)
        elif len(rows) == 1:
            answered = [predictor.answer_one(rows[0], ask, serving.ids.next)]
        else:
            answered = predictor.answer(rows, ask, serving.ids.next)
    except FeatureNotANumber as wrong:
        raise InvalidRequest([FieldProblem(wrong.column, str(wrong), None, "number")]) from wrong
    _record(serving, slot, predictor, answered)
    if is_many:
        return orjson.dumps({"predictions": [one.answer for one in answered]}, option=orjson.OPT_UTC_Z)
    return orjson.dumps(answered[0].answer, option=orjson.OPT_UTC_Z)


def _record(serving: Serving, slot: ReleaseSlot, predictor: Predictor, answered: Sequence[Answered]) -> None:
    for one in answered:
        serving.log.record(one.line)
    slot.meter.scored(predictor.release.version, answered)


class PredictHere:
    """Predictions for a project's own routes: the same checks, log and release as `/predict`."""

    def __init__(self, serving: Serving, project: str) -> None:
        self._serving, self.project = serving, project

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answers to rows, as `/predict` gives them. Raises `Problem`, which the server turns into a response."""
        serving, slot = self._serving, self._serving.slots[self.project]
        predictor = predictor_of(slot)
        if not serving.log.has_room:
            raise Overloaded("The prediction log is full because its disk and database are away.")
        checked, _ = predictor.read_body(orjson.dumps(list(rows)), serving.limits.rows)
        new_id = Ulids().next  # a route of a project may run in a thread of its own
        ask = Ask(new_id(), None, slot.now(), slot.wall())
        answered = predictor.answer(checked, ask, new_id)
        _record(serving, slot, predictor, answered)
        return [one.answer for one in answered]
