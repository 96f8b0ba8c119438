"""The thread that brings the rows of several logs to the disk: one wake-up serves all of them.

Each wake-up of a thread takes the interpreter from the requests, so logs that had a thread each would delay them more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol


class Flushed(Protocol):
    """A log as its thread sees it."""

    def flush_due(self) -> None:
        """Write the new rows to disk, and hand them over where that is due."""

    def flush_all(self) -> None:
        """Write and hand over all rows that the disk takes: the last act."""

    def expect_rows(self, wake: Callable[[], None] | None) -> bool:
        """Have the next row call `wake` once; None: no more. False, and nothing will, where rows wait already."""

    @property
    def has_backlog(self) -> bool:
        """Whether rows on disk wait for the database, so that it is looked at again without a new row."""


class FlushThread:
    """Flushes its logs every `flush_seconds` while they have rows, and sleeps while none has.

    A log with a backlog alone is looked at every `backlog_seconds`.
    """

    def __init__(self, logs: Sequence[Flushed], *, flush_seconds: float, backlog_seconds: float) -> None:
        self._logs, self._flush_seconds, self._backlog_seconds = logs, flush_seconds, backlog_seconds
        self._is_stopping, self._row_arrived = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="touchline_flush", daemon=True)
        self._thread.start()

    def stop(self, within_seconds: float) -> None:
        """Flush all logs a last time and end."""
        self._is_stopping.set()
        self._row_arrived.set()
        if self._thread is not None:
            self._thread.join(within_seconds)

    def _run(self) -> None:
        while not self._is_stopping.wait(self._flush_seconds):
            for log in self._logs:
                log.flush_due()
            self._wait_for_row()
        for log in self._logs:
            log.flush_all()

    def _wait_for_row(self) -> None:
        self._row_arrived.clear()
        are_idle = [log.expect_rows(self._row_arrived.set) for log in self._logs]
        if all(are_idle) and not self._is_stopping.is_set():
            has_backlog = any(log.has_backlog for log in self._logs)
            self._row_arrived.wait(self._backlog_seconds if has_backlog else None)
        for log in self._logs:
            log.expect_rows(None)
