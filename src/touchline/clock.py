"""Project time and wall time.

`now()` is project time: cutoffs, feature TTL, triggers, labels and the journal follow it. `wall()` is
wall time: leases, timeouts, retention and rate limits follow it. A sample project's clock is frozen at
a declared instant, so that "later" matches are real fixtures until the clock is advanced.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The current time of one project."""

    def now(self) -> datetime:
        """Project time, aware, UTC."""

    def wall(self) -> datetime:
        """Wall time, aware, UTC."""

    def move_to(self, instant: datetime) -> None:
        """Move a clock that stands still forward to an instant; a running clock is left alone.

        An ingest under a standing clock is a microsecond later than the predictions before it.
        """


class SystemClock:
    """Project time is wall time.

    >>> SystemClock().now().tzinfo is UTC
    True
    """

    def now(self) -> datetime:
        return self.wall()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def move_to(self, instant: datetime) -> None:
        pass


@dataclass
class FrozenClock:
    """Project time stands still at `instant`; wall time goes on.

    >>> FrozenClock(datetime(2009, 4, 15, tzinfo=UTC)).now().isoformat()
    '2009-04-15T00:00:00+00:00'
    """

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def move_to(self, instant: datetime) -> None:
        self.instant = max(self.instant, instant)
