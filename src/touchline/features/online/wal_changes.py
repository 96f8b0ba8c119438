"""Whether an SQLite file in WAL mode has changed, without asking SQLite.

Every commit writes a new header into the write-ahead log's index, a file that all processes share in memory: the
header counts transactions and bears salts and checksums, so that no two are alike
(https://www.sqlite.org/walformat.html, "The WAL-Index File Format"). Comparing it costs a tenth of a microsecond, where
the shortest query takes locks and with them three system calls.

A process that closes any handle of a file loses all its locks on that file, those of SQLite's connections too
(https://www.sqlite.org/howtocorrupt.html, section 2.2). So an index is opened once in a process, and closed only after
SQLite has deleted it, which it does when the last connection ends.
"""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path

_HEADER_BYTES = 48  # written twice, one after the other: a commit under way leaves the two unlike


@dataclass(frozen=True)
class _Index:
    """An open index, by device and inode; `seen` None where it is too short to be one."""

    name: tuple[int, int]
    handle: int
    seen: mmap.mmap | None


_indexes: list[_Index] = []
_opening = threading.Lock()


class WalChanges:
    """Watches one file. Needs a connection to it that stays open meanwhile, which keeps the index where it is."""

    def __init__(self, path: Path) -> None:
        self._seen = _open_index(f"{path}-shm")

    def state(self) -> bytes | None:
        """Equal as long as nothing was committed; None while that cannot be told."""
        if self._seen is None:
            return None
        header = self._seen[:_HEADER_BYTES]
        return header if header == self._seen[_HEADER_BYTES:] else None


def _open_index(path: str) -> mmap.mmap | None:
    with _opening:
        _close_deleted()
        try:
            name = _name(Path(path).stat())
            known = [index.seen for index in _indexes if index.name == name]
            return known[0] if known else _opened(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None


def _opened(handle: int) -> mmap.mmap | None:
    status = os.fstat(handle)
    is_whole = status.st_size >= 2 * _HEADER_BYTES
    seen = mmap.mmap(handle, 2 * _HEADER_BYTES, access=mmap.ACCESS_READ) if is_whole else None
    _indexes.append(_Index(_name(status), handle, seen))
    return seen


def _close_deleted() -> None:
    for index in [index for index in _indexes if os.fstat(index.handle).st_nlink == 0]:
        _indexes.remove(index)
        if index.seen is not None:
            index.seen.close()
        os.close(index.handle)


def _name(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
