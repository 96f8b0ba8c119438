"""What a disk refuses, in words: a full one, and every other."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from touchline.errors import BackendUnavailable, DiskFull

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS: Final = tuple(os.strerror(number) for number in sorted(_FULL))
SQLITE_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})
"""The names of SQLite's errors for a disk, or a quota, that has no room."""


def is_disk_full(failure: BaseException) -> bool:
    """Whether a write failed for want of room. The copy of many files says it in words only.

    >>> is_disk_full(OSError(errno.ENOSPC, "")), is_disk_full(shutil.Error([("a", "b", "No space left on device")]))
    (True, True)
    >>> is_disk_full(PermissionError(errno.EACCES, "No space left on device"))
    False
    """
    if isinstance(failure, sqlite3.Error):
        return getattr(failure, "sqlite_errorname", "") in SQLITE_FULL  # an error of the module itself has none
    if isinstance(failure, shutil.Error):
        return any(words in str(failure) for words in _FULL_WORDS)
    return isinstance(failure, OSError) and failure.errno in _FULL


@contextmanager
def disk_failures_named(what: str, folder: Path) -> Iterator[None]:
    """Raise `DiskFull` where the block finds no room in a folder, and `BackendUnavailable` for other failures."""
    try:
        yield
    except (OSError, sqlite3.Error) as failure:
        if is_disk_full(failure):
            raise DiskFull(what, str(folder)) from failure
        reason = (str(failure).strip() or type(failure).__name__).splitlines()[0][:300]
        step = "Let this user read and write the folder, or name another one."
        raise BackendUnavailable(f"Folder {folder}", f"{what}: {reason}", step) from failure
