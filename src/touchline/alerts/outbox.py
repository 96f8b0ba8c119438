"""The tables of messages and deliveries: written with an incident's change, sent later, retried until they arrive."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, not_, or_, select, update

from touchline.storage import Database
from touchline.storage.tables import alert_deliveries, alert_messages
from touchline.storage.ulids import ulid_at, ulid_instant

_M, _D = alert_messages.c, alert_deliveries.c
MAX_ATTEMPTS: Final = 12
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=3)
# The time in which one attempt is over: until then no other process tries the same delivery.
CLAIM: Final = timedelta(minutes=1)
_BATCH: Final = 5


@dataclass(frozen=True)
class Message:
    """What one change of an incident, or one event, says to people (`title`, `text`) and to systems (`payload`)."""

    key: str
    kind: str
    title: str
    text: str
    payload: Mapping[str, Any]
    incident_id: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one target."""

    message_id: str
    target: str
    status: Literal["waiting", "sent", "failed"]
    attempts: int
    next_attempt_at: datetime
    sent_at: datetime | None
    failure: str | None
    kind: str
    title: str
    text: str
    payload: Mapping[str, Any]
    incident_id: str | None
    created_at: datetime


def wait_after(attempts: int) -> timedelta:
    """The wait before the next attempt: three times as long after each, at most three hours.

    >>> wait_after(1), wait_after(4), wait_after(12)
    (datetime.timedelta(seconds=10), datetime.timedelta(seconds=270), datetime.timedelta(seconds=10800))
    """
    return min(FIRST_WAIT * int(3 ** (attempts - 1)), LONGEST_WAIT)


