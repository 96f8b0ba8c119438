"""Processes of runs that ended before they had begun their run: tried again later and later, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_FIRST_REST_SECONDS: Final = 4.0
_LONGEST_REST_SECONDS: Final = 300.0


@dataclass(frozen=True)
class _Failures:
    count: int = 0
    deaths: int = 0
    rests_until: float = float("-inf")


class RunStarts:
    """The failed starts of runs that wait. A run that has begun counts its own attempts in the database.

    >>> now = 0.0
    >>> starts = RunStarts(lambda: now)
    >>> starts.note_failure("run", is_death=True), starts.rests("run"), starts.rests("other")
    (1, True, False)
    >>> now = 4.0
    >>> starts.rests("run")
    False
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: dict[str, _Failures] = {}

    def rests(self, run_id: str) -> bool:
        """Whether it is too early for another process."""
        return self._monotonic() < self._failures.get(run_id, _Failures()).rests_until

    def note_failure(self, run_id: str, *, is_death: bool) -> int:
        """Count a process that did not begin the run; the number of those that died without a word."""
        before = self._failures.get(run_id, _Failures())
        pause = min(_FIRST_REST_SECONDS * 2**before.count, _LONGEST_REST_SECONDS)
        after = _Failures(before.count + 1, before.deaths + is_death, self._monotonic() + pause)
        self._failures[run_id] = after
        return after.deaths
