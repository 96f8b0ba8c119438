"""Moves logged rows from the spools of all workers of a machine into the database.

One process of the machine drains, whoever holds the lock. It is not a serving process: parsing and inserting rows
there would hold the interpreter while requests wait, which measured as a third of a serving thread's time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Protocol

import orjson

from touchline.errors import TouchlineError, failure_in_words
from touchline.predictions.spool import (
    closed_segment,
    has_rows,
    lock_file,
    read_segment,
    remove_empty_folders,
    segments,
    worker_folders,
)
from touchline.storage.process_identity import has_ended, this_process

_log = logging.getLogger("touchline.predictions.spool_drain")

_BATCH_ROWS = 5000
_LOCK = "drain.lock"
_STATUS = "drain.json"
_REFUSED = "refused.jsonl"  # rows that the database can never take
_FOLDERS_EVERY_SECONDS = 5.0
_ANOTHER_DRAINS_SECONDS = 1.0
_FIRST_BACKOFF_SECONDS = 0.1
_LOCK_TRIES, _LOCK_TRY_SECONDS = 5, 0.01


class RowsRefused(Exception):
    """One of these rows is invalid: a second attempt would fail as well."""


class RowWriter(Protocol):
    """The destination of the rows. Writing a row again changes nothing: `prediction_id` is the key."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write rows, as lines of JSON, all or none. Raises `RowsRefused` for an invalid row; all else is retried."""


@dataclass(frozen=True)
class DrainLimits:
    """How often the drain looks for segments, and how long it waits at most after a failure."""

    every_seconds: float = 0.1
    max_backoff_seconds: float = 5.0


@dataclass(frozen=True)
class DrainStatus:
    """The rows that the drain has written and set aside since it began, the bytes of torn lines, and its failure."""

    process: str = ""
    written: int = 0
    refused: int = 0
    torn_bytes: int = 0
    failure: str | None = None


def read_drain_status(root: Path) -> DrainStatus:
    """The status of the drain of a spool, as it last wrote it. The failure of one that has ended counts no more."""
    try:
        status = DrainStatus(**orjson.loads((root / _STATUS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return DrainStatus()
    return replace(status, failure=None) if status.failure and has_ended(status.process) else status


def is_drained(root: Path) -> bool:
    """Whether a process holds the lock of the drain."""
    try:
        handle = os.open(root / _LOCK, os.O_RDWR)
    except OSError:
        return False
    is_free = lock_file(handle)
    os.close(handle)
    return not is_free


class SpoolDrain:
    """Drains the spools below a folder while it is the only one to do so."""

    def __init__(self, root: Path, writer: RowWriter, limits: DrainLimits | None = None) -> None:
        self.root = root
        self._writer, self._limits = writer, limits or DrainLimits()
        self._status, self._folders_at = DrainStatus(this_process()), 0.0

    def run(self, is_ending: threading.Event) -> None:
        """Drain until the event is set, then once more. Waits while another process drains."""
        while not self._run_alone(is_ending):
            if is_ending.wait(_ANOTHER_DRAINS_SECONDS):
                return

    def run_unless_drained(self, is_ending: threading.Event, *, idle_seconds: float = inf) -> None:
        """The same, but return at once where another process drains, and where no row has come for so long."""
        self._run_alone(is_ending, idle_seconds)

    def _run_alone(self, is_ending: threading.Event, idle_seconds: float = inf) -> bool:
        with _drain_lock(self.root) as is_mine:
            if is_mine:
                self._publish(self._status)
                self._drain_until(is_ending, idle_seconds)
            return is_mine

    def _drain_until(self, is_ending: threading.Event, idle_seconds: float) -> None:
        backoff, busy_at = _FIRST_BACKOFF_SECONDS, time.monotonic()
        while time.monotonic() - busy_at < idle_seconds:
            if has_rows(self.root):
                busy_at = time.monotonic()
            is_last = is_ending.is_set()
            if self.drain():
                pause, backoff = self._limits.every_seconds, _FIRST_BACKOFF_SECONDS
            else:
                pause, backoff = backoff, min(backoff * 2, self._limits.max_backoff_seconds)
            if is_last:
                return
            is_ending.wait(pause)

    def drain(self) -> bool:
        """Write all closed segments; False where the database took one of them not."""
        before = self._status
        is_whole = all(self._drain_segment(path) for folder in worker_folders(self.root) for path in segments(folder))
        if is_whole:
            self._status = replace(self._status, failure=None)
        if self._status != before:
            self._publish(self._status)
        if time.monotonic() - self._folders_at >= _FOLDERS_EVERY_SECONDS:
            self._folders_at = time.monotonic()
            remove_empty_folders(self.root)
        return is_whole

    def _drain_segment(self, path: Path) -> bool:
        with closed_segment(path) as is_closed:
            if not is_closed:
                return True
            try:
                self._write(path)
            except Exception as failure:  # noqa: BLE001  whatever the database raises, the segment stays for a retry
                words = failure_in_words(failure)[:300]
                if words != self._status.failure and not isinstance(failure, TouchlineError):
                    _log.exception("%s cannot be written", path)
                self._status = replace(self._status, failure=words)
                return False
        return True

    def _write(self, path: Path) -> None:
        segment = read_segment(path)
        for start in range(0, len(segment.lines), _BATCH_ROWS):
            self._write_lines(segment.lines[start : start + _BATCH_ROWS])
        path.unlink()
        self._status = replace(self._status, torn_bytes=self._status.torn_bytes + segment.torn_bytes)

    def _write_lines(self, lines: Sequence[bytes]) -> None:
        """Give lines to the database. An invalid row is set aside, so that the others do not wait for it."""
        try:
            self._writer.write(lines)
            self._status = replace(self._status, written=self._status.written + len(lines))
        except RowsRefused as refused:
            if len(lines) > 1:
                middle = len(lines) // 2
                self._write_lines(lines[:middle])
                self._write_lines(lines[middle:])
                return
            self._set_aside(lines[0], str(refused))
            self._status = replace(self._status, refused=self._status.refused + 1)

    def _set_aside(self, line: bytes, reason: str) -> None:
        """Store a row that the database can never take, on disk before this returns."""
        record = orjson.dumps({"reason": reason, "line": line.decode(errors="replace")}) + b"\n"
        handle = os.open(self.root / _REFUSED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            view = memoryview(record)
            while view:  # a full disk takes a part, and refuses the rest
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)

    def _publish(self, status: DrainStatus) -> None:
        part = self.root / f"{_STATUS}.part"
        with suppress(OSError):  # a full disk: the status is late
            part.write_bytes(orjson.dumps(asdict(status)))
            part.replace(self.root / _STATUS)


def _lock_unless_held(handle: int) -> bool:
    """Lock; tried a few times, because `is_drained` holds the lock while it looks."""
    for _ in range(_LOCK_TRIES):
        if lock_file(handle):
            return True
        time.sleep(_LOCK_TRY_SECONDS)
    return False


@contextmanager
def _drain_lock(root: Path) -> Iterator[bool]:
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock_unless_held(handle)
    finally:
        os.close(handle)