class Outbox:
    """The messages of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def put(self, connection: Connection, message: Message, targets: Collection[str], *, now: datetime) -> bool:
        """Store a message with a delivery for each target, in the caller's transaction. False: it was stored before."""
        same = and_(_M.project == self._project, _M.key == message.key)
        if connection.execute(select(_M.id).where(same)).first() is not None:
            return False
        row: dict[str, Any] = {**vars(message), "payload": dict(message.payload), "project": self._project}
        row |= {"id": self._next_id(connection, now), "created_at": now}
        connection.execute(insert(alert_messages).values(row))
        waiting = {"message_id": row["id"], "project": self._project, "status": "waiting", "attempts": 0}
        deliveries = [{**waiting, "target": target, "next_attempt_at": now} for target in sorted(targets)]
        if deliveries:
            connection.execute(insert(alert_deliveries), deliveries)
        return True

    def _next_id(self, connection: Connection, now: datetime) -> str:
        """An id above all others of the project: messages of one instant are delivered in the order of their events."""
        newest = connection.execute(select(func.max(_M.id)).where(_M.project == self._project)).scalar()
        return ulid_at(now if newest is None else max(now, ulid_instant(newest) + timedelta(milliseconds=1)))

    def claim(self, *, now: datetime, target: str | None = None) -> list[Delivery]:
        """The deliveries to try now, the oldest first, at most five a target; for `CLAIM` no other process gets them.

        More than five attempts at a slow receiver would outlast the claim. A delivery waits while an earlier one of the
        same incident waits for the same target, so that nobody hears the end before the beginning.
        """
        is_due = _is_due(now)
        with self._database.begin() as connection:
            mine = select(_D.target).where(_D.project == self._project, is_due).distinct()
            targets = [target] if target is not None else sorted(connection.scalars(mine))
            due = []
            for name in targets:
                due += self._read(connection, is_due & (_D.target == name), limit=_BATCH)
            for delivery in due:
                attempts = delivery.attempts + 1
                values = {"attempts": attempts, "next_attempt_at": now + max(CLAIM, wait_after(attempts))}
                connection.execute(update(alert_deliveries).where(_one(delivery)).values(values))
        return due

    def record_sent(self, delivery: Delivery, *, now: datetime) -> None:
        """The receiver has taken the message."""
        self._update(delivery, status="sent", sent_at=now, failure=None)

    def record_failure(self, delivery: Delivery, failure: str, *, is_final: bool, now: datetime) -> bool:
        """One attempt of a claimed delivery failed. True if it was the last."""
        attempts = delivery.attempts + 1
        is_last = is_final or attempts >= MAX_ATTEMPTS
        status = "failed" if is_last else "waiting"
        self._update(delivery, status=status, failure=failure[:500], next_attempt_at=now + wait_after(attempts))
        return is_last

    def drop(self, connection: Connection, incident_ids: Collection[str], *, before: datetime, limit: int) -> int:
        """Delete the messages of these incidents, and messages of none that are from before an instant; their number.

        A delivery that still waits then is one to a target that is no longer declared.
        """
        is_old = _M.incident_id.is_(None) & (_M.created_at < before)
        mine = select(_M.id).where(_M.project == self._project, or_(_M.incident_id.in_(incident_ids), is_old))
        ids = list(connection.scalars(mine.order_by(_M.id).limit(limit)))
        connection.execute(delete(alert_deliveries).where(_D.message_id.in_(ids)))
        connection.execute(delete(alert_messages).where(_M.id.in_(ids)))
        return len(ids)

    def has_waiting(self) -> bool:
        """Whether a message has not arrived yet."""
        mine = select(_D.target).where(_D.project == self._project, _D.status == "waiting").limit(1)
        with self._database.connect() as connection:
            return connection.execute(mine).first() is not None

    def counts(self) -> dict[str, int]:
        """The number of deliveries by status."""
        query = select(_D.status, func.count()).where(_D.project == self._project).group_by(_D.status)
        with self._database.connect() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def of_incident(self, incident_id: str) -> list[Delivery]:
        """The deliveries of an incident's messages, the oldest first."""
        with self._database.connect() as connection:
            return self._read(connection, _M.incident_id == incident_id)

    def _read(self, connection: Connection, condition: Any, *, limit: int | None = None) -> list[Delivery]:
        columns = [(_M if name in _M and name != "project" else _D)[name] for name in _DELIVERY_COLUMNS]
        query = select(*columns).join(alert_messages, _M.id == _D.message_id).where(_D.project == self._project)
        ordered = query.where(condition).order_by(_D.message_id, _D.target).limit(limit)
        return [Delivery(**row) for row in connection.execute(ordered).mappings()]

    def _update(self, delivery: Delivery, **values: Any) -> None:
        # A result that comes after the claim ended, when another attempt has begun, still counts if it was taken.
        is_current = _D.attempts == delivery.attempts + 1
        is_mine = _one(delivery) if values["status"] == "sent" else and_(_one(delivery), is_current)
        with self._database.begin() as connection:
            connection.execute(update(alert_deliveries).where(is_mine, _D.status == "waiting").values(values))


_DELIVERY_COLUMNS = tuple(Delivery.__dataclass_fields__)


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Waiting deliveries whose time has come, and before which none of the same incident and target waits.

    Waits that a clock which went back made longer than `LONGEST_WAIT` count as over.
    """
    earlier, same = alert_deliveries.alias(), alert_messages.alias()
    is_later = exists(
        select(earlier.c.target)
        .join(same, same.c.id == earlier.c.message_id)
        .where(
            same.c.incident_id.in_(select(_M.incident_id).where(_M.id == _D.message_id).correlate(alert_deliveries)),
            earlier.c.target == _D.target,
            earlier.c.status == "waiting",
            earlier.c.message_id < _D.message_id,
        )
        .correlate(alert_deliveries)
    )
    has_come = or_(_D.next_attempt_at <= now, _D.next_attempt_at > now + LONGEST_WAIT + CLAIM)
    return and_(_D.status == "waiting", has_come, not_(is_later))


def _one(delivery: Delivery) -> Any:
    return and_(_D.message_id == delivery.message_id, _D.target == delivery.target)
