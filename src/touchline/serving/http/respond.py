"""The only path from a request body to logged predictions: check, score, log. Every error is a `Problem`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from touchline.contracts.json_text import has_unicode_escape
from touchline.errors import BackendUnavailable, TouchlineError
from touchline.http.correlation import PROBE_ID
from touchline.http.problems import InvalidRequest, NoRelease, Overloaded, Problem
from touchline.http.statuses import problem_of
from touchline.predictions import OpenExampleRecords
from touchline.serving.http.state import Serving
from touchline.serving.predicting.answered import Answered
from touchline.serving.predicting.named_examples import (
    Examples,
    complete_rows,
    explain_missing,
    may_name_examples,
    validate_examples,
)
from touchline.serving.predicting.predict import NewId, Predictor
from touchline.serving.predicting.scored_row import RequestContext, Row, probe_tags
from touchline.serving.predicting.traffic import Traffic
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.storage.ulids import Ulids

# Larger bodies and batches are read and scored in a thread, so that a small request does not wait behind them.
SMALL_BYTES = 16 * 1024
_FEW_ROWS = 32


def predictor_of(slot: ReleaseSlot) -> Predictor:
    """The predictor of the release in Production, or `NoRelease` with the reason."""
    current = slot.current
    if current is not None:
        return current
    if slot.refused is not None:
        raise NoRelease(slot.project, f"release {slot.refused.release_id} does not load ({slot.refused.reason})")
    if slot.unreachable is not None:
        raise NoRelease(slot.project, f"the journal cannot be read ({slot.unreachable})")
    step = f"touchline train -p {slot.project}, touchline models promote VERSION -p {slot.project}"
    raise NoRelease(slot.project, f"no version is in Production. Train and promote one: {step}")


def may_answer_now(slot: ReleaseSlot) -> bool:
    """Whether a row needs no thread and no batch."""
    return slot.waiting is None and (slot.traffic is None or not slot.traffic.needs_thread)


def read_now(predictor: Predictor, body: bytes) -> Row | Problem | None:
    """The checked row of a request of one row that is not plain, or the problem with it.

    None for all other requests: lists, and those that name an example.
    """
    if not body.startswith(b"{") or has_unicode_escape(body):
        return None
    try:
        row = predictor.requests.read_body(body, 1)[0][0]
    except Problem as problem:
        return None if may_name_examples(body) else problem
    return row if row["example_id"] is None else None


def answer_now(
    serving: Serving, slot: ReleaseSlot, predictor: Predictor, row: Row, correlation_id: str | None
) -> bytes:
    """The response to such a request, as JSON, of the predictor that has checked it."""
    require_room(serving)
    context = RequestContext(serving.ids.next(), correlation_id, *slot.instants())
    traffic = traffic_of(slot, predictor)
    answered = (predictor if traffic is None else traffic).answer_one(row, context, serving.ids.next)
    _log(serving, slot, answered)
    slot.meter.scored(answered.version or predictor.release.version, (answered,))
    return answered.json


def record_beside_shadow(serving: Serving, slot: ReleaseSlot, traffic: Traffic, line: bytes) -> None:
    """Log the answer to a plain row, which then waits for the candidate of a rollout in shadow mode."""
    waiting = traffic.waiting_line(line, serving.ids.next)
    if waiting is None:
        serving.log.record(line)
    else:
        serving.log.record(waiting, _shadow_of(slot))


async def answer_body(serving: Serving, slot: ReleaseSlot, body: bytes, correlation_id: str | None) -> bytes:
    """The response to a request body, as JSON. A prediction that cannot be logged is refused."""
    predictor = _predictor_with_room(serving, slot)
    if len(body) <= SMALL_BYTES and not may_name_examples(body):
        rows, is_many = predictor.requests.read_body(body, serving.limits.rows)
    else:
        rows, is_many = await asyncio.to_thread(read_rows, serving, predictor, body, serving.limits.rows)
    context = RequestContext(serving.ids.next(), correlation_id, slot.now(), slot.wall())
    traffic = traffic_of(slot, predictor)
    if correlation_id == PROBE_ID and len(rows) == 1:
        traffic, answered = None, [predictor.answer_one(rows[0], context, serving.ids.next, probe_tags())]
    elif traffic is not None and traffic.routing.is_split:
        if len(rows) > _FEW_ROWS or slot.waiting is not None or traffic.needs_thread:
            answered = await asyncio.to_thread(traffic.answer, rows, context, Ulids().next)
        else:
            answered = traffic.answer(rows, context, serving.ids.next)
    elif len(rows) > _FEW_ROWS:
        answered = await asyncio.to_thread(predictor.answer, rows, context, Ulids().next)
    elif slot.waiting is not None and slot.waiting.predictor is predictor:
        answered = await slot.waiting.answer(rows, context, serving.ids.next)
    elif len(rows) == 1:
        answered = [predictor.answer_one(rows[0], context, serving.ids.next)]
    else:
        answered = predictor.answer(rows, context, serving.ids.next)
    if traffic is not None and not traffic.routing.is_split:
        traffic.shadow(rows, context, answered, serving.ids.next)
    _record(serving, slot, predictor, answered)
    if is_many:
        return b'{"predictions":[%s]}' % b",".join([one.json for one in answered])
    return answered[0].json


def read_rows(serving: Serving, predictor: Predictor, body: bytes, most_rows: int) -> tuple[list[Row], bool]:
    """The checked rows of a body, completed by the open examples that it names, and whether it was a list.

    Rows that need no completion are predicted while the metadata database is unreachable, too.
    """
    if not may_name_examples(body):
        return predictor.requests.read_body(body, most_rows)
    records = OpenExampleRecords(serving.database, predictor.release.project)
    examples: Examples = {}
    failure: BackendUnavailable | None = None
    try:
        body, examples = complete_rows(body, predictor.requests.example_fields, records)
    except BackendUnavailable as unavailable:
        failure = unavailable
    except TouchlineError as error:
        raise problem_of(error) from None
    try:
        rows, is_many = predictor.requests.read_body(body, most_rows)
    except InvalidRequest as refusal:
        if failure is not None:
            raise problem_of(failure) from failure
        raise explain_missing(refusal, examples) from None
    validate_examples(rows, examples, predictor.release.entity_columns, is_many=is_many)
    return rows, is_many


def answer(serving: Serving, slot: ReleaseSlot, body: bytes, new_id: NewId, *, most_rows: int) -> list[Answered]:
    """The same for a thread that waits for the response: a prediction for each row. `new_id` is the thread's own."""
    predictor = _predictor_with_room(serving, slot)
    rows, _ = read_rows(serving, predictor, body, most_rows)
    answered = predictor.answer(rows, RequestContext(new_id(), None, slot.now(), slot.wall()), new_id)
    _record(serving, slot, predictor, answered)
    return answered


