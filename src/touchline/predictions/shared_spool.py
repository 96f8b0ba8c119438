"""Another spool in which segments of the prediction log stand, for a process that reads them too.

The log writes each row once, whoever reads it. The rows that only wait for its database wait here as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from touchline.predictions.drain_processes import Drains
from touchline.predictions.followed_drain import FollowedDrain
from touchline.predictions.spool import read_backlog
from touchline.predictions.spool_drain import read_drain_status
from touchline.predictions.writer import LogLimits, LogStatus


class SharedSpool:
    """The spool in a folder, followed by the thread of the log that writes its segments."""

    def __init__(self, folder: Path, drains: Drains, limits: LogLimits, *, name: str) -> None:
        self.folder, self._limits = folder, limits
        self._drain = FollowedDrain(folder, drains, name)
        self._followed_at = -inf

    @property
    def has_room(self) -> bool:
        """True while more rows may wait, as of the last time that the log's thread looked."""
        return self._drain.backlog_bytes < self._limits.max_spool_bytes

    def status(self) -> LogStatus:
        """What waits on disk, read now, in segments of all workers."""
        drain, backlog = read_drain_status(self.folder), read_backlog(self.folder)
        return LogStatus(
            rows_in_memory=0,
            spool_bytes=backlog.size,
            written=drain.written,
            spooled=0,
            failure=drain.failure,
            refused=drain.refused,
            waiting_seconds=backlog.oldest_seconds,
        )

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Let the drain read everything once more, after the log has stopped."""
        self._drain.stop(within_seconds)

    # --- for the log's thread ---

    @property
    def has_backlog(self) -> bool:
        """Whether segments wait, as of the last look."""
        return self._drain.backlog_bytes > 0

    def flush_due(self) -> None:
        """Follow the drain, as often as the log hands segments over."""
        if time.monotonic() - self._followed_at >= self._limits.hand_over_seconds:
            self._followed_at = time.monotonic()
            self._drain.follow()

    def flush_all(self) -> None:
        """Follow the drain a last time."""
        self._drain.follow()

    def expect_rows(self, wake: Callable[[], None] | None) -> bool:
        """Rows come by the log alone."""
        return wake is not None
