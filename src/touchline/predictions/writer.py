"""The prediction log: written in batches outside the requests, and never lost once it is on disk.

A request appends a row in memory. Every `flush_seconds` one thread writes the new rows to the spool. Every
`hand_over_seconds` a second thread gives whole segments of the spool to the database. `kill -9` therefore loses at most
the answers of the last `flush_seconds` and of the write in progress. A database that is unavailable loses no answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from touchline.errors import TouchlineError, failure_in_words
from touchline.predictions.spool import Spool, read_segment, segments

_log = logging.getLogger("touchline.predictions.writer")

_BATCH_ROWS = 5000
_ORPHANS_EVERY_SECONDS = 5.0
_LONG_WAIT_SECONDS = 10.0


class RowsRefused(Exception):
    """One of these rows is invalid: a second attempt would fail as well."""


class RowWriter(Protocol):
    """The destination of the rows. Writing a row again changes nothing: `prediction_id` is the key."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write rows, as lines of JSON, all or none. Raises `RowsRefused` for an invalid row; all else is retried."""


@dataclass(frozen=True)
class LogLimits:
    """The bounds of the log's backlog."""

    flush_seconds: float = 0.05
    hand_over_seconds: float = 0.5
    max_rows_in_memory: int = 20_000
    max_spool_bytes: int = 2 * 1024**3
    max_backoff_seconds: float = 5.0


@dataclass(frozen=True)
class LogStatus:
    """The backlog of the log, and its cause."""

    rows_in_memory: int
    spool_bytes: int
    written: int
    spooled: int
    failure: str | None
    refused: int = 0
    waiting_seconds: float = 0.0

    @property
    def is_behind(self) -> bool:
        """Whether writing fails, or rows have waited longer than a database that keeps up lets them."""
        return self.failure is not None or self.waiting_seconds > _LONG_WAIT_SECONDS


