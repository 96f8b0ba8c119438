"""Prediction rows on disk until the database has them.

A worker owns a folder of numbered segments and holds an exclusive lock on it while it lives. Rows are appended to the
open segment, which is locked too: a segment that can be locked is closed, or its worker is dead. The drain of the
machine deletes closed segments once the database has committed them. A line without its newline was cut off by a kill
and is no row.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from touchline.storage.ulids import Ulids

_LOCK = "lock"
_SUFFIX = ".jsonl"
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Spool:
    """The segments of this worker, written by one thread.

    A segment may stand in other spools as well, under the same name: one file, so that its rows are written once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / Ulids().next()
        self._number = 0
        self._open: int | None = None
        self._copies: dict[Path, int | None] = {}  # in other spools; with a handle where it is no link
        self._written: list[bytes] = []  # into the open segment
        self._lock: int | None = None
        self._other_locks: dict[Path, int | None] = {}

    def append(self, lines: bytes, others: Iterable[Path] = ()) -> None:
        """Add whole lines; they survive the death of this process from here on, a power cut after `close_segment`.

        `others` are the roots of the spools in which the segment stands too from now on.
        """
        if self._open is None:
            self._start_segment()
        assert self._open is not None
        for root in others:
            self._share(root / self._folder.name)
        for handle in (self._open, *_handles(self._copies)):
            view = memoryview(lines)
            while view:
                view = view[os.write(handle, view) :]
        self._written.append(lines)

    def close_segment(self) -> bytes:
        """Hand the open segment over to the drain. The lines that the disk may not hold come back, to be added again.

        A full or failing disk may hold a part of them, a segment that somebody deleted none.
        """
        if self._open is None:
            return b""
        handle, self._open = self._open, None
        written, self._written = self._written, []
        copies, self._copies = self._copies, {}
        handles = (handle, *_handles(copies))
        try:
            is_deleted = os.fstat(handle).st_nlink <= list(copies.values()).count(None)
            for one in handles:
                os.fsync(one)
        except OSError:
            return b"".join(written)
        finally:
            for one in handles:
                os.close(one)
        if is_deleted:
            self._unlock()
            return b"".join(written)
        return b""

    @property
    def has_segments(self) -> bool:
        """Whether a segment of this worker waits for the database."""
        return bool(segments(self._folder))

    def close(self) -> None:
        """Release the folders; segments that remain wait for the drain."""
        self.close_segment()
        for folder, lock in ((self._folder, self._lock), *self._other_locks.items()):
            if lock is not None and not segments(folder):
                remove_folder(folder)
        self._unlock()

    def _unlock(self) -> None:
        for lock in (self._lock, *self._other_locks.values()):
            if lock is not None:
                os.close(lock)
        self._lock, self._other_locks = None, {}

    def _start_segment(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = lock_folder(self._folder)
        self._number += 1
        self._open = _create(self._segment)

    @property
    def _segment(self) -> Path:
        return self._folder / f"{self._number:08d}{_SUFFIX}"

    def _share(self, folder: Path) -> None:
        """Give the open segment a name in a folder of another spool, if it has none there."""
        if folder in self._copies:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self._other_locks.get(folder) is None:
            self._other_locks[folder] = lock_folder(folder)
        try:
            os.link(self._segment, folder / self._segment.name)
            self._copies[folder] = None
        except OSError as refused:
            if refused.errno not in _NO_LINKS:
                raise
            self._copies[folder] = _create(folder / self._segment.name)


def _handles(copies: Mapping[Path, int | None]) -> list[int]:
    return [handle for handle in copies.values() if handle is not None]


def _create(path: Path) -> int:
    """A new segment, open for its worker alone."""
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.replace(path)  # locked before it has its name: the drain never takes it for a closed one
    except BaseException:
        os.close(handle)
        raise
    return handle


@dataclass(frozen=True)
class Segment:
    """The whole lines of one segment, and the number of bytes of a cut-off line at its end."""

    lines: list[bytes]
    torn_bytes: int


@dataclass(frozen=True)
class Backlog:
    """The rows that wait for the database, of all workers: their bytes, and the age of the oldest segment."""

    size: int = 0
    oldest_seconds: float = 0.0


def read_segment(path: Path) -> Segment:
    """The whole lines of a segment."""
    *lines, torn = path.read_bytes().split(b"\n")
    return Segment(lines, len(torn))


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, oldest first; none where it goes away meanwhile."""
    with suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    return []


def worker_folders(root: Path) -> list[Path]:
    """The folders of all workers, dead or alive, oldest first."""
    with suppress(OSError):
        return sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir())
    return []


def read_backlog(root: Path) -> Backlog:
    """What waits in the spools of all workers."""
    size, oldest = 0, None
    for folder in worker_folders(root):
        for path in segments(folder):
            with suppress(OSError):
                found = path.stat()
                size += found.st_size
                oldest = found.st_mtime if oldest is None else min(oldest, found.st_mtime)
    return Backlog(size, 0.0 if oldest is None else max(0.0, time.time() - oldest))


def has_rows(root: Path) -> bool:
    """Whether a worker has a segment, open or closed."""
    return any(segments(folder) for folder in worker_folders(root))


@contextmanager
def closed_segment(path: Path) -> Iterator[bool]:
    """Hold a segment; False while its worker writes to it, and where it is gone.

    The drains of all spools in which it stands may hold it at once.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield lock_file(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def remove_empty_folders(root: Path) -> None:
    """Remove the folders of dead workers that hold nothing more."""
    for folder in worker_folders(root):
        if not segments(folder) and (handle := lock_folder(folder)) is not None:
            with suppress(OSError):
                for part in folder.glob("*.part"):
                    part.unlink()  # a worker that died before its first row
                remove_folder(folder)
            os.close(handle)


def lock_folder(folder: Path) -> int | None:
    """A handle that holds the folder's lock; None while its owner lives and when the folder is gone."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if lock_file(handle):
        return handle
    os.close(handle)
    return None


def release_folder(handle: int) -> None:
    """Release a folder's lock."""
    os.close(handle)


def remove_folder(folder: Path) -> None:
    """Remove the folder of a worker whose lock is held, if it is empty."""
    with suppress(OSError):
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()


def lock_file(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, by default for this process alone; False while another holds it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
