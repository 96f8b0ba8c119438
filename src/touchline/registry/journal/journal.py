"""The journal: every stage change, append-only; it alone decides which version is live."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from touchline.errors import StageConflict
from touchline.registry.journal.stages import Stage, StageChange, StageState, state_after
from touchline.storage import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from touchline.clock import Clock
    from touchline.storage import Database
    from touchline.storage.change_watch import ChangeWatch


@dataclass(frozen=True)
class Move:
    """One version's step from a stage to a stage, not yet written."""

    version: int
    from_stage: Stage
    to_stage: Stage
    reason: str = ""
    ticket: str | None = None
    gate_report: dict[str, Any] | None = None
    release_id: str | None = None


class Journal:
    """Stage changes of all projects, by (project, sequence). Rows are only ever added."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Rows are never changed, so what has been read stays true; only newer rows are read again.
        self._read: dict[str, tuple[StageChange, ...]] = {}
        self._states: dict[str, StageState] = {}
        self._lock, self._counted = Lock(), dict[str, Hashable]()

    @cached_property
    def _watch(self) -> ChangeWatch:
        return self.watch()

    def history(self, project: str) -> Sequence[StageChange]:
        """Every change of a project, oldest first."""
        with self._lock:
            rows = self._watch.newest()
        if rows is not None and rows == self._counted.get(project):
            return self._read.get(project, ())
        history = self._read_later(project)
        self._counted[project] = rows  # as of before the look: a change since then is read next time
        return history

    def _read_later(self, project: str) -> Sequence[StageChange]:
        changes, earlier = tables.stage_changes, self._read.get(project, ())
        last = earlier[-1].sequence if earlier else 0
        query = select(changes).where(changes.c.project == project, changes.c.sequence > last)
        with self._database.connect() as connection:
            later = [StageChange(**row) for row in connection.execute(query.order_by(changes.c.sequence)).mappings()]
        if not later:
            return earlier
        self._read[project] = (*earlier, *later)
        return self._read[project]

    def watch(self) -> ChangeWatch:
        """Says for one reader whether the journal may have changed since it read it."""
        return self._database.watch(tables.stage_changes)

    def head(self, project: str) -> int:
        """The sequence of the newest change; 0 before the first."""
        with self._database.connect() as connection:
            return self._head(connection, project)

    def state(self, project: str) -> StageState:
        """Which version stands where now; the folded state is cached by its sequence number."""
        history, state = self.history(project), self._states.get(project, StageState())
        later = list(takewhile(lambda change: change.sequence > state.sequence, reversed(history)))
        if later:
            state = self._states[project] = state_after(reversed(later), state)
        return state

    def stages(self, project: str) -> dict[int, Stage]:
        """The stage of every version the journal knows; all others stand in None."""
        return self.state(project).stages

    def at(self, project: str, instant: datetime) -> StageState:
        """Which version stood where at an instant of project time; a change counts from its own instant on."""
        return state_after(change for change in self.history(project) if change.at <= instant)

    def append(
        self,
        project: str,
        moves: Sequence[Move],
        *,
        expected: int,
        actor: str,
        fence: Callable[[Connection], None] | None = None,
    ) -> list[StageChange]:
        """Write the moves as one step after entry `expected`, or raise `StageConflict` and write nothing.

        `fence` is called in the same transaction, and raises where the step may no longer be written.
        """
        try:
            with self._database.begin() as connection:
                if fence is not None:
                    fence(connection)
                return self.write(connection, project, moves, expected=expected, actor=actor)
        except IntegrityError as taken:
            raise self.conflict(project, expected) from taken

    def write(
        self, connection: Connection, project: str, moves: Sequence[Move], *, expected: int, actor: str
    ) -> list[StageChange]:
        """`append` inside a transaction of the caller's, which also writes what belongs to the step."""
        if self._head(connection, project) != expected:
            raise self.conflict(project, expected)
        at, wall_at = self._clock.now(), self._clock.wall()
        changes = [
            StageChange(project=project, sequence=expected + n, at=at, wall_at=wall_at, actor=actor, **vars(move))
            for n, move in enumerate(moves, start=1)
        ]
        connection.execute(insert(tables.stage_changes), [vars(change) for change in changes])
        return changes

    def restore(self, connection: Connection, change: StageChange) -> None:
        """Write a change as it was, after the database has lost it."""
        connection.execute(insert(tables.stage_changes).values(vars(change)))

    def _head(self, connection: Connection, project: str) -> int:
        changes = tables.stage_changes
        query = select(func.max(changes.c.sequence)).where(changes.c.project == project)
        return connection.execute(query).scalar() or 0

    def conflict(self, project: str, expected: int) -> StageConflict:
        """The error for a change that was to follow entry `expected`: it names the change that came first."""
        later = [change for change in self.history(project) if change.sequence > expected]
        step = [change for change in later if change.wall_at == later[0].wall_at] if later else []
        did = ", ".join(f"moved version {c.version} from {c.from_stage} to {c.to_stage}" for c in step) or "wrote first"
        winner = step[0].actor if step else "somebody else"
        return StageConflict(
            project,
            expected=expected,
            actual=max((c.sequence for c in later), default=expected),
            winner=winner,
            did=did,
        )
