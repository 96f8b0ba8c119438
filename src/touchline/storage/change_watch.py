"""Whether rows that were read may have changed, without reading them again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from time import monotonic
from typing import Final

# A counted database is read again after this time all the same: its file may have been replaced.
_COUNTED_SECONDS: Final = 5.0
_UNCOUNTED_SECONDS: Final = 1.0


class ChangeWatch:
    """Asks for the newest rows; where they are not known, rows count as unchanged for a second.

    >>> newest = [7]
    >>> watch = ChangeWatch(lambda: newest[0])
    >>> watch.may_have_changed(), watch.may_have_changed()
    (True, False)
    """

    def __init__(self, newest: Callable[[], Hashable], *, clock: Callable[[], float] = monotonic) -> None:
        self._newest, self._clock = newest, clock
        self._rows: Hashable = None
        self._read_at = -inf

    def may_have_changed(self) -> bool:
        """True the first time and after anybody has added rows; the caller then reads its rows."""
        try:
            rows = self._newest()
        except Exception:  # noqa: BLE001  whatever the driver raises, the caller's own read names it
            self.reset()
            return True
        trusted_seconds = _UNCOUNTED_SECONDS if rows is None else _COUNTED_SECONDS
        if rows == self._rows and self._clock() - self._read_at < trusted_seconds:
            return False
        self._rows, self._read_at = rows, self._clock()
        return True

    def newest(self) -> Hashable:
        """The newest rows now; None where they are not known. For one thread at a time."""
        try:
            return self._newest()
        except Exception:  # noqa: BLE001  whatever the driver raises, the caller's own read names it
            return None

    def reset(self) -> None:
        """Read again at the next question: the last read failed."""
        self._read_at = -inf
