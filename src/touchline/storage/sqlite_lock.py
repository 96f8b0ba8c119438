"""Whether another process holds the write lock of a SQLite file, and which."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

_WAIT_SECONDS: Final = 2.0
_LOCKS: Final = Path("/proc/locks")


def find_lock(path: Path) -> str | None:
    """Who keeps writers waiting for longer than two seconds, in words; None where a writer gets its turn."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as failure:
        if failure.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return None  # the other checks name it
        holders = _holders(path)
        return " and ".join(holders) if holders else "a process that this machine does not show"
    return None


def _holders(path: Path) -> list[str]:
    """The processes with a write lock on the file or on its write-ahead log's index, by Linux's `/proc`."""
    inodes = set()
    for file in (path, Path(f"{path}-shm")):
        with suppress(OSError):
            inodes.add(str(file.stat().st_ino))
    lines: list[str] = []
    with suppress(OSError):
        lines = _LOCKS.read_text().splitlines()
    fields = [line.split() for line in lines]
    pids = {one[4] for one in fields if len(one) > 5 and one[3] == "WRITE" and one[5].rpartition(":")[2] in inodes}
    return [_process(pid) for pid in sorted(pids)]


def _process(pid: str) -> str:
    command = ""
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return f"process {pid}" + (f" ({command[:100]})" if command else "")
