"""The one way by which states and events become incidents: `report_state`, `report_event`, `renew_incidents`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from touchline.alerts.incidents import Incident, IncidentRecords
from touchline.alerts.messages import incident_message
from touchline.alerts.observation import Observation
from touchline.alerts.outbox import Outbox
from touchline.alerts.policy import MessageKind, is_overdue, next_message
from touchline.alerts.signals import severity_rank
from touchline.alerts.silences import silences_now
from touchline.alerts.spec import (
    DEFAULT_COOLDOWN,
    DEFAULT_ESCALATION,
    DEFAULT_RETENTION,
    DEFAULT_RULES,
    Alerts,
    EventType,
    Rule,
    apprise_targets,
    broken_rule,
    webhook_targets,
)
from touchline.clock import Clock
from touchline.storage import Database


@dataclass(frozen=True)
class Alerting:
    """The database, the project and its declared alerts; without them incidents are recorded, and nobody is told."""

    database: Database
    project: str
    alerts: Alerts | None
    clock: Clock

    @property
    def rules(self) -> tuple[Rule, ...]:
        return DEFAULT_RULES if self.alerts is None else self.alerts.rules

    @property
    def cooldown(self) -> timedelta:
        return DEFAULT_COOLDOWN if self.alerts is None else self.alerts.cooldown

    @property
    def escalate_after(self) -> timedelta | None:
        return DEFAULT_ESCALATION if self.alerts is None else self.alerts.escalate_after

    @property
    def retention(self) -> timedelta | None:
        return DEFAULT_RETENTION if self.alerts is None else self.alerts.retention

    @property
    def records(self) -> IncidentRecords:
        return IncidentRecords(self.database, self.project)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.database, self.project)


_LATER = timedelta(milliseconds=1)
# Promotions and rollbacks leave as events of the journal, not of an incident.
_EVENTS: Final[dict[MessageKind, EventType]] = {
    "opened": "incident.opened",
    "updated": "incident.updated",
    "escalated": "incident.escalated",
    "reopened": "incident.reopened",
    "resolved": "incident.resolved",
}


def report_state(alerting: Alerting, observation: Observation) -> Incident | None:
    """Record that a signal is wrong, well again, or measured; the incident that it opened, goes on or ended.

    The declared rules decide whether it is wrong. The first such observation opens an incident, further ones belong to
    it, and it is resolved when all its signals are well. Call it as often as the state is looked at: messages are
    written once for each change, and `deliver_due` sends them. A number that was not measured changes nothing.
    """
    rule = broken_rule(alerting.rules, observation)
    with alerting.database.begin() as connection:
        before = alerting.records.open_for(connection, observation)
        if not observation.says_something:
            return before
        now = _forward(alerting.clock.wall(), before)
        if rule is not None:
            incident = _raise(alerting, connection, observation, rule=rule, before=before, now=now)
        elif before is not None:
            incident = _clear(alerting, connection, observation, before=before, now=now)
        else:
            return None
        return _speak(alerting, connection, incident, now=now)


def report_states(alerting: Alerting, signal: str, observations: Sequence[Observation]) -> None:
    """Record all that is wrong of one signal now: its subjects that are not among the observations are well again."""
    for observation in observations:
        report_state(alerting, observation)
    mentioned = {observation.subject for observation in observations}
    for incident in alerting.records.newest(only_open=True, limit=None):
        for one in incident.signals:
            if one.signal == signal and one.cleared_at is None and one.subject not in mentioned:
                report_state(alerting, Observation.well(signal, one.subject))


def report_event(alerting: Alerting, observation: Observation) -> Incident | None:
    """Record something that happened once, such as a promotion; None where no rule names it or it was recorded before.

    `cause` names the event: reporting it again changes nothing.
    """
    rule = broken_rule(alerting.rules, replace(observation, is_wrong=True))
    if rule is None:
        return None
    with alerting.database.begin() as connection:
        records, now = alerting.records, alerting.clock.wall()
        if records.has_event(connection, observation.cause_key):
            return None
        severity = rule.effective_severity
        incident = records.create(connection, observation, severity=severity, now=now, status="event")
        return _speak(alerting, connection, incident, now=now)


def renew_incidents(alerting: Alerting) -> list[Incident]:
    """Apply the time to incidents: escalate the overdue, tell what a silence or the cool-down held back."""
    with alerting.database.begin() as connection:
        told = []
        for incident in reversed(alerting.records.unsettled(connection)):  # the oldest first
            now = _forward(alerting.clock.wall(), incident)
            after = _speak(alerting, connection, _escalated(alerting, connection, incident, now=now), now=now)
            told += [after] if after.message_at != incident.message_at else []
        return told


def _raise(
    alerting: Alerting,
    connection: Connection,
    observation: Observation,
    *,
    rule: Rule,
    before: Incident | None,
    now: datetime,
) -> Incident:
    records, severity = alerting.records, rule.effective_severity
    cause, cooldown = observation.cause_key, alerting.cooldown
    incident = before or records.recent_for(connection, cause, cooldown=cooldown, now=now)
    if incident is None:
        return records.create(connection, observation, severity=severity, now=now, status="open")
    incident = records.add_signal(connection, incident, observation, severity=severity, now=now)
    worst = max(incident.severity, severity, key=severity_rank)
    count = incident.observations + 1
    return replace(incident, status="open", resolved_at=None, severity=worst, seen_at=now, observations=count)


def _clear(
    alerting: Alerting, connection: Connection, observation: Observation, *, before: Incident, now: datetime
) -> Incident:
    key = (observation.signal, observation.subject)
    if not any((one.signal, one.subject) == key and one.cleared_at is None for one in before.signals):
        return before
    incident = alerting.records.clear_signal(connection, before, key, now=now)
    if any(signal.cleared_at is None for signal in incident.signals):
        return replace(incident, seen_at=now)
    return replace(incident, status="resolved", resolved_at=now, seen_at=now)


def _escalated(alerting: Alerting, connection: Connection, incident: Incident, *, now: datetime) -> Incident:
    is_silenced = incident.cause in silences_now(connection, alerting.project, now=now)
    if is_silenced or not is_overdue(incident, escalate_after=alerting.escalate_after, now=now):
        return incident
    return replace(incident, severity="critical", escalated_at=now)


def _speak(alerting: Alerting, connection: Connection, incident: Incident, *, now: datetime) -> Incident:
    """The incident as it is stored, after the message that is due was put into the outbox."""
    is_silenced = incident.cause in silences_now(connection, alerting.project, now=now)
    # `now` goes on where the wall clock went back; the cool-down has to see that it did.
    wall = alerting.clock.wall()
    kind = next_message(incident, cooldown=alerting.cooldown, is_silenced=is_silenced, now=wall)
    if kind is not None:
        incident = replace(incident, last_message=kind, message_severity=incident.severity, message_at=now)
        targets: set[str] = set()
        if alerting.alerts is not None:
            targets |= apprise_targets(alerting.alerts, incident.severity).keys()
            targets |= webhook_targets(alerting.alerts, _EVENTS[kind]).keys() if kind in _EVENTS else set()
        message = incident_message(incident, kind, now=now)
        alerting.outbox.put(connection, message, targets, now=now)
    alerting.records.save(connection, incident)
    return incident


def _forward(wall: datetime, incident: Incident | None) -> datetime:
    """The wall time, but after all that the incident has seen: ids of messages sort by it, whatever the clock does."""
    if incident is None:
        return wall
    return max(wall, incident.seen_at + _LATER, (incident.message_at or incident.seen_at) + _LATER)
