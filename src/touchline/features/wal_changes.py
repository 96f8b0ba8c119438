"""Whether an SQLite file in WAL mode has changed, without asking SQLite.

Every commit writes a new header into the write-ahead log's index, a file that all processes share in memory: the
header counts transactions and bears salts and checksums, so that no two are alike
(https://www.sqlite.org/walformat.html, "The WAL-Index File Format"). Comparing it costs a tenth of a microsecond, where
the shortest query takes locks and with them three system calls.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from pathlib import Path

_HEADER_BYTES = 48  # written twice, one after the other: a commit under way leaves the two unlike


class WalChanges:
    """Watches one file. Needs a connection to it that stays open meanwhile, which keeps the index where it is."""

    def __init__(self, path: Path) -> None:
        self._index: mmap.mmap | None = None
        with suppress(OSError, ValueError), Path(f"{path}-shm").open("rb") as index:
            self._index = mmap.mmap(index.fileno(), 2 * _HEADER_BYTES, access=mmap.ACCESS_READ)

    def state(self) -> bytes | None:
        """Equal as long as nothing was committed; None while that cannot be told."""
        if self._index is None:
            return None
        header = self._index[:_HEADER_BYTES]
        return header if header == self._index[_HEADER_BYTES:] else None

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
