"""Since when each component of a project has its status, as the health requests of this process have seen it."""

from __future__ import annotations

from datetime import datetime
from threading import Lock


class ComponentStates:
    """The status of each component at the newest request, with the instant of the first one that saw it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._lock = Lock()

    def since(self, project: str, component: str, status: str, *, at: datetime) -> datetime:
        """When the status was first seen; a changed one begins at `at`.

        >>> from datetime import UTC
        >>> states, noon = ComponentStates(), datetime(2024, 1, 1, 12, tzinfo=UTC)
        >>> states.since("shop", "database", "ok", at=noon) == noon
        True
        >>> states.since("shop", "database", "ok", at=noon.replace(hour=13)) == noon
        True
        """
        with self._lock:
            earlier = self._seen.get((project, component))
            if earlier is None or earlier[0] != status:
                self._seen[project, component] = (status, at)
            return self._seen[project, component][1]
