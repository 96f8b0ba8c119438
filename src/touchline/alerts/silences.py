"""The table of silences: a person wants no message about a cause, for a reason and until an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from touchline.alerts.incidents import Incident
from touchline.errors import SilenceInvalid
from touchline.storage import Database
from touchline.storage.tables import incident_silences
from touchline.storage.ulids import ulid_at, ulid_instant

_C = incident_silences.c


@dataclass(frozen=True)
class Silence:
    """No messages about one cause, also if it ends and comes back, until `ends_at` (wall time)."""

    id: str
    project: str
    cause: str
    actor: str
    reason: str
    created_at: datetime
    ends_at: datetime

    @property
    def is_lift(self) -> bool:
        """Whether it ended the one before it."""
        return self.ends_at <= self.created_at


def silence_incident(
    database: Database, incident: Incident, *, actor: str, reason: str, ends_at: datetime, now: datetime
) -> Silence:
    """Silence an incident's cause. The newest silence counts, so a second one may end earlier than the first.

    Raises `SilenceInvalid` without a reason, or for an end that is not after `now`.
    """
    if not reason.strip():
        raise SilenceInvalid(incident.id, "no reason is given", "Say why, for whoever looks later")
    if ends_at <= now:
        raise SilenceInvalid(
            incident.id,
            f"its end, {ends_at:%Y-%m-%d %H:%M} UTC, is not after now",
            "Give a later end, such as --for 4h",
        )
    return _add(database, incident, actor=actor, reason=reason, ends_at=ends_at, now=now)


def lift_silence(database: Database, incident: Incident, *, actor: str, reason: str, now: datetime) -> Silence:
    """End the silence of an incident's cause now; who lifted it and why stands among the silences, ending at once.

    Raises `SilenceInvalid` without a reason, or where nothing is silenced.
    """
    if not reason.strip():
        raise SilenceInvalid(incident.id, "no reason for lifting it is given", "Say why", act="lifted")
    if incident.cause not in read_silences(database, incident.project, now=now):
        step = f"See which are: touchline alerts list -p {incident.project}"
        raise SilenceInvalid(incident.id, "no silence of its cause is in force", step, act="lifted")
    return _add(database, incident, actor=actor, reason=reason, ends_at=now, now=now)


def _add(
    database: Database, incident: Incident, *, actor: str, reason: str, ends_at: datetime, now: datetime
) -> Silence:
    """The new newest silence of a cause: its id is above all others, also after the clock went back."""
    of_cause = select(func.max(_C.id)).where(_C.project == incident.project, _C.cause == incident.cause)
    with database.begin() as connection:
        newest = connection.scalar(of_cause)
        at = now if newest is None else max(now, ulid_instant(newest) + timedelta(milliseconds=1))
        silence = Silence(ulid_at(at), incident.project, incident.cause, actor, reason.strip(), now, ends_at)
        connection.execute(insert(incident_silences).values(vars(silence)))
    return silence


def silence_history(database: Database, incident: Incident, *, limit: int = 50) -> list[Silence]:
    """Every silence of an incident's cause and every end that was made early, newest first."""
    of_cause = select(incident_silences).where(_C.project == incident.project, _C.cause == incident.cause)
    with database.connect() as connection:
        rows = connection.execute(of_cause.order_by(_C.id.desc()).limit(limit)).mappings()
        return [Silence(**row) for row in rows]


def drop_silences(connection: Connection, project: str, *, before: datetime) -> None:
    """Delete the silences that ended before an instant."""
    connection.execute(delete(incident_silences).where(_C.project == project, _C.ends_at < before))


def silences_now(connection: Connection, project: str, *, now: datetime) -> dict[str, Silence]:
    """The silences in force, by cause."""
    newest = select(func.max(_C.id)).where(_C.project == project).group_by(_C.cause)
    rows = connection.execute(select(incident_silences).where(_C.id.in_(newest), _C.ends_at > now)).mappings()
    return {row["cause"]: Silence(**row) for row in rows}


def read_silences(database: Database, project: str, *, now: datetime) -> dict[str, Silence]:
    """The silences in force, by cause, read alone."""
    with database.connect() as connection:
        return silences_now(connection, project, now=now)
