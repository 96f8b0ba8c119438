"""The log of what was answered: off the request path, in batches, never lost once it is on disk.

A request appends a row in memory. Every `flush_seconds` one thread writes what has gathered to the spool; every
`hand_over_seconds` a second thread gives whole segments to the sink (the database). `kill -9` therefore loses at most
the answers of the last `flush_seconds` and the write under way; a database that is away loses none.
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

from touchline.errors import TouchlineError
from touchline.predictions.spool import Spool, read_segment, segments

_log = logging.getLogger("touchline.predictions.writer")

_BATCH_ROWS = 5000
_ADOPT_EVERY_SECONDS = 5.0


class RowsRefused(Exception):
    """Among these rows is one that no waiting will make right."""


class Sink(Protocol):
    """Where rows end up, as lines of JSON. Writing a row again changes nothing: `prediction_id` is the key.

    Raises `RowsRefused`, having written none, for the rows' own fault, and anything else when it is away.
    """

    def write(self, lines: Sequence[bytes]) -> None: ...


@dataclass(frozen=True)
class LogLimits:
    """How far the log may fall behind."""

    flush_seconds: float = 0.05
    hand_over_seconds: float = 0.5
    most_rows_in_memory: int = 20_000
    most_spool_bytes: int = 2 * 1024**3
    longest_backoff_seconds: float = 5.0


@dataclass(frozen=True)
class LogStatus:
    """How far the log is behind, and why."""

    rows_in_memory: int
    spool_bytes: int
    written: int
    spooled: int
    failure: str | None
    refused: int = 0

    @property
    def is_behind(self) -> bool:
        return self.failure is not None


class PredictionLog:
    """Takes rows from requests; two threads bring them to the spool and to the sink."""

    def __init__(self, folder: Path, sink: Sink, limits: LogLimits | None = None) -> None:
        self.limits = limits or LogLimits()
        self._spool = Spool(folder)
        self._sink = sink
        self._rows: deque[bytes] = deque()
        self._stuck = b""
        self._stuck_rows = 0
        self._handed_over_at = time.monotonic()
        self._ending, self._segment_ready = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._written = self._spooled = self._spool_bytes = self._refused = 0
        self._spool_failure: str | None = None
        self._sink_failure: str | None = None

    @property
    def has_room(self) -> bool:
        """Whether another answer can be logged; without room a request is refused rather than forgotten."""
        limits = self.limits
        return (
            len(self._rows) + self._stuck_rows < limits.most_rows_in_memory
            and self._spool_bytes < limits.most_spool_bytes
        )

    def record(self, line: bytes) -> None:
        """Take a row, as one line of JSON. Costs an append; everything else happens elsewhere.

        It comes as bytes because a thread that made them would hold the interpreter against the requests.
        """
        self._rows.append(line)

    def start(self) -> None:
        for act in (self._flush_until_end, self._drain_until_end):
            thread = threading.Thread(target=act, name=f"touchline{act.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Write what is in memory to disk, and to the database if it answers in time; the rest waits on disk."""
        self._ending.set()
        self._segment_ready.set()
        for thread in self._threads:
            thread.join(within_seconds)
        self._spool.close()

    def status(self) -> LogStatus:
        failure = self._spool_failure or self._sink_failure
        in_memory = len(self._rows) + self._stuck_rows
        return LogStatus(in_memory, self._spool_bytes, self._written, self._spooled, failure, self._refused)

    # --- memory → spool ---

    def _flush_until_end(self) -> None:
        while not self._ending.wait(self.limits.flush_seconds):
            self._flush()
            if time.monotonic() - self._handed_over_at >= self.limits.hand_over_seconds:
                self._hand_over()
        self._flush()
        self._hand_over()

    def _flush(self) -> None:
        count = len(self._rows)
        if not count and not self._stuck:
            return
        rows = [self._rows.popleft() for _ in range(count)]
        chunk = self._stuck + b"\n".join([*rows, b""])
        self._stuck, self._stuck_rows = chunk, self._stuck_rows + count
        try:
            self._spool.append(chunk)
        except Exception as away:  # noqa: BLE001  a full disk, or what nobody foresaw: the rows stay, the thread goes on
            if self._spool_failure is None:
                _log.error("the prediction log cannot write its spool: %s", away)
            self._spool_failure = f"spool: {away}"
            with suppress(OSError):
                self._spool.close_segment()  # its last line may be torn; the next segment repeats the chunk
            return
        self._spooled += self._stuck_rows
        self._stuck, self._stuck_rows, self._spool_failure = b"", 0, None

    def _hand_over(self) -> None:
        self._handed_over_at = time.monotonic()
        if self._spool.close_segment() is not None:
            self._segment_ready.set()

    # --- spool → sink ---

    def _drain_until_end(self) -> None:
        backoff, adopted_at = 0.1, -_ADOPT_EVERY_SECONDS
        while True:
            is_last = self._ending.is_set()
            if is_last:
                self._threads[0].join()  # its last segment is closed now
            if time.monotonic() - adopted_at >= _ADOPT_EVERY_SECONDS:
                adopted_at = time.monotonic()
                self._adopt()
            done = self._drain(self._spool.closed())
            if is_last:
                return
            if done:
                backoff = 0.1
                self._segment_ready.wait(self.limits.hand_over_seconds)
                self._segment_ready.clear()
            else:
                self._ending.wait(backoff)
                backoff = min(backoff * 2, self.limits.longest_backoff_seconds)

    def _adopt(self) -> None:
        """Drain what dead workers left."""
        with suppress(OSError), self._spool.orphans() as folders:
            for folder in folders:
                if not self._drain(segments(folder)):
                    return

    def _drain(self, paths: Sequence[Path]) -> bool:
        for path in paths:
            try:
                self._write(path)
            except Exception as away:  # noqa: BLE001  whatever the database raises, the segment stays and is tried again
                if self._sink_failure is None:
                    unforeseen = None if isinstance(away, TouchlineError) else away
                    _log.error("the prediction log waits on disk, the database is away: %s", away, exc_info=unforeseen)
                self._sink_failure = f"database: {type(away).__name__}: {away}"[:300]
                self._spool_bytes = self._spool.waiting_bytes()
                return False
        if self._sink_failure is not None:
            _log.warning("the prediction log has caught up")
        self._sink_failure, self._spool_bytes = None, 0
        return True

    def _write(self, path: Path) -> None:
        segment = read_segment(path)
        if segment.torn_bytes:
            _log.warning("%s: %d bytes at a torn line, not a row", path, segment.torn_bytes)
        for start in range(0, len(segment.lines), _BATCH_ROWS):
            self._hand(segment.lines[start : start + _BATCH_ROWS])
        path.unlink()

    def _hand(self, lines: Sequence[bytes]) -> None:
        """Give lines to the sink; one that it can never take is put aside, so that the others are not held up."""
        try:
            self._sink.write(lines)
            self._written += len(lines)
        except RowsRefused as refused:
            if len(lines) > 1:
                middle = len(lines) // 2
                self._hand(lines[:middle])
                self._hand(lines[middle:])
                return
            kept = self._spool.put_aside(lines[0], str(refused))
            self._refused += 1
            _log.error("a logged prediction was put aside in %s: %s", kept, refused)
