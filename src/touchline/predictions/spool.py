"""Prediction rows on disk until the database has them.

A worker owns a folder of numbered segments and holds an exclusive lock on it while it lives. Rows are appended to the
open segment. Closed segments wait for the database and are deleted once it has committed them. A line without its
newline was cut off by a kill and is no row. A worker that finds the folder of a dead worker takes it over.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from touchline.storage.ulids import Ulids

_LOCK = "lock"
_SUFFIX = ".jsonl"
_REFUSED = "refused.jsonl"  # rows that the database can never take


class Spool:
    """The segments of this worker. Used by one thread for writing and another for draining."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / Ulids().next()
        self._number = 0
        self._open: int | None = None
        self._open_path: Path | None = None
        self._lock: int | None = None

    def append(self, lines: bytes) -> None:
        """Add whole lines; they survive the death of this process from here on, a power cut after `close_segment`."""
        if self._open is None:
            self._start_segment()
        assert self._open is not None
        view = memoryview(lines)
        while view:
            view = view[os.write(self._open, view) :]

    def close_segment(self) -> Path | None:
        """Hand the open segment to the drainer; None when nothing was written since the last one."""
        if self._open is None:
            return None
        path, self._open_path = self._open_path, None
        handle, self._open = self._open, None
        try:
            with suppress(OSError):  # a full disk: the rows are still in memory
                os.fsync(handle)
        finally:
            os.close(handle)
        return path

    def closed(self) -> list[Path]:
        """Own segments that wait for the database, oldest first."""
        return [path for path in segments(self._folder) if path != self._open_path]

    def bytes_of_others(self) -> int:
        """Size of the segments of all other workers, dead or alive."""
        total = 0
        for path in self.root.glob(f"*/*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size if path.parent != self._folder else 0
        return total

    def has(self, path: Path) -> bool:
        """Whether a segment is this worker's own."""
        return path.parent == self._folder

    def oldest_seconds(self) -> float:
        """How long ago the oldest waiting segment of this worker was closed."""
        for path in self.closed():
            with suppress(FileNotFoundError):
                return max(0.0, time.time() - path.stat().st_mtime)
        return 0.0

    def close(self) -> None:
        """Release the folder; the next worker drains segments that remain."""
        self.close_segment()
        if self._lock is not None:
            if not segments(self._folder):
                _remove(self._folder)
            os.close(self._lock)
            self._lock = None

    def _start_segment(self) -> None:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self._folder)
        self._number += 1
        path = self._folder / f"{self._number:08d}{_SUFFIX}"
        self._open_path = path  # set before the file exists, so that the drainer never takes it for a closed one
        self._open = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def set_aside(self, line: bytes, reason: str) -> Path:
        """Store a row that the database can never take, on disk before this returns; the path of its file."""
        path = self.root / _REFUSED
        record = orjson.dumps({"reason": reason, "line": line.decode(errors="replace")}) + b"\n"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, record)
            os.fsync(handle)
        finally:
            os.close(handle)
        return path

    @contextmanager
    def orphans(self) -> Iterator[list[Path]]:
        """Folders of dead workers, locked during the block, so that two workers never drain the same one."""
        locked: list[tuple[Path, int]] = []
        folders = self.root.iterdir() if self.root.is_dir() else iter(())
        for folder in sorted(folders):
            if folder != self._folder and (handle := lock_folder(folder)) is not None:
                locked.append((folder, handle))
        try:
            yield [folder for folder, _ in locked]
        finally:
            for folder, handle in locked:
                if not segments(folder):
                    _remove(folder)
                os.close(handle)


@dataclass(frozen=True)
class Segment:
    """The whole lines of one segment, and the number of bytes of a cut-off line at its end."""

    lines: Sequence[bytes]
    torn_bytes: int


def read_segment(path: Path) -> Segment:
    """The whole lines of a segment."""
    *lines, torn = path.read_bytes().split(b"\n")
    return Segment(lines, len(torn))


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, oldest first; none where it goes away meanwhile."""
    with suppress(FileNotFoundError):
        return sorted(folder.glob(f"*{_SUFFIX}"))
    return []


def lock_folder(folder: Path) -> int | None:
    """A handle that holds the folder's lock; None while its owner lives and when the folder is gone."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def release_folder(handle: int) -> None:
    """Release a folder's lock."""
    os.close(handle)


def _remove(folder: Path) -> None:
    with suppress(OSError):
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
