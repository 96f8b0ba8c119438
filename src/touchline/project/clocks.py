"""The clock of each project; all processes read it from the metadata database."""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

import sqlalchemy as sa

from touchline.clock import Clock, SystemClock
from touchline.errors import ClockNotFrozen, ClockRunsForward
from touchline.storage import Database
from touchline.storage.tables import clocks

if TYPE_CHECKING:
    from touchline.project.spec import Project

# Other processes see an advance after at most this many seconds.
_REFRESH_SECONDS = 0.05


class StoredClock:
    """A frozen clock, stored in the database, so that `touchline clock advance` reaches every process."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project
        self._instant: datetime | None = None
        self._read_at = 0.0

    def now(self) -> datetime:
        if self._instant is None or monotonic() - self._read_at > _REFRESH_SECONDS:
            began = monotonic()  # before the read: what is stored while it takes place counts as not seen
            self._instant = _read(self._database, self._project) or self.wall()
            self._read_at = began
        return self._instant

    def wall(self) -> datetime:
        return SystemClock().wall()

    def move_to(self, instant: datetime) -> None:
        with self._database.begin() as connection:
            mine = (clocks.c.project == self._project) & (clocks.c.instant < instant)
            connection.execute(sa.update(clocks).where(mine).values(instant=instant))
        self._instant = None


def project_clock(project: Project, database: Database) -> Clock:
    """The system clock, or the stored clock of a sample project. The first use stores the declared instant."""
    start = project.frozen_at()
    if start is None:
        return SystemClock()
    if _read(database, project.name) is None:
        with database.begin() as connection:
            if connection.scalar(_instant_of(project.name)) is None:
                connection.execute(sa.insert(clocks).values(project=project.name, instant=start))
    return StoredClock(database, project.name)


def clock_of(project: str, database: Database) -> Clock:
    """The clock of a project, without its declaration: the stored clock if there is one, else the system clock."""
    return SystemClock() if _read(database, project) is None else StoredClock(database, project)


def advance_clock(project: Project, database: Database, *, to: datetime) -> datetime:
    """Move the clock of a sample project forward. Raises `ClockRunsForward` for an earlier instant."""
    if project.frozen_at() is None:
        raise ClockNotFrozen(project.name)
    project_clock(project, database)
    with database.begin() as connection:
        current = connection.scalar(_instant_of(project.name))
        if current is not None and to < current:
            raise ClockRunsForward(project.name, current, to)
        connection.execute(sa.update(clocks).where(clocks.c.project == project.name).values(instant=to))
    return to


def _instant_of(project: str) -> sa.Select[datetime]:
    return sa.select(clocks.c.instant).where(clocks.c.project == project)


def _read(database: Database, project: str) -> datetime | None:
    with database.connect() as connection:
        return connection.scalar(_instant_of(project))
