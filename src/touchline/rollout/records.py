"""The tables of rollouts: each one's rule, and what has happened to it. Rows are only added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from touchline.clock import Clock
from touchline.errors import RolloutConflict, RolloutNotFound
from touchline.registry import StageState
from touchline.rollout.routing import Routing
from touchline.rollout.rule import RolloutRule
from touchline.storage import Database
from touchline.storage.change_watch import ChangeWatch
from touchline.storage.tables import rollout_events, rollouts

EventKind = Literal[
    "start",
    "step",
    "approve",
    "hold",
    "pause",
    "resume",
    "probe",
    "incident",
    "verdict",
    "promoted",
    "kept",
    "aborted",
    "rolled_back",
    "superseded",
]
ENDS: Final[tuple[EventKind, ...]] = ("promoted", "kept", "aborted", "rolled_back", "superseded")
KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
Status = Literal["running", "paused", "held", "ended"]


@dataclass(frozen=True)
class RolloutEvent:
    """One thing that happened. `share` is the candidate's percentage from then on; `at` is project time."""

    project: str
    sequence: int
    number: int
    kind: EventKind
    share: int
    at: datetime
    wall_at: datetime
    actor: str
    message: str
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True)
class EventNote:
    """What an event says, and who did it. `share` is the candidate's percentage from then on; None: as before."""

    message: str
    actor: str = "rollout"
    share: int | None = None
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True)
class Experiment:
    """A rollout as it was started. `id` marks its predictions in the log; `plan` is what it was expected to take."""

    project: str
    number: int
    id: str
    salt: str
    rule: RolloutRule
    rule_hash: str
    plan: dict[str, Any] | None
    started_at: datetime
    started_wall_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True)
class RolloutState:
    """An experiment and its events, oldest first."""

    experiment: Experiment
    events: tuple[RolloutEvent, ...]

    @property
    def rule(self) -> RolloutRule:
        return self.experiment.rule

    @property
    def share(self) -> int:
        """The candidate's percentage of units now; 0 while it pauses and once it has ended."""
        return self.events[-1].share

    @property
    def step(self) -> int:
        """The last percentage that the candidate has reached, which a pause does not change."""
        return next((event.share for event in reversed(self.events) if event.share), 0)

    @property
    def step_since(self) -> datetime:
        """The project time at which the present step began."""
        return next(event.at for event in reversed(self.events) if event.kind in ("start", "step", "resume"))

    @property
    def status(self) -> Status:
        """`held`: the traffic stays as it is until a person resumes it."""
        if self.end is not None:
            return "ended"
        changes = [event.kind for event in self.events if event.kind in ("start", "step", "hold", "pause", "resume")]
        states: dict[str, Status] = {"pause": "paused", "hold": "held"}
        return states.get(changes[-1], "running")

    def has_approved(self, act: str, share: int) -> bool:
        """Whether a person has approved this act; the approval of a step is none of a promotion that is due instead."""
        last = next(event for event in reversed(self.events) if event.kind in ("start", "step", "approve"))
        return last.kind == "approve" and last.evidence == {"act": act, "share": share}

    @property
    def end(self) -> RolloutEvent | None:
        """The event that ended it; None while it runs."""
        return next((event for event in self.events if event.kind in ENDS), None)

    @property
    def verdict(self) -> RolloutEvent | None:
        """The recorded verdict; None until there is one."""
        return next((event for event in self.events if event.kind == "verdict"), None)

    @property
    def routing(self) -> Routing | None:
        """What serving processes do for it; None while Production answers alone."""
        if self.status in ("paused", "ended"):
            return None
        rule, experiment = self.rule, self.experiment
        return Routing(
            experiment.id,
            rule.mode,
            experiment.salt,
            rule.reference.release,
            rule.candidate.release,
            self.share,
            rule.unit,
            dict(rule.overrides),
        )


def routing_in(state: RolloutState, journal: StageState) -> Routing | None:
    """The routing of a rollout while its two versions stand where it began; None once somebody has moved one."""
    rule = state.rule
    if journal.production != rule.reference.version:
        return None
    if rule.mode != "holdout" and journal.staging != rule.candidate.version:
        return None
    return state.routing


