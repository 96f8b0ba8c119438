"""The drain of a spool as a serving process sees it: started where none runs, its backlog and its failures known."""

from __future__ import annotations

import logging
from pathlib import Path

from touchline.predictions.drain_processes import Drains
from touchline.predictions.spool import read_backlog
from touchline.predictions.spool_drain import DrainStatus, read_drain_status

_log = logging.getLogger("touchline.predictions.writer")


class FollowedDrain:
    """Followed by the log's thread, again and again. `name` says in the server's log what the rows are."""

    def __init__(self, folder: Path, drains: Drains, name: str) -> None:
        self.folder, self._drains, self._name = folder, drains, name
        self.backlog_bytes = read_backlog(folder).size  # of all workers, as of the last time
        self._status = read_drain_status(folder)

    def follow(self) -> None:
        """Read what waits, see to it that it is drained, and log what has changed in the drain, which has no log."""
        self.backlog_bytes = read_backlog(self.folder).size
        if self.backlog_bytes:
            self.ensure()
        before, now = self._status, read_drain_status(self.folder)
        self._status = now
        if now.process != before.process:
            before = DrainStatus(now.process)
        if now.failure is not None and before.failure is None:
            _log.error("the %s waits on disk: %s", self._name, now.failure)
        if now.failure is None and before.failure is not None:
            _log.warning("the %s has caught up", self._name)
        if now.refused > before.refused:
            _log.error("%d rows of the %s were set aside in %s", now.refused - before.refused, self._name, self.folder)
        if now.torn_bytes > before.torn_bytes:
            _log.warning("%d bytes at torn lines of the spool, not rows", now.torn_bytes - before.torn_bytes)

    def ensure(self) -> None:
        """Start a drain where none runs."""
        try:
            self._drains.ensure()
        except OSError as failure:  # no memory for a process, or a full disk: tried again
            _log.error("the %s waits on disk, its drain does not start: %s", self._name, failure)

    def stop(self, within_seconds: float) -> None:
        """Let a drain that this process has started write everything once more, and end it."""
        self._drains.stop(within_seconds)
