"""Answers that wait for something slow, in company: a remote online store, or a model whose batches are cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from touchline.features import FeatureRows
from touchline.features.vectors.columns import Vectors
from touchline.http.problems import FeaturesUnavailable, Problem
from touchline.serving.predicting.answered import Answered
from touchline.serving.predicting.batching import Batcher
from touchline.serving.predicting.predict import NewId, Predictor
from touchline.serving.predicting.scored_row import RequestContext, Row, cutoffs_of

_Rows = tuple[Sequence[Row], Sequence[datetime]]
_ReadRows = FeatureRows | Problem


class Waiting:
    """A predictor's slow steps, each by one thread for all requests that wait at the same time."""

    def __init__(self, predictor: Predictor, *, reads: bool, scores: bool) -> None:
        self.predictor = predictor
        self._reads: Batcher[_Rows, _ReadRows] | None = Batcher(self._read_all) if reads else None
        self._scores: Batcher[Vectors, Vectors] | None = Batcher(self._score_all) if scores else None

    async def answer(self, rows: Sequence[Row], context: RequestContext, new_id: NewId) -> list[Answered]:
        """The same answers as `Predictor.answer`."""
        predictor = self.predictor
        cutoffs = cutoffs_of(rows, context)
        rows_to_look_up = predictor.rows_to_look_up(rows)
        found: FeatureRows | None = None
        if rows_to_look_up and self._reads is not None:
            got = await self._reads.submit(([rows[i] for i in rows_to_look_up], [cutoffs[i] for i in rows_to_look_up]))
            if isinstance(got, Problem):
                raise got
            found = got
        vectors, statuses = predictor.vectors(rows, cutoffs, rows_to_look_up, found)
        if self._scores is None:
            outputs = predictor.release.model.predict(vectors)
        else:
            outputs = await self._scores.submit(vectors)
        return predictor.answers(rows, cutoffs, (vectors, statuses, outputs), context, new_id)

    def close(self) -> None:
        for batcher in (self._reads, self._scores):
            if batcher is not None:
                batcher.close()

    def _read_all(self, requests: Sequence[_Rows]) -> Sequence[_ReadRows]:
        """One read for all. If it fails, each for itself, so that one's wrong key is not another's problem."""
        if len(requests) > 1:
            try:
                return self._read_together(requests)
            except FeaturesUnavailable as away:
                return [away] * len(requests)
            except Problem:
                pass
        return [self._read_alone(rows, cutoffs) for rows, cutoffs in requests]

    def _read_together(self, requests: Sequence[_Rows]) -> list[_ReadRows]:
        found = self.predictor.read_features(
            [row for rows, _ in requests for row in rows], [cutoff for _, cutoffs in requests for cutoff in cutoffs]
        )
        parts: list[_ReadRows] = []
        start = 0
        for rows, _ in requests:
            end = start + len(rows)
            parts.append(FeatureRows(found.vectors[start:end], found.statuses[start:end]))
            start = end
        return parts

    def _read_alone(self, rows: Sequence[Row], cutoffs: Sequence[datetime]) -> _ReadRows:
        try:
            return self.predictor.read_features(rows, cutoffs)
        except Problem as problem:
            return problem

    def _score_all(self, matrices: Sequence[Vectors]) -> Sequence[Vectors]:
        outputs = self.predictor.release.model.predict(np.concatenate(matrices))
        ends = np.cumsum([len(matrix) for matrix in matrices])
        return [outputs[end - len(matrix) : end] for matrix, end in zip(matrices, ends, strict=True)]
