"""Since when this process has seen the same state of a thing, by a clock that nobody sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class Sightings:
    """The states that a process has seen, by name, each with the instant at which it saw it first.

    >>> instants = iter([0.0, 5.0, 6.0])
    >>> sightings = Sightings(lambda: next(instants))
    >>> [sightings.unchanged_seconds("lease", state) for state in ("a", "a", "b")]
    [0.0, 5.0, 0.0]
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, tuple[Hashable, float]] = {}

    def unchanged_seconds(self, name: str, state: Hashable) -> float:
        """For how long every look has found this state; 0 at the first look and after a change."""
        now = self._monotonic()
        seen, since = self._seen.get(name, (None, now))
        if seen != state:
            self._seen[name] = state, now
            return 0.0
        return now - since
