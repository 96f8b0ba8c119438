"""Distributions then and now, computed once for each drift check."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.api.state import RequestedProject
    from touchline.monitoring import Distributions, DriftVerdict


class DistributionCache:
    """Of each project the distributions of its newest drift check."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[DriftVerdict, Distributions]] = {}
        self._lock = Lock()

    def get(self, project: RequestedProject, verdict: DriftVerdict) -> Distributions:
        """The distributions of the window of a check, which never changes."""
        with self._lock:
            entry = self._entries.get(project.name)
        if entry and entry[0] == verdict:
            return entry[1]
        from touchline import automation

        found = automation.read_production_distributions(project.declared, project.stores, verdict)
        with self._lock:
            self._entries[project.name] = (verdict, found)
        return found
