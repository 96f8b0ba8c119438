"""Distributions then and now, computed once for each drift check."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.monitoring import Distributions, DriftVerdict

    _Key = tuple[DriftVerdict, str | None]


class DistributionCache:
    """Of each project the distributions of its newest drift check."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[_Key, Distributions]] = {}
        self._lock = Lock()

    def get(self, project: str, key: _Key, read: Callable[[], Distributions]) -> Distributions:
        """The distributions of a window, or of a slice of it, which never change; `read` computes them at first."""
        with self._lock:
            entry = self._entries.get(project)
        if entry and entry[0] == key:
            return entry[1]
        found = read()
        with self._lock:
            self._entries[project] = (key, found)
        return found
