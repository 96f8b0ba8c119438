"""The prediction log: written in batches outside the requests, and never lost once it is on disk.

A request appends a row in memory. Every `flush_seconds` a thread (`flush_thread`) writes the new rows to the spool.
Every `hand_over_seconds` it closes a segment of the spool, which another process moves into the database
(`spool_drain`). `kill -9` therefore loses at most the answers of the last `flush_seconds` and of the write in progress.
A database that is unavailable loses no answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from touchline.predictions.drain_processes import Drains
from touchline.predictions.flush_thread import Flushed, FlushThread
from touchline.predictions.followed_drain import FollowedDrain
from touchline.predictions.spool import Spool, read_backlog
from touchline.predictions.spool_drain import DrainLimits, read_drain_status

_log = logging.getLogger("touchline.predictions.writer")

_LONG_WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class LogLimits:
    """The bounds of the log's backlog."""

    flush_seconds: float = 0.05
    hand_over_seconds: float = 0.5
    max_rows_in_memory: int = 20_000
    max_spool_bytes: int = 2 * 1024**3
    drain: DrainLimits = field(default_factory=DrainLimits)


@dataclass(frozen=True)
class LogStatus:
    """The backlog of the log, and its cause.

    The rows in memory and `spooled` are this worker's; the rest is that of all workers of the machine, and `written`
    and `refused` count from the start of the process that drains.
    """

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
    """Takes rows from requests; a thread brings them to the spool, and sees to it that the spool is drained.

    `name` says in the server's log what its rows are.
    """

    def __init__(
        self, folder: Path, drains: Drains, limits: LogLimits | None = None, *, name: str = "prediction log"
    ) -> None:
        self.limits, self._name = limits or LogLimits(), name
        self.folder, self._spool, self._drain = folder, Spool(folder), FollowedDrain(folder, drains, name)
        self._rows: list[tuple[bytes, Path | None]] = []
        self._unwritten, self._unwritten_rows = b"", 0  # taken from memory, not yet in the spool
        self._others: set[Path] = set()  # other spools of these rows and of those in the open segment
        self._handed_over_at = time.monotonic()
        # The thread of idle logs sleeps until `record` wakes it, instead of looking twenty times a second.
        self._wake: Callable[[], None] | None = None
        self._has_open_segment, self._spooled = False, 0
        self._thread: FlushThread | None = None
        self._added_bytes = 0  # to the backlog by this worker since the last hand-over
        self._spool_failure: str | None = None

    @property
    def has_room(self) -> bool:
        """True while another answer can be logged. Without room, requests are refused: no answer goes unlogged.

        What other processes do to the spool is known as of the last hand-over.
        """
        limits = self.limits
        return (
            len(self._rows) + self._unwritten_rows < limits.max_rows_in_memory
            and self._drain.backlog_bytes + self._added_bytes < limits.max_spool_bytes
        )

    def record(self, line: bytes, other: Path | None = None) -> None:
        """Take a row, as one line of JSON. Costs an append; the thread does everything else.

        The request makes the bytes: a thread that made them would hold the interpreter while requests wait. `other` is
        the folder of a `SharedSpool` that is to have the row, too.
        """
        self._rows.append((line, other))
        if (wake := self._wake) is not None:
            self._wake = None
            wake()

    def start(self, *others: Flushed) -> None:
        """Begin to bring rows to the disk; the same thread looks after `others`."""
        self._thread = FlushThread(
            [self, *others],
            flush_seconds=self.limits.flush_seconds,
            backlog_seconds=self.limits.hand_over_seconds,
        )
        if self.has_backlog:
            self._drain.ensure()
        self._thread.start()

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Write the rows in memory to disk, and to the database if it answers in time; the others stay on disk."""
        until = time.monotonic() + within_seconds
        if self._thread is not None:
            self._thread.stop(within_seconds)
        self._drain.stop(within_seconds)
        while self._spool.has_segments and time.monotonic() < until and not read_drain_status(self.folder).failure:
            time.sleep(_LOOK_SECONDS)  # another process drains
        if self._spool.has_segments:
            _log.warning("the %s leaves rows in %s; the next process drains them", self._name, self.folder)
        self._spool.close()

    def status(self) -> LogStatus:
        """The state on disk, read now."""
        drain, backlog = read_drain_status(self.folder), read_backlog(self.folder)
        return LogStatus(
            rows_in_memory=len(self._rows) + self._unwritten_rows,
            spool_bytes=backlog.size,
            written=drain.written,
            spooled=self._spooled,
            failure=self._spool_failure or drain.failure,
            refused=drain.refused,
            waiting_seconds=backlog.oldest_seconds,
        )

    @property
    def has_backlog(self) -> bool:
        """Whether rows on disk wait for the database, as of the last hand-over."""
        return self._drain.backlog_bytes > 0

    def flush_due(self) -> None:
        """Write the new rows to the spool, and hand the open segment over where that is due: the thread's work."""
        self._flush()
        if time.monotonic() - self._handed_over_at >= self.limits.hand_over_seconds:
            self._hand_over()

    def flush_all(self) -> None:
        """Write and hand over all rows that the disk takes: the thread's last work."""
        for _ in range(2):  # what the first hand-over could not bring to the disk is tried once more
            self._flush()
            self._hand_over()
        if self._unwritten_rows:
            _log.error("%d rows of the %s are lost: %s", self._unwritten_rows, self._name, self._spool_failure)

    def expect_rows(self, wake: Callable[[], None] | None) -> bool:
        """Have the next row call `wake` once; None: no more. False where rows wait already."""
        self._wake = wake
        if wake is not None and (self._rows or self._unwritten or self._has_open_segment):
            self._wake = None
        return self._wake is not None

    def _flush(self) -> None:
        count = len(self._rows)
        if not count and not self._unwritten:
            return
        rows = self._rows[:count]
        del self._rows[:count]  # each of the two in one step of the interpreter: no row that is added meanwhile is lost
        chunk = self._unwritten + b"\n".join([*(line for line, _ in rows), b""])
        self._unwritten, self._unwritten_rows = chunk, self._unwritten_rows + count
        self._others.update(other for _, other in rows if other is not None)
        try:
            self._spool.append(chunk, self._others)
        except Exception as failure:  # noqa: BLE001  a full disk or any other: the rows stay, the thread goes on
            if self._spool_failure is None:
                _log.error("the %s cannot write its spool: %s", self._name, failure)
            self._spool_failure = f"spool: {failure}"
            with suppress(OSError):
                self._close_segment()  # its last line may be torn; the next segment repeats the chunk
            return
        if not self._has_open_segment:
            self._has_open_segment = True
            self._drain.ensure()
        self._spooled += self._unwritten_rows
        self._added_bytes += len(chunk)
        self._unwritten, self._unwritten_rows, self._spool_failure = b"", 0, None

    def _hand_over(self) -> None:
        self._handed_over_at = time.monotonic()
        self._has_open_segment = False
        self._close_segment()
        self._drain.follow()
        self._added_bytes = 0

    def _close_segment(self) -> None:
        """Hand over what the disk holds for certain, and keep the rest for the next segment."""
        lost = self._spool.close_segment()
        if not lost:
            if not self._unwritten:
                self._others.clear()
            return
        count = lost.count(b"\n")
        _log.error(
            "%d rows of the %s were not safe in %s (full, failing or deleted): written again",
            count,
            self._name,
            self.folder,
        )
        self._unwritten, self._unwritten_rows = lost + self._unwritten, self._unwritten_rows + count
        self._spooled -= count
