"""From checked rows to answers and log rows. Pure but for the online store it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Any, cast

import numpy as np
import orjson

from touchline.errors import (
    FeatureNotANumber,
    FeaturesExpired,
    InvalidEntityKey,
    InvalidView,
    TouchlineError,
)
from touchline.features import FeatureRows, RowPlan
from touchline.features.vectors.columns import Vectors
from touchline.http.problems import (
    FeaturesUnavailable,
    FieldProblem,
    InvalidRequest,
    Problem,
)
from touchline.http.statuses import problem_of
from touchline.registry import LoadedRelease
from touchline.serving.predicting.answered import Answered, AnswerForm, PlainAnswer
from touchline.serving.predicting.log_line import LogLines, PlainScored, answer_line
from touchline.serving.predicting.one_row import row_scorer
from touchline.serving.predicting.read_requests import RequestReader
from touchline.serving.predicting.request_fields import RequestModels, key_fields, needs_value
from touchline.serving.predicting.scored_row import (
    FeatureReads,
    RequestContext,
    RolloutTags,
    Row,
    ScoredRow,
    Statuses,
    cutoffs_of,
)

NewId = Callable[[], str]
_OF_THE_ROW = (FeatureNotANumber, FeaturesExpired, InvalidEntityKey, InvalidView)


class Predictor:
    """One release, ready to answer. Made once per release; checking, encoding and scoring are prepared here.

    `like` is the predictor of another release, whose check of rows is taken over where it is the same.
    """

    def __init__(self, release: LoadedRelease, reader: FeatureReads | None, *, like: Predictor | None = None) -> None:
        self.release = release
        self.models: RequestModels = RequestModels(release, like=None if like is None else like.models)
        self.requests = RequestReader(release, self.models)  # replaced as releases come and go beside this one
        self.reader = reader
        self._store = reader or _NoStore(release.project)
        self._one = self.models.row.__pydantic_validator__
        self._plan = RowPlan(release.columns, release.transforms)
        self._score_row = row_scorer(release.model, may_be_infinite=bool(release.views or release.transforms))
        self._keys = key_fields(release)
        self._field_names = frozenset(self.models.row.model_fields)
        self._needs_value = needs_value(release)
        self.lines, self._form = LogLines(release), AnswerForm(release)

    def warm_up(self) -> None:
        """Score a row of nulls, so that the first request does not pay for what is made on first use."""
        self.release.model.predict(np.full((1, len(self.release.columns)), np.nan))

    # --- score ---

    def answer(self, rows: Sequence[Row], context: RequestContext, new_id: NewId) -> list[Answered]:
        """Score checked rows. Raises `FeaturesUnavailable` when the online store is away."""
        cutoffs = cutoffs_of(rows, context)
        vectors, statuses = self.vectors(rows, cutoffs, self.rows_to_look_up(rows))
        outputs = self.release.model.predict(vectors)
        return self.answers(rows, cutoffs, (vectors, statuses, outputs), context, new_id)

    def answer_one(self, row: Row, context: RequestContext, new_id: NewId, tags: RolloutTags | None = None) -> Answered:
        """The same for one row, as most requests have, with no more arrays than its model needs."""
        started = 0.0 if tags is None else perf_counter()
        cutoff, statuses = row["cutoff"] or context.now, cast(Statuses, ())
        try:
            if not self._keys:
                vector = self._plan.vector(row, cutoff)
            elif row["features"] is not None:
                vector = self._plan.vector({**row, **row["features"].__dict__}, cutoff)
            else:
                vector, statuses = self._store.read_row(row, cutoff)
        except (TouchlineError, OSError) as error:
            raise self._problem(error) from error
        output = self._score_row(vector)
        _validate_finite(output)
        if tags is not None:
            tags.seconds = perf_counter() - started
        return self._answered(ScoredRow(row, cutoff, vector, statuses, output, tags), context, new_id())

    def answer_plain(self, row: Row, context: RequestContext, prediction_id: str) -> PlainAnswer:
        """The same for a plain row that no rollout concerns: straight to the texts of its answer and of its line."""
        statuses: Statuses = ()
        try:
            if self._keys:
                vector, statuses = self._store.read_row(row, context.now)
            else:
                vector = self._plan.vector(row, context.now)
        except (TouchlineError, OSError) as error:
            raise self._problem(error) from error
        scores = self._score_row(vector)
        _validate_finite(scores)
        output, now = orjson.dumps(self.release.output(scores)), orjson.dumps(context.now)
        line = self.lines.plain_line(row, PlainScored(vector, statuses, output, now), context, prediction_id)
        answer = self._form.plain_text(prediction_id, output, now, statuses)
        return PlainAnswer(answer, line, self._form.series, scores, statuses)

    def encode_beside(self, rows: Sequence[Row], contexts: Sequence[RequestContext]) -> tuple[Vectors, list[bytes]]:
        """The vectors of rows of any requests that another release has answered, and their facts for the log."""
        cutoffs = [row["cutoff"] or context.now for row, context in zip(rows, contexts, strict=True)]
        vectors, statuses = self.vectors(rows, cutoffs, self.rows_to_look_up(rows))
        scored = (ScoredRow(rows[i], cutoffs[i], vectors[i].tobytes(), statuses[i], []) for i in range(len(rows)))
        return vectors, [self.lines.facts(one, context) for one, context in zip(scored, contexts, strict=True)]

    def score_beside(self, vectors: Vectors) -> list[dict[str, Any]]:
        """What this release predicts of vectors, as the log states it."""
        outputs = self.release.model.predict(vectors)
        _validate_finite(outputs.ravel().tolist())
        return [self.release.output(output) for output in outputs.tolist()]

    def adapt(self, row: Row) -> Row:
        """A row that another release has checked, checked for this one. Raises `ValidationError` where it does not fit.

        Fields that this release does not know are left out. A null counts as no value unless this release needs one.
        """
        known = {
            name: value
            for name, value in row.items()
            if name in self._field_names and (value is not None or self._needs_value.get(name) is False)
        }
        if known.get("features") is not None:
            known["features"] = getattr(known["features"], "__dict__", known["features"])  # read from JSON: a dict
        return dict(self._one.validate_json(orjson.dumps(known)).__dict__)

    def lacking(self, row: Row) -> list[str]:
        """The fields without which this release cannot predict a row, and which the row does not have."""
        lacking = [
            name
            for name, is_needed in self._needs_value.items()
            if name not in row or (is_needed and row[name] is None)
        ]
        if row.get("features") is None:
            lacking += [key.name for key in self._keys if row.get(key.name) is None and not key.is_nullable]
        return lacking

    def rows_to_look_up(self, rows: Sequence[Row]) -> list[int]:
        """Which rows need features from the online store."""
        if not self._keys:
            return []
        return [index for index, row in enumerate(rows) if row["features"] is None]

    def vectors(
        self,
        rows: Sequence[Row],
        cutoffs: Sequence[datetime],
        rows_to_look_up: Sequence[int],
        feature_rows: FeatureRows | None = None,
    ) -> tuple[Vectors, Sequence[Statuses]]:
        """The model's vectors and each view's freshness; `feature_rows` are those of the rows to look up, if read."""
        if not self._keys:
            return self._encode(rows, cutoffs), [()] * len(rows)
        if rows_to_look_up and feature_rows is None:
            feature_rows = self.read_features([rows[i] for i in rows_to_look_up], [cutoffs[i] for i in rows_to_look_up])
        if feature_rows is not None and len(rows_to_look_up) == len(rows):
            return feature_rows.vectors, feature_rows.statuses
        given = [index for index in range(len(rows)) if rows[index]["features"] is not None]
        vectors = np.empty((len(rows), len(self.release.columns)), dtype=np.float64)
        values = [{**rows[i], **rows[i]["features"].__dict__} for i in given]
        vectors[given] = self._encode(values, [cutoffs[i] for i in given])
        statuses: list[Statuses] = [()] * len(rows)
        for place, index in enumerate(rows_to_look_up):
            assert feature_rows is not None
            vectors[index], statuses[index] = feature_rows.vectors[place], feature_rows.statuses[place]
        return vectors, statuses

    def read_features(self, rows: Sequence[Row], cutoffs: Sequence[datetime]) -> FeatureRows:
        """Rows' features from the online store, in one round trip; failures as problems."""
        try:
            return self._store.read(rows, cutoffs)
        except (TouchlineError, OSError) as error:
            raise self._problem(error) from error

    def _encode(self, rows: Sequence[Row], cutoffs: Sequence[datetime]) -> Vectors:
        try:
            return self._plan.vectors(rows, cutoffs)
        except TouchlineError as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> Problem:
        """The problem document of an error between a row and its vector."""
        if isinstance(error, _OF_THE_ROW):
            return problem_of(error)
        return FeaturesUnavailable(self.release.project, str(error))

    # --- tell and log ---

    def answers(
        self,
        rows: Sequence[Row],
        cutoffs: Sequence[datetime],
        scored: tuple[Vectors, Sequence[Statuses], Vectors],
        context: RequestContext,
        new_id: NewId,
    ) -> list[Answered]:
        """Answers and log lines of scored rows."""
        vectors, statuses, found = scored
        outputs = found.tolist()
        for output in outputs:
            _validate_finite(output)
        return [
            self._answered(
                ScoredRow(rows[i], cutoffs[i], vectors[i].tobytes(), statuses[i], outputs[i]), context, new_id()
            )
            for i in range(len(rows))
        ]

    def _answered(self, scored: ScoredRow, context: RequestContext, prediction_id: str) -> Answered:
        output = self.release.output(scored.output)
        try:
            facts = self.lines.facts(scored, context)
        except orjson.JSONEncodeError as wrong:  # a field of any type, with an integer beyond 64 bits
            raise InvalidRequest([FieldProblem("", str(wrong), None, "values that the log can keep")]) from wrong
        output_json = orjson.dumps(output)
        line = answer_line(self.lines.start(scored.tags), prediction_id, facts, output_json)
        return Answered(prediction_id, scored, output, output_json, line, self._form)


class _NoStore:
    """In place of the online store of a server that has none."""

    def __init__(self, project: str) -> None:
        self._project = project

    def read(self, rows: Sequence[Row], cutoffs: Sequence[datetime]) -> FeatureRows:  # noqa: ARG002
        raise self._problem()

    def read_row(self, row: Row, cutoff: datetime) -> tuple[bytes, Statuses]:  # noqa: ARG002
        raise self._problem()

    def _problem(self) -> Problem:
        return FeaturesUnavailable(self._project, "this server has no online store")


def _validate_finite(output: Sequence[float]) -> None:
    total = sum(output)
    if total - total != 0.0:  # NaN or infinite: an answer would be no JSON number
        raise InvalidRequest([FieldProblem("", "the model has no finite answer to these values", None, None)])
