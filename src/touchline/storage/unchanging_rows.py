"""Rows that nobody ever changes, read once by a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar

Row = TypeVar("Row")
_MOST_ROWS: Final = 512


class UnchangingRows:
    """The rows that were read last, by key. Only for rows that are added and never changed or deleted.

    >>> rows = UnchangingRows()
    >>> rows.read("a", lambda: None), rows.read("a", lambda: 1), rows.read("a", lambda: 2)
    (None, 1, 1)
    """

    def __init__(self, most_rows: int = _MOST_ROWS) -> None:
        self._most_rows, self._lock = most_rows, Lock()
        self._rows: OrderedDict[Hashable, Any] = OrderedDict()

    def read(self, key: Hashable, read: Callable[[], Row | None]) -> Row | None:
        """The row of a key, read where it is not in memory; a row that is not there yet is looked up again."""
        with self._lock:
            row: Row | None = self._rows.get(key)
            if row is not None:
                self._rows.move_to_end(key)
                return row
        row = read()
        if row is not None:
            with self._lock:
                self._rows[key] = row
                if len(self._rows) > self._most_rows:
                    self._rows.popitem(last=False)
        return row
