"""The tables of incidents and their signals: the only file that reads or writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, or_, select, true, update

from touchline.alerts.observation import Observation
from touchline.alerts.policy import MessageKind, Status, comes_back
from touchline.alerts.signals import SIGNALS, Severity, severity_rank
from touchline.errors import IncidentNotFound
from touchline.storage import Database
from touchline.storage.tables import incident_signals, incidents
from touchline.storage.ulids import ulid_at

_I, _S = incidents.c, incident_signals.c


@dataclass(frozen=True)
class Account:
    """What a message says about a signal: what happened, since when (project time), how sure, its cost, what to do."""

    happened: str
    since: str | None
    certainty: str
    cost: str
    next_command: str
    facts: tuple[str, ...] = ()

    @classmethod
    def of(cls, observation: Observation) -> Account:
        since = observation.since
        return cls(
            happened=observation.happened or f"{SIGNALS[observation.signal].words} {observation.subject}".strip(),
            since=since.isoformat() if since else None,
            certainty=observation.certainty,
            cost=observation.cost,
            next_command=observation.next_command,
            facts=observation.facts,
        )


@dataclass(frozen=True)
class IncidentSignal:
    """One signal of an incident; instants are wall time."""

    signal: str
    subject: str
    severity: Severity
    wrong_since: datetime
    seen_at: datetime
    cleared_at: datetime | None
    value: float | None
    account: Account


@dataclass(frozen=True)
class Incident:
    """One cause that is or was wrong, with its signals, the most severe and then the oldest first."""

    id: str
    project: str
    cause: str
    title: str
    severity: Severity
    status: Status
    opened_at: datetime
    seen_at: datetime
    resolved_at: datetime | None = None
    escalated_at: datetime | None = None
    observations: int = 1
    last_message: MessageKind | None = None
    message_severity: Severity | None = None
    message_at: datetime | None = None
    signals: tuple[IncidentSignal, ...] = ()

    @property
    def newest_signal_at(self) -> datetime:
        return max((signal.wrong_since for signal in self.signals if not signal.cleared_at), default=self.opened_at)

    @property
    def main_signal(self) -> IncidentSignal:
        """The signal that messages are about: the first that is still wrong, else the first."""
        return next((signal for signal in self.signals if not signal.cleared_at), self.signals[0])


def incidents_sentence(incidents: Sequence[Incident], findings: Sequence[str] = ()) -> str:
    """The verdict on incidents: those that are open, by their titles; `findings` of checks where none is.

    >>> incidents_sentence([], ["3 of 4 columns drifted: touchline monitor drift -p shop."])
    'No incident is open. 3 of 4 columns drifted: touchline monitor drift -p shop.'
    """
    titles = [incident.title for incident in incidents if incident.status == "open"]
    return f"{len(titles)} open: {', '.join(titles)}." if titles else " ".join(["No incident is open.", *findings])


class IncidentRecords:
    """The incidents of one project. Writers pass the connection of their transaction (`Database.begin`)."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def newest(self, *, only_open: bool = False, limit: int | None = 50) -> list[Incident]:
        """Incidents, the newest first."""
        condition = _I.status == "open" if only_open else true()
        with self._database.connect() as connection:
            return self._read(connection, condition, limit=limit)

    def count_closed(self) -> int:
        """The number of resolved incidents and events."""
        condition = and_(_I.project == self._project, _I.status != "open")
        with self._database.connect() as connection:
            return connection.scalar(select(func.count()).select_from(incidents).where(condition)) or 0

    def find(self, reference: str) -> Incident:
        """The incident whose id begins or ends with `reference`. Raises `IncidentNotFound` unless it is one."""
        text = reference.strip().upper()
        with self._database.connect() as connection:
            matches = self._read(
                connection, or_(_I.id.startswith(text, autoescape=True), _I.id.endswith(text, autoescape=True)), limit=2
            )
        if len(matches) != 1 or not text:
            raise IncidentNotFound(self._project, reference, len(matches))
        return matches[0]

    def unsettled(self, connection: Connection) -> list[Incident]:
        """The open incidents, and the resolved ones whose end nobody was told yet."""
        is_untold = and_(_I.status == "resolved", _I.last_message.is_not(None), _I.last_message != "resolved")
        return self._read(connection, or_(_I.status == "open", is_untold))

    def open_for(self, connection: Connection, observation: Observation) -> Incident | None:
        """The open incident that has the observation's cause, or its signal of the same subject."""
        open_ones = self._read(connection, _I.status == "open")
        key = (observation.signal, observation.subject)
        with_signal = (one for one in open_ones if key in {(s.signal, s.subject) for s in one.signals})
        with_cause = (one for one in open_ones if one.cause == observation.cause_key)
        return next(with_signal, None) or next(with_cause, None)

    def recent_for(self, connection: Connection, cause: str, *, cooldown: timedelta, now: datetime) -> Incident | None:
        """The last resolved incident of a cause, if the cause has come back within the cool-down."""
        last = self._read(connection, (_I.cause == cause) & (_I.status == "resolved"), limit=1)
        return last[0] if last and comes_back(last[0].resolved_at, cooldown=cooldown, now=now) else None

    def has_event(self, connection: Connection, cause: str) -> bool:
        return bool(self._read(connection, (_I.cause == cause) & (_I.status == "event"), limit=1))

    def create(
        self, connection: Connection, observation: Observation, *, severity: Severity, now: datetime, status: Status
    ) -> Incident:
        """A new incident with its first signal."""
        words = SIGNALS[observation.signal].words
        incident = Incident(
            id=ulid_at(now),
            project=self._project,
            cause=observation.cause_key,
            title=f"{words}: {observation.subject}" if observation.subject else words,
            severity=severity,
            status=status,
            opened_at=now,
            seen_at=now,
            resolved_at=now if status == "event" else None,
        )
        values = {name: value for name, value in vars(incident).items() if name != "signals"}
        connection.execute(insert(incidents).values(values))
        return self.add_signal(connection, incident, observation, severity=severity, now=now)

    def add_signal(
        self, connection: Connection, incident: Incident, observation: Observation, *, severity: Severity, now: datetime
    ) -> Incident:
        """The incident with one more wrong signal, or with the newest observation of a signal that it has."""
        key = (observation.signal, observation.subject)
        earlier = {(signal.signal, signal.subject): signal for signal in incident.signals}.get(key)
        goes_on = earlier is not None and earlier.cleared_at is None
        signal = IncidentSignal(
            *key,
            severity=severity,
            wrong_since=earlier.wrong_since if earlier and goes_on else now,
            seen_at=now,
            cleared_at=None,
            value=observation.value,
            account=Account.of(observation),
        )
        values = {**vars(signal), "account": asdict(signal.account)}
        if earlier is None:
            connection.execute(insert(incident_signals).values(incident_id=incident.id, **values))
        else:
            connection.execute(update(incident_signals).where(_signal(incident, key)).values(values))
        others = tuple(one for one in incident.signals if (one.signal, one.subject) != key)
        return replace(incident, signals=_sorted((*others, signal)))

    def clear_signal(
        self, connection: Connection, incident: Incident, key: tuple[str, str], *, now: datetime
    ) -> Incident:
        """The incident with a signal well again."""
        connection.execute(update(incident_signals).where(_signal(incident, key)).values(cleared_at=now, seen_at=now))
        signals = (
            replace(one, cleared_at=now, seen_at=now) if (one.signal, one.subject) == key else one
            for one in incident.signals
        )
        return replace(incident, signals=_sorted(signals))

    def drop_ended(self, connection: Connection, *, before: datetime, limit: int) -> list[str]:
        """Delete incidents that ended before an instant, with their signals; their ids, the oldest first."""
        ended = (_I.project == self._project) & (_I.status != "open") & (_I.resolved_at < before)
        ids = list(connection.scalars(select(_I.id).where(ended).order_by(_I.id).limit(limit)))
        connection.execute(delete(incident_signals).where(_S.incident_id.in_(ids)))
        connection.execute(delete(incidents).where(_I.id.in_(ids)))
        return ids

    def save(self, connection: Connection, incident: Incident) -> None:
        """Write what has changed of the incident itself."""
        unchanged = ("id", "project", "cause", "title", "opened_at", "signals")
        values = {name: value for name, value in vars(incident).items() if name not in unchanged}
        connection.execute(update(incidents).where(_I.id == incident.id).values(values))

    def _read(
        self, connection: Connection, condition: ColumnElement[bool], *, limit: int | None = None
    ) -> list[Incident]:
        mine = select(incidents).where(_I.project == self._project, condition).order_by(_I.id.desc()).limit(limit)
        rows = list(connection.execute(mine).mappings())
        of_these = select(incident_signals).where(_S.incident_id.in_([row["id"] for row in rows]))
        signals: dict[str, list[IncidentSignal]] = {}
        for row in connection.execute(of_these).mappings():
            signals.setdefault(row["incident_id"], []).append(_signal_of(row))
        return [Incident(**cast(Any, row), signals=_sorted(signals.get(row["id"], ()))) for row in rows]


def _signal(incident: Incident, key: tuple[str, str]) -> ColumnElement[bool]:
    return and_(_S.incident_id == incident.id, _S.signal == key[0], _S.subject == key[1])


def _signal_of(row: RowMapping) -> IncidentSignal:
    values = {name: value for name, value in row.items() if name != "incident_id"}
    return IncidentSignal(**cast(Any, {**values, "account": _account(row["account"])}))


def _sorted(signals: Sequence[IncidentSignal] | Any) -> tuple[IncidentSignal, ...]:
    order = sorted(signals, key=lambda one: (-severity_rank(one.severity), one.wrong_since, one.signal, one.subject))
    return tuple(order)


def _account(document: Mapping[str, Any]) -> Account:
    return Account(**{**document, "facts": tuple(document.get("facts", ()))})