def _predictor_with_room(serving: Serving, slot: ReleaseSlot) -> Predictor:
    predictor = predictor_of(slot)
    require_room(serving)
    return predictor


def require_room(serving: Serving) -> None:
    """Raise `Overloaded` where no further prediction can be logged."""
    if not serving.log.has_room:
        raise Overloaded("The prediction log is full because its disk and database are away.", retry_after_seconds=5)


def traffic_of(slot: ReleaseSlot, predictor: Predictor) -> Traffic | None:
    """The rollout that this predictor is the reference of; None where none runs or another release has taken over."""
    traffic = slot.traffic
    return traffic if traffic is not None and traffic.production is predictor else None


def _record(serving: Serving, slot: ReleaseSlot, predictor: Predictor, answered: Sequence[Answered]) -> None:
    production = predictor.release.version
    for one in answered:
        _log(serving, slot, one)
    for version in {one.version for one in answered}:
        slot.meter.scored(version or production, [one for one in answered if one.version == version])


def _log(serving: Serving, slot: ReleaseSlot, answered: Answered) -> None:
    serving.log.record(answered.line, _shadow_of(slot) if answered.waits else None)


def _shadow_of(slot: ReleaseSlot) -> Path | None:
    """Where rows wait for the version that does not answer them."""
    return None if slot.shadow is None else slot.shadow.folder
