"""Distributions then and now, computed once for each drift check."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.monitoring import Distributions, DriftVerdict


class DistributionCache:
    """Of each project the distributions of its newest drift check."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[DriftVerdict, Distributions]] = {}
        self._lock = Lock()

    def get(self, project: str, verdict: DriftVerdict, read: Callable[[], Distributions]) -> Distributions:
        """The distributions of the window of a check, which never changes; `read` computes them the first time."""
        with self._lock:
            entry = self._entries.get(project)
        if entry and entry[0] == verdict:
            return entry[1]
        found = read()
        with self._lock:
            self._entries[project] = (verdict, found)
        return found