class PredictionLog:
    """Takes rows from requests; two threads bring them to the spool and to the database."""

    def __init__(self, folder: Path, writer: RowWriter, limits: LogLimits | None = None) -> None:
        self.limits = limits or LogLimits()
        self.folder, self._spool = folder, Spool(folder)
        self._writer = writer
        self._rows: deque[bytes] = deque()
        self._unwritten, self._unwritten_rows = b"", 0  # taken from memory, not yet in the spool
        self._handed_over_at = time.monotonic()
        self._is_stopping, self._segment_ready = threading.Event(), threading.Event()
        # An idle log sleeps until `record` wakes it, instead of looking twenty times a second.
        self._is_idle, self._row_arrived, self._has_open_segment = False, threading.Event(), False
        self._threads: list[threading.Thread] = []
        self._written = self._spooled = self._refused = 0
        # Each is changed by one thread only. What other workers wait with is looked at every few seconds.
        self._appended_bytes, self._drained_bytes, self._bytes_of_others = 0, 0, self._spool.bytes_of_others()
        self._spool_failure: str | None = None
        self._database_failure: str | None = None

    @property
    def has_room(self) -> bool:
        """True while another answer can be logged. Without room, requests are refused: no answer goes unlogged."""
        limits = self.limits
        return (
            len(self._rows) + self._unwritten_rows < limits.max_rows_in_memory
            and self.spool_bytes < limits.max_spool_bytes
        )

    @property
    def spool_bytes(self) -> int:
        """Bytes on disk that wait for the database, of all workers, whether it fails or is only slow."""
        return self._bytes_of_others + max(0, self._appended_bytes - self._drained_bytes)

    def record(self, line: bytes) -> None:
        """Take a row, as one line of JSON. Costs an append; the threads do everything else.

        The request makes the bytes: a thread that made them would hold the interpreter while requests wait.
        """
        self._rows.append(line)
        if self._is_idle:
            self._is_idle = False
            self._row_arrived.set()

    def start(self) -> None:
        for loop in (self._flush_until_stop, self._drain_until_stop):
            thread = threading.Thread(target=loop, name=f"touchline{loop.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Write the rows in memory to disk, and to the database if it answers in time; the others stay on disk."""
        self._is_stopping.set()
        self._segment_ready.set()
        self._row_arrived.set()
        for thread in self._threads:
            thread.join(within_seconds)
        self._spool.close()

    def status(self) -> LogStatus:
        failure = self._spool_failure or self._database_failure
        in_memory = len(self._rows) + self._unwritten_rows
        waiting = self._spool.oldest_seconds() if self.spool_bytes else 0.0
        return LogStatus(in_memory, self.spool_bytes, self._written, self._spooled, failure, self._refused, waiting)

    # --- memory → spool ---

    def _flush_until_stop(self) -> None:
        while not self._is_stopping.wait(self.limits.flush_seconds):
            self._flush()
            if time.monotonic() - self._handed_over_at >= self.limits.hand_over_seconds:
                self._hand_over()
            if not (self._rows or self._unwritten or self._has_open_segment):
                self._wait_for_row()
        self._flush()
        self._hand_over()

    def _wait_for_row(self) -> None:
        self._row_arrived.clear()
        self._is_idle = True
        if self._rows or self._is_stopping.is_set():  # it came, or the end came, before the flag was up
            self._is_idle = False
            return
        self._row_arrived.wait()
        self._is_idle = False

    def _flush(self) -> None:
        count = len(self._rows)
        if not count and not self._unwritten:
            return
        rows = [self._rows.popleft() for _ in range(count)]
        chunk = self._unwritten + b"\n".join([*rows, b""])
        self._unwritten, self._unwritten_rows = chunk, self._unwritten_rows + count
        try:
            self._spool.append(chunk)
        except Exception as failure:  # noqa: BLE001  a full disk or any other: the rows stay, the thread goes on
            if self._spool_failure is None:
                _log.error("the prediction log cannot write its spool: %s", failure)
            self._spool_failure = f"spool: {failure}"
            with suppress(OSError):
                self._spool.close_segment()  # its last line may be torn; the next segment repeats the chunk
            return
        self._has_open_segment = True
        self._spooled += self._unwritten_rows
        self._appended_bytes += len(chunk)
        self._unwritten, self._unwritten_rows, self._spool_failure = b"", 0, None

    def _hand_over(self) -> None:
        self._handed_over_at = time.monotonic()
        self._has_open_segment = False
        if self._spool.close_segment() is not None:
            self._segment_ready.set()

    # --- spool → database ---

    def _drain_until_stop(self) -> None:
        backoff, orphans_at = 0.1, -_ORPHANS_EVERY_SECONDS
        while True:
            is_last = self._is_stopping.is_set()
            if is_last:
                self._threads[0].join()  # after this its last segment is closed
            if time.monotonic() - orphans_at >= _ORPHANS_EVERY_SECONDS:
                orphans_at = time.monotonic()
                self._drain_orphans()
            done = self._drain(self._spool.closed())
            if is_last:
                return
            if done:
                backoff = 0.1
                self._segment_ready.wait(_ORPHANS_EVERY_SECONDS)
                self._segment_ready.clear()
            else:
                self._is_stopping.wait(backoff)
                backoff = min(backoff * 2, self.limits.max_backoff_seconds)

    def _drain_orphans(self) -> None:
        """Drain the spools of dead workers."""
        with suppress(OSError), self._spool.orphans() as folders:
            for folder in folders:
                if not self._drain(segments(folder)):
                    break
        with suppress(OSError):
            self._bytes_of_others = self._spool.bytes_of_others()

    def _drain(self, paths: Sequence[Path]) -> bool:
        for path in paths:
            try:
                self._write(path)
            except Exception as failure:  # noqa: BLE001  whatever the database raises, the segment stays for a retry
                if self._database_failure is None:
                    unexpected = None if isinstance(failure, TouchlineError) else failure
                    _log.error("the prediction log waits on disk, no database: %s", failure, exc_info=unexpected)
                self._database_failure = f"database: {failure_in_words(failure)}"[:300]
                return False
        if self._database_failure is not None and not self._spool.closed():
            _log.warning("the prediction log has caught up")
        self._database_failure = None
        return True

    def _write(self, path: Path) -> None:
        segment = read_segment(path)
        if segment.torn_bytes:
            _log.warning("%s: %d bytes at a torn line, not a row", path, segment.torn_bytes)
        for start in range(0, len(segment.lines), _BATCH_ROWS):
            self._write_lines(segment.lines[start : start + _BATCH_ROWS])
        size = path.stat().st_size if self._spool.has(path) else 0
        path.unlink()
        self._drained_bytes += size

    def _write_lines(self, lines: Sequence[bytes]) -> None:
        """Give lines to the database. An invalid row is set aside, so that the others do not wait for it."""
        try:
            self._writer.write(lines)
            self._written += len(lines)
        except RowsRefused as refused:
            if len(lines) > 1:
                middle = len(lines) // 2
                self._write_lines(lines[:middle])
                self._write_lines(lines[middle:])
                return
            path = self._spool.set_aside(lines[0], str(refused))
            self._refused += 1
            _log.error("a logged prediction was set aside in %s: %s", path, refused)
