"""Predictions beside the answers, in a thread of their own: they cost a request no more than a place in a queue."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row
from touchline.storage.ulids import Ulids

_log = logging.getLogger("touchline.serving")

# Rows that wait; a backlog beyond it is left out and counted, so that a slow candidate costs no memory.
_MOST_WAITING: Final = 5000
# A batch holds the interpreter while it is encoded and written down; requests wait for no longer than for one.
_BATCH: Final = 16
_PAUSE_SECONDS: Final = 0.002


@dataclass(slots=True)
class Beside:
    """A row to predict beside its answer; `adapt` checks it for the predictor, where its fields are others."""

    predictor: Predictor
    row: Row
    context: RequestContext
    tags: RolloutTags
    adapt: Callable[[Row], Row] | None


class ShadowQueue:
    """Rows that wait for the version that did not answer them.

    `left_out` counts rows that came while the queue was full. A row that cannot be predicted is logged as failed.
    """

    def __init__(self, record: Callable[[bytes], None]) -> None:
        self._record = record
        self._waiting: deque[Beside] = deque()
        self._arrived = threading.Event()
        self._is_closed = False
        self._new_id = Ulids().next
        self.left_out = 0
        self._thread = threading.Thread(target=self._run, name="touchline-shadow", daemon=True)
        self._thread.start()

    def put(self, beside: Beside) -> None:
        """Take a row; never waits."""
        if len(self._waiting) >= _MOST_WAITING:
            self.left_out += 1
            return
        self._waiting.append(beside)
        if not self._arrived.is_set():
            self._arrived.set()

    def close(self) -> None:
        """End the thread once the queue is empty."""
        self._is_closed = True
        self._arrived.set()

    def wait(self, *, within_seconds: float = 5.0) -> bool:
        """Wait for the thread to end after `close`; False where it has not in time."""
        self._thread.join(within_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            if not self._waiting:
                if self._is_closed:
                    return
                self._arrived.clear()
                if self._waiting or self._is_closed:
                    self._arrived.set()
                continue
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            for _, rows in groupby(batch, key=lambda one: id(one.predictor)):
                self._predict(list(rows))
            time.sleep(_PAUSE_SECONDS if len(self._waiting) < _MOST_WAITING // 2 else 0)

    def _predict(self, batch: Sequence[Beside]) -> None:
        """Predict rows together; if that fails, each alone, so that one's fault is not another's."""
        try:
            rows = [one.row if one.adapt is None else one.adapt(one.row) for one in batch]
            contexts, tags = [one.context for one in batch], [one.tags for one in batch]
            lines = batch[0].predictor.beside(rows, contexts, tags, self._new_id)
        except Exception as failure:  # noqa: BLE001  whatever a version raises, it is logged as its failure
            if len(batch) > 1:
                for one in batch:
                    self._predict([one])
                return
            self._log_failure(batch[0], failure)
            return
        for line in lines:
            self._record(line)

    def _log_failure(self, one: Beside, failure: Exception) -> None:
        failed = replace(one.tags, role="failed")
        text = f"{type(failure).__name__}: {failure}"
        try:
            self._record(one.predictor.failure_line(one.row, one.context, failed, text, self._new_id))
        except Exception:  # noqa: BLE001  a value that no line can hold; the thread goes on
            _log.exception("a failed prediction beside an answer could not be logged")
