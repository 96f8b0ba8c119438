"""The requests of a project while a rollout runs: which version answers a row, and what the other one predicts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from touchline.http.problems import Problem
from touchline.http.statuses import is_server_error
from touchline.rollout import Assignment, Routing, assign
from touchline.serving.predicting.answered import Answered
from touchline.serving.predicting.predict import NewId, Predictor
from touchline.serving.predicting.request_fields import takes_same_rows
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row
from touchline.serving.shadow.waiting_row import failure_facts, request_facts, waiting_line

_log = logging.getLogger("touchline.serving")

Record = Callable[[bytes], None]


class Traffic:
    """One rollout in this process. In a split a row is answered by the version that its unit is assigned to.

    A candidate that fails costs no request: Production answers, and the failure is logged for the guardrails. A row
    that lacks a field of the candidate is not in the rollout. `needs_thread`: the candidate may be so slow that other
    requests must not wait while it answers. What the version that did not answer needs to predict a row as well is put
    into the line of the answer, while `may_wait` says that there is room; `left_out` counts the other rows.
    """

    def __init__(
        self,
        routing: Routing,
        production: Predictor,
        candidate: Predictor,
        record: Record,
        may_wait: Callable[[], bool],
        *,
        needs_thread: bool = False,
    ) -> None:
        self.needs_thread = needs_thread
        self.routing, self.production, self.candidate = routing, production, candidate
        self._record, self._may_wait = record, may_wait
        self.left_out = 0
        self._has_same_rows = takes_same_rows(candidate.release, production.release)
        self._has_same_vectors = self._has_same_rows and _make_the_same_vectors(candidate, production)
        self._has_same_values = production.release.view_columns == candidate.release.view_columns
        self._whole = self._tags(Assignment("production", None, 1.0))  # of rows that no share divides
        self._beside_whole = replace(self._whole, variant="candidate", role="shadow")
        self._start_beside_whole = candidate.lines.start(self._beside_whole)

    def answer(self, rows: Sequence[Row], context: RequestContext, new_id: NewId) -> list[Answered]:
        """The answers to the rows of a request in a split, each by the version of its unit."""
        return [self._answer(row, context, new_id) for row in rows]

    def answer_one(self, row: Row, context: RequestContext, new_id: NewId) -> Answered:
        """The answer to a request of one row, in a split or beside a shadow."""
        if self.routing.is_split:
            return self._answer(row, context, new_id)
        answered = self.production.answer_one(row, context, new_id)
        self._shadow(row, context, answered, new_id)
        return answered

    @property
    def has_plain_shadow(self) -> bool:
        """Whether Production answers every row, and its vector of a plain one is the candidate's."""
        return not self.routing.is_split and self._has_same_vectors

    def waiting_line(self, line: bytes, new_id: NewId) -> bytes | None:
        """The line of such an answer, whose row then waits for the candidate; None where no more may wait."""
        if self._may_wait():
            return waiting_line(line, self._start_beside_whole, new_id())
        self.left_out += 1
        return None

    def shadow(self, rows: Sequence[Row], context: RequestContext, answered: Sequence[Answered], new_id: NewId) -> None:
        """Let the candidate predict rows that Production has answered, later and in another process.

        Their lines say so afterwards.
        """
        for row, one in zip(rows, answered, strict=True):
            self._shadow(row, context, one, new_id)

    def _shadow(self, row: Row, context: RequestContext, answered: Answered, new_id: NewId) -> None:
        if lacking := self._lacking(row):
            self._leave_out(row, context, answered, lacking, new_id)
        elif self._can_compare(row):
            self._put_beside(self.candidate, row, context, self._beside_whole, answered, new_id)

    def _answer(self, row: Row, context: RequestContext, new_id: NewId) -> Answered:
        if lacking := self._lacking(row):
            answered = self.production.answer_one(row, context, new_id)
            self._leave_out(row, context, answered, lacking, new_id)
            return answered
        assignment = assign(self.routing, self._unit_of(row, context))
        if not self._can_compare(row):
            assignment = Assignment("production", assignment.unit, 1.0, assignment.is_override)
        tags = self._tags(assignment)
        if assignment.variant == "candidate":
            try:
                answered = self.candidate.answer_one(self._adapted(row), context, new_id, tags)
            except Exception as failure:  # noqa: BLE001  whatever a new version raises, Production can answer
                self._log_failure(self.candidate, row, context, tags, failure, new_id)
                assignment = replace(assignment, variant="production", probability=1.0)
                tags = self._tags(assignment)
            else:
                answered.version = self.candidate.release.version
                self._put_beside(self.production, row, context, self._tags_beside(tags, "production"), answered, new_id)
                return answered
        answered = self._answer_by_production(row, context, tags, new_id)
        if self._can_compare(row) and assignment.probability < 1:
            self._put_beside(self.candidate, row, context, self._tags_beside(tags, "candidate"), answered, new_id)
        return answered

    def _answer_by_production(self, row: Row, context: RequestContext, tags: RolloutTags, new_id: NewId) -> Answered:
        try:
            return self.production.answer_one(row, context, new_id, tags)
        except Problem as problem:
            if is_server_error(problem.status):
                self._log_failure(self.production, row, context, tags, problem, new_id)
            raise

    def _unit_of(self, row: Row, context: RequestContext) -> str | None:
        """The unit of a row: by default its request."""
        if self.routing.unit is None:
            return context.request_id
        value = row.get(self.routing.unit)
        return None if value is None else str(value)

    def _tags(self, assignment: Assignment) -> RolloutTags:
        routing = self.routing
        return RolloutTags(
            experiment=routing.experiment,
            salt=routing.salt,
            variant=assignment.variant,
            unit=assignment.unit,
            probability=assignment.probability,
            override=assignment.is_override,
        )

    def _tags_beside(self, tags: RolloutTags, variant: str) -> RolloutTags:
        return replace(tags, variant=variant, role="shadow", seconds=None)

    def _can_compare(self, row: Row) -> bool:
        """Whether the candidate can predict the row: feature values given for other features say nothing to it."""
        return self._has_same_values or row.get("features") is None

    def _lacking(self, row: Row) -> list[str]:
        """The fields that the candidate needs and the row does not have."""
        return [] if self._has_same_rows else self.candidate.lacking(row)

    def _leave_out(
        self, row: Row, context: RequestContext, answered: Answered, lacking: Sequence[str], new_id: NewId
    ) -> None:
        """Say in the answer and in the log that a row is not in the rollout.

        Whether a row has the fields is known before its unit is drawn, so rows without them may be left out: the rows
        that remain are drawn as planned, and compared on the same requests.
        """
        answered.candidate_lacks = lacking
        tags = replace(self._whole, variant="candidate", role="incomplete")
        text, answer_id = f"the request has no {', '.join(lacking)}", answered.prediction_id
        self._record(self.candidate.lines.failure(row, context, tags, text, new_id(), answer_id=answer_id))

    def _adapted(self, row: Row) -> Row:
        return row if self._has_same_rows else self.candidate.adapt(row)

    def _put_beside(
        self,
        predictor: Predictor,
        row: Row,
        context: RequestContext,
        tags: RolloutTags,
        answered: Answered,
        new_id: NewId,
    ) -> None:
        if not self.routing.has_shadow:
            return
        if not self._may_wait():
            self.left_out += 1
            return
        start = self._start_beside_whole if tags is self._beside_whole else predictor.lines.start(tags)
        more = b""
        if not self._has_same_vectors:
            try:
                more = request_facts(row, context)
            except orjson.JSONEncodeError as failure:  # an integer beyond 64 bits in a field of the other version alone
                more = failure_facts(f"{type(failure).__name__}: {failure}")
        answered.line, answered.waits = waiting_line(answered.line, start, new_id(), more), True

    def _log_failure(
        self,
        predictor: Predictor,
        row: Row,
        context: RequestContext,
        tags: RolloutTags,
        failure: Exception,
        new_id: NewId,
    ) -> None:
        failed = replace(tags, role="failed")
        text = f"{type(failure).__name__}: {failure}"
        self._record(predictor.lines.failure(row, context, failed, text, new_id()))


def _make_the_same_vectors(candidate: Predictor, production: Predictor) -> bool:
    """Whether the vector that one version makes of a row is the other's: the same columns, views and transforms."""
    ours, theirs = candidate.release, production.release
    return (
        ours.columns == theirs.columns
        and ours.views == theirs.views
        and ours.manifest.inputs == theirs.manifest.inputs
        and ours.manifest.on_demand == theirs.manifest.on_demand
        and len(ours.transforms) == len(theirs.transforms) == len(ours.manifest.on_demand)
    )
