"""Predictions beside the answers, in a thread of their own: they cost a request no more than a place in a queue.

Rows gather for a moment and are predicted in one call of the model. A version whose vectors are those of the version
that answered gets them from the answer, with the part of the log line that is the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from touchline.features.vectors.columns import Vectors
from touchline.serving.predicting.log_line import error_output, line_beside
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row
from touchline.storage.ulids import Ulids

_log = logging.getLogger("touchline.serving")

# Rows that wait; a backlog beyond it is left out and counted, so that a slow candidate costs no memory.
_MOST_WAITING: Final = 5000
# While a model's library predicts, requests are answered. Vectors that have to be made first hold the interpreter.
_BATCH, _BATCH_TO_ENCODE = 256, 16
# Requests wait for no longer than for so many lines.
_LINES_AT_ONCE: Final = 32
# At 1,000 requests a second, a call for 50 rows instead of 50 calls.
_PAUSE_SECONDS: Final = 0.05


@dataclass(slots=True)
class Unencoded:
    """A row whose vector is not that of its answer. `adapt` checks it for the other version, if its fields differ."""

    row: Row
    context: RequestContext
    adapt: Callable[[Row], Row] | None


@dataclass(slots=True)
class Beside:
    """A row to predict beside its answer, from the vector and the facts of that, or from the row itself.

    It holds few objects: those that wait are looked at whenever Python collects garbage.
    """

    predictor: Predictor
    tags: RolloutTags
    answer_id: str
    vector: bytes
    facts: bytes
    unencoded: Unencoded | None


class ShadowQueue:
    """Rows that wait for the version that did not answer them.

    `left_out` counts rows that came while the queue was full. A row that cannot be predicted is logged as failed.
    `has_same_vectors`: every row comes with its vector, since each version's vector of a row is the other's.
    """

    def __init__(self, record: Callable[[bytes], None], *, has_same_vectors: bool = False) -> None:
        self._record = record
        self._has_same_vectors = has_same_vectors
        self._batch = _BATCH if has_same_vectors else _BATCH_TO_ENCODE
        self._waiting: deque[Beside] = deque()
        self._arrived = threading.Event()
        self._is_closed = self._has_ended = False
        self._ending = threading.Lock()
        self._new_id = Ulids().next
        self.left_out = 0
        self._thread = self._started()

    def put(self, beside: Beside) -> None:
        """Take a row; never waits."""
        if len(self._waiting) >= _MOST_WAITING:
            self.left_out += 1
            return
        self._waiting.append(beside)
        if not self._arrived.is_set():
            self._arrived.set()
        if self._is_closed:
            self._start_again()

    def close(self) -> None:
        """End the thread once the queue is empty."""
        self._is_closed = True
        self._arrived.set()

    def wait(self, *, within_seconds: float = 5.0) -> bool:
        """Wait for the thread to end after `close`; False where it has not in time."""
        self._thread.join(within_seconds)
        return not self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """The number of rows that wait."""
        return len(self._waiting)

    def wait_until(self, most_waiting: int) -> None:
        """Wait until no more rows wait than this; for callers who, unlike requests, have the time."""
        while self.waiting > most_waiting:
            time.sleep(_PAUSE_SECONDS / 10)

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="touchline-shadow", daemon=True)
        thread.start()
        return thread

    def _start_again(self) -> None:
        """Predict a row that came after the end, from a request that was under way when the rollout moved."""
        with self._ending:
            if self._has_ended:
                self._has_ended = False
                self._thread = self._started()

    def _may_end(self) -> bool:
        with self._ending:
            self._has_ended = self._is_closed and not self._waiting
            return self._has_ended

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            if not self._waiting:
                if self._may_end():
                    return
                self._arrived.clear()
                if self._waiting or self._is_closed:
                    self._arrived.set()
                continue
            if len(self._waiting) < self._batch and not self._is_closed:
                time.sleep(_PAUSE_SECONDS)
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            for predictor in {id(one.predictor): one.predictor for one in batch}.values():
                self._predict([one for one in batch if one.predictor is predictor])
            time.sleep(0)  # requests that wait for the interpreter go first

    def _predict(self, batch: Sequence[Beside]) -> None:
        """Predict rows together; if that fails, each half alone, so that one's fault is not another's."""
        predictor = batch[0].predictor
        try:
            vectors, facts = self._encoded(batch)
            outputs = predictor.score_beside(vectors)
        except Exception as failure:  # noqa: BLE001  whatever a version raises, it is logged as its failure
            if len(batch) > 1:
                self._predict(batch[: len(batch) // 2])
                self._predict(batch[len(batch) // 2 :])
            else:
                self._log_failure(batch[0], failure)
            return
        tags, start = None, b""
        for number, (one, facts_of_row, output) in enumerate(zip(batch, facts, outputs, strict=True)):
            if one.tags is not tags:
                tags, start = one.tags, predictor.lines.start(one.tags)
            self._record(line_beside(start, self._new_id(), one.answer_id, facts_of_row, output))
            if number % _LINES_AT_ONCE == _LINES_AT_ONCE - 1:
                time.sleep(0)

    def _encoded(self, batch: Sequence[Beside]) -> tuple[Vectors, Sequence[bytes]]:
        if self._has_same_vectors:
            vectors = np.frombuffer(b"".join([one.vector for one in batch]), dtype="<f8")
            return vectors.reshape(len(batch), -1), [one.facts for one in batch]
        given = [one.unencoded for one in batch if one.unencoded is not None]
        rows = [one.row if one.adapt is None else one.adapt(one.row) for one in given]
        return batch[0].predictor.encode_beside(rows, [one.context for one in given])

    def _log_failure(self, one: Beside, failure: Exception) -> None:
        lines, failed = one.predictor.lines, replace(one.tags, role="failed")
        text, new_id, given = f"{type(failure).__name__}: {failure}", self._new_id(), one.unencoded
        try:
            if given is None:
                line = line_beside(lines.start(failed), new_id, one.answer_id, one.facts, error_output(text))
            else:
                line = lines.failure(given.row, given.context, failed, text, new_id, answer_id=one.answer_id)
            self._record(line)
        except Exception:  # noqa: BLE001  a value that no line can hold; the thread goes on
            _log.exception("a failed prediction beside an answer could not be logged")