class RolloutRecords:
    """Reads and adds the rollouts of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def watch(self) -> ChangeWatch:
        """Says for one reader whether something may have happened since it read."""
        return self._database.watch(rollout_events)

    def head(self) -> int:
        """The sequence of the newest event; 0 before the first."""
        with self._database.connect() as connection:
            return self._head(connection)

    def newest(self) -> RolloutState | None:
        """The newest rollout, whether it runs or has ended."""
        states = self.read(limit=1)
        return states[0] if states else None

    def find(self, number: int) -> RolloutState:
        """The rollout of this number. Raises `RolloutNotFound`."""
        states = {state.experiment.number: state for state in self.read()}
        if number not in states:
            raise RolloutNotFound(self._project, number, list(states))
        return states[number]

    def running(self) -> RolloutState | None:
        """The rollout that has not ended."""
        newest = self.newest()
        return newest if newest is not None and newest.end is None else None

    def read(self, *, limit: int | None = None) -> list[RolloutState]:
        """The rollouts, newest first."""
        of_project = rollouts.c.project == self._project
        query = sa.select(rollouts).where(of_project).order_by(rollouts.c.number.desc()).limit(limit)
        with self._database.connect() as connection:
            experiments = [_experiment(dict(row)) for row in connection.execute(query).mappings()]
            events = _events(connection, self._project, [experiment.number for experiment in experiments])
        return [RolloutState(one, tuple(events[one.number])) for one in experiments]

    def start(self, experiment: Experiment, first: RolloutEvent) -> RolloutState:
        """Add a rollout with its first event. Raises `RolloutConflict` where another one was started meanwhile."""
        row = {**vars(experiment), "rule": experiment.rule.to_json()}
        try:
            with self._database.begin() as connection:
                connection.execute(sa.insert(rollouts).values(row))
                self._insert(connection, first)
        except IntegrityError as taken:
            raise RolloutConflict(self._project) from taken
        return RolloutState(experiment, (first,))

    def add(self, state: RolloutState, kind: EventKind, note: EventNote, *, clock: Clock) -> RolloutState:
        """Add what has happened after the last event of `state`; by default the share stays, and an end takes it to 0.

        Raises `RolloutConflict` where something else happened first, and adds nothing.
        """
        share = 0 if kind in ENDS else state.share if note.share is None else note.share
        with self._database.connect() as connection:
            sequence = self._head(connection) + 1
        if sequence != state.events[-1].sequence + 1:
            raise RolloutConflict(self._project)
        number = state.experiment.number
        event = RolloutEvent(
            project=self._project,
            sequence=sequence,
            number=number,
            kind=kind,
            share=share,
            at=clock.now(),
            wall_at=clock.wall(),
            actor=note.actor,
            message=note.message,
            evidence=note.evidence,
        )
        try:
            with self._database.begin() as connection:
                self._insert(connection, event)
        except IntegrityError as taken:
            raise RolloutConflict(self._project) from taken
        return RolloutState(state.experiment, (*state.events, event))

    def _insert(self, connection: sa.Connection, event: RolloutEvent) -> None:
        connection.execute(sa.insert(rollout_events).values(vars(event)))

    def _head(self, connection: sa.Connection) -> int:
        query = sa.select(sa.func.max(rollout_events.c.sequence)).where(rollout_events.c.project == self._project)
        return connection.scalar(query) or 0


def _experiment(row: dict[str, Any]) -> Experiment:
    return Experiment(**{**row, "rule": RolloutRule.from_json(row["rule"])})


def _events(connection: sa.Connection, project: str, numbers: Sequence[int]) -> dict[int, list[RolloutEvent]]:
    events: dict[int, list[RolloutEvent]] = {number: [] for number in numbers}
    mine = sa.and_(rollout_events.c.project == project, rollout_events.c.number.in_(numbers))
    query = sa.select(rollout_events).where(mine).order_by(rollout_events.c.sequence)
    for row in connection.execute(query).mappings():
        events[row["number"]].append(RolloutEvent(**row))
    return events
