"""Predicts rows beside their answers and writes them to the prediction log: what drains the spool of a shadow.

Rows are predicted in batches, each in one call of the model. The ids of the predictions were given with the answers,
so rows that are predicted again, after a kill or without a database, are stored once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import numpy as np

from touchline.errors import ReleaseBroken, ReleaseNotFound, ReleaseTampered
from touchline.features.vectors.columns import Vectors
from touchline.predictions.spool_drain import RowsRefused, RowWriter
from touchline.serving.predicting.predict import Predictor
from touchline.serving.shadow.waiting_row import WaitingRow

_BATCH: Final = 256
_REFUSED_SECONDS: Final = 60.0
_MOST_LOADED: Final = 3  # both versions of a rollout, and one of the rollout before


class ShadowWriter:
    """Takes lines of the log, of which it predicts the rows of one project that wait for another version.

    A row that its version fails to predict is logged as failed. `open_predictor` gives the predictor of a release by
    its id.
    """

    def __init__(self, project: str, open_predictor: Callable[[str], Predictor], destination: RowWriter) -> None:
        self._project, self._open_predictor, self._destination = project, open_predictor, destination
        self._predictors: dict[str, Predictor] = {}
        self._refused: dict[str, tuple[str, float]] = {}  # releases that do not load: why, and when to try again

    def write(self, lines: Sequence[bytes]) -> None:
        """Predict and log rows, all or none. Raises `RowsRefused` for rows that no release can ever predict."""
        try:
            found = [row for line in lines if (row := WaitingRow.of(line)) is not None]
        except (ValueError, KeyError) as wrong:
            raise RowsRefused(f"{type(wrong).__name__}: {wrong}") from wrong
        rows = [row for row in found if row.project == self._project]
        predicted = [row.failed(row.failure) for row in rows if row.failure is not None]
        kinds = sorted((row for row in rows if row.failure is None), key=_kind)
        for (release_id, _), group in groupby(kinds, key=_kind):
            predictor, some = self._predictor(release_id), list(group)
            for start in range(0, len(some), _BATCH):
                predicted += _predict(predictor, some[start : start + _BATCH])
        self._destination.write(predicted)

    def _predictor(self, release_id: str) -> Predictor:
        reason, until = self._refused.get(release_id, ("", 0.0))
        if time.monotonic() < until:
            raise RowsRefused(reason)
        if release_id not in self._predictors:
            try:
                opened = self._open_predictor(release_id)
            except (ReleaseNotFound, ReleaseTampered, ReleaseBroken) as wrong:
                reason = f"{type(wrong).__name__}: {wrong}"
                self._refused[release_id] = reason, time.monotonic() + _REFUSED_SECONDS
                raise RowsRefused(reason) from wrong
            while len(self._predictors) >= _MOST_LOADED:
                del self._predictors[next(iter(self._predictors))]
            self._predictors[release_id] = opened
        return self._predictors[release_id]


def _kind(row: WaitingRow) -> tuple[str, bool]:
    return row.release_id, row.has_vector


def _predict(predictor: Predictor, rows: Sequence[WaitingRow]) -> list[bytes]:
    """Predict rows together; if that fails, each half alone, so that one's fault is not another's."""
    try:
        vectors, facts = _encoded(predictor, rows)
        outputs = predictor.score_beside(vectors)
    except Exception as failure:  # noqa: BLE001  whatever a version raises, it is logged as its failure
        if len(rows) > 1:
            middle = len(rows) // 2
            return _predict(predictor, rows[:middle]) + _predict(predictor, rows[middle:])
        return [_failure(predictor, rows[0], f"{type(failure).__name__}: {failure}")]
    return [row.predicted(one, output) for row, one, output in zip(rows, facts, outputs, strict=True)]


def _encoded(predictor: Predictor, rows: Sequence[WaitingRow]) -> tuple[Vectors, Sequence[bytes | None]]:
    if rows[0].has_vector:
        numbers = np.frombuffer(bytes.fromhex("".join([row.answer["vector"] for row in rows])), dtype="<f8")
        return numbers.reshape(len(rows), -1), [None] * len(rows)
    return predictor.encode_beside([predictor.adapt(row.row) for row in rows], [row.context for row in rows])


def _failure(predictor: Predictor, row: WaitingRow, text: str) -> bytes:
    if row.has_vector:
        return row.failed(text)
    tags = replace(row.tags, role="failed")
    return predictor.lines.failure(row.row, row.context, tags, text, row.prediction_id, answer_id=row.answer_id)
