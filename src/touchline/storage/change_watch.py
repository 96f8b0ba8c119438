"""Whether rows that were read may have changed, without reading them again."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Final

# A counted database is read again after this time all the same: its file may have been replaced.
_COUNTED_SECONDS: Final = 5.0
_UNCOUNTED_SECONDS: Final = 1.0


class ChangeWatch:
    """Asks a counter of commits; where there is none, rows count as unchanged for a second.

    >>> commits = [7]
    >>> watch = ChangeWatch(lambda: commits[0])
    >>> watch.may_have_changed(), watch.may_have_changed()
    (True, False)
    """

    def __init__(self, count: Callable[[], int | None], *, clock: Callable[[], float] = monotonic) -> None:
        self._count, self._clock = count, clock
        self._commits: int | None = None
        self._read_at = -inf

    def may_have_changed(self) -> bool:
        """True the first time and after a commit of anybody; the caller then reads its rows."""
        try:
            commits = self._count()
        except Exception:  # noqa: BLE001  whatever the driver raises, the caller's own read names it
            self.reset()
            return True
        trusted_seconds = _UNCOUNTED_SECONDS if commits is None else _COUNTED_SECONDS
        if commits == self._commits and self._clock() - self._read_at < trusted_seconds:
            return False
        self._commits, self._read_at = commits, self._clock()
        return True

    def reset(self) -> None:
        """Read again at the next question: the last read failed."""
        self._read_at = -inf
