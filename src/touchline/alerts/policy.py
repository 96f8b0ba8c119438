"""When an incident is worth a message: pure rules over an incident, a silence and the time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, Protocol

from touchline.alerts.signals import Severity, severity_rank

Status = Literal["open", "resolved", "event"]
MessageKind = Literal["opened", "updated", "escalated", "reopened", "resolved", "event"]


class AlertState(Protocol):
    """What the rules look at in an incident."""

    @property
    def status(self) -> Status: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def escalated_at(self) -> datetime | None: ...
    @property
    def last_message(self) -> MessageKind | None: ...
    @property
    def message_severity(self) -> Severity | None: ...
    @property
    def message_at(self) -> datetime | None: ...
    @property
    def newest_signal_at(self) -> datetime: ...


def next_message(incident: AlertState, *, cooldown: timedelta, is_silenced: bool, now: datetime) -> MessageKind | None:
    """The message that is due now, None for silence.

    Opening, growing worse and being resolved are told at once; a signal that joins, and an incident that comes back
    within the cool-down, are told when `cooldown` has passed since the last message.
    """
    if is_silenced:
        return None
    if incident.status == "event":
        return None if incident.last_message else "event"
    if incident.status == "resolved":
        return None if incident.last_message in (None, "resolved") else "resolved"
    if incident.last_message is None or incident.message_at is None:
        return "opened"
    is_worse = severity_rank(incident.severity) > severity_rank(incident.message_severity)
    if is_worse or (incident.escalated_at is not None and incident.escalated_at > incident.message_at):
        return "escalated"
    # A message that seems to be from the future was sent before the clock went back: nobody waits for that time.
    if abs(now - incident.message_at) < cooldown:
        return None
    if incident.last_message == "resolved":
        return "reopened"
    return "updated" if incident.newest_signal_at > incident.message_at else None


def is_overdue(incident: AlertState, *, escalate_after: timedelta | None, now: datetime) -> bool:
    """Whether an open incident has waited so long that it becomes critical."""
    if escalate_after is None or incident.status != "open" or incident.escalated_at is not None:
        return False
    return now - incident.opened_at >= escalate_after


def comes_back(resolved_at: datetime | None, *, cooldown: timedelta, now: datetime) -> bool:
    """Whether a cause that is wrong again continues its last incident instead of opening a new one."""
    return resolved_at is not None and now - resolved_at < cooldown
