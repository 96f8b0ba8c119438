"""The words of a message, and its payload for systems: pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from touchline.alerts.incidents import Incident, IncidentSignal
from touchline.alerts.outbox import Message
from touchline.alerts.policy import MessageKind

_BEGINNINGS = {
    "opened": "{severity} incident",
    "updated": "{severity} incident, more signals",
    "escalated": "{severity} incident, escalated",
    "reopened": "{severity} incident, wrong again",
    "resolved": "Resolved",
    "event": "Event",
}


def incident_message(incident: Incident, kind: MessageKind, *, now: datetime) -> Message:
    """The message about an incident at wall time `now`. All messages of an incident have one title, one thread."""
    return Message(
        key=f"incident/{incident.id}/{kind}/{now.isoformat()}",
        kind=f"incident.{kind}",
        title=f"[touchline] {incident.project}: {incident.title} ({incident.id[-6:]})",
        text="\n".join(_lines(incident, kind, now)),
        payload=incident_payload(incident, kind, now=now),
        incident_id=incident.id,
    )


def incident_payload(incident: Incident, kind: MessageKind, *, now: datetime) -> dict[str, Any]:
    """The body of a webhook: type, timestamp and data, as Standard Webhooks recommends."""
    data = {
        "project": incident.project,
        "incident_id": incident.id,
        "title": incident.title,
        "cause": incident.cause,
        "severity": incident.severity,
        "status": incident.status,
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "signals": [_signal_payload(signal) for signal in incident.signals],
    }
    return {"type": f"incident.{kind}", "timestamp": now.isoformat(), "data": data}


def _signal_payload(signal: IncidentSignal) -> dict[str, Any]:
    return {
        "signal": signal.signal,
        "subject": signal.subject,
        "severity": signal.severity,
        "is_wrong": signal.cleared_at is None,
        "value": signal.value,
        **vars(signal.account),
    }


def _lines(incident: Incident, kind: MessageKind, now: datetime) -> list[str]:
    main, account = incident.main_signal, incident.main_signal.account
    beginning = _BEGINNINGS[kind].format(severity=incident.severity.capitalize())
    lines = [f"{beginning}: {account.happened.rstrip('.')}."]
    others = [one for one in incident.signals if one is not main]
    lines += [f"Also{' (well again)' if one.cleared_at else ''}: {one.account.happened}" for one in others]
    lines.append(f"Since: {_since(incident, kind, account.since, now)}")
    for label, text in (("How sure", account.certainty), ("Cost", account.cost)):
        lines.append(f"{label}: {text or 'not measured'}")
    lines += [f"Upstream: {fact}" for fact in account.facts if kind != "resolved"]
    if kind == "resolved":
        lines.append("Next: nothing; all signals of this incident are well again")
    elif account.next_command:
        lines.append(f"Next: {account.next_command}")
    where = f"touchline alerts show {incident.id} -p {incident.project}"
    lines.append(f"Incident {incident.id}: {where}")
    if incident.status == "open":
        lines.append(f'Silence it: touchline alerts silence {incident.id} -p {incident.project} --for 4h --reason "…"')
    return lines


def _since(incident: Incident, kind: MessageKind, onset: str | None, now: datetime) -> str:
    """The onset in project time, if it is known, and the wall times between which the incident is or was open.

    The two clocks differ where project time stands still or is simulated, so that each instant names its clock.
    """
    began = f"{datetime.fromisoformat(onset):%Y-%m-%d %H:%M} UTC (project time)" if onset else ""
    opened = f"{incident.opened_at:%Y-%m-%d %H:%M} UTC (wall time)"
    if incident.status == "event":
        return began or opened
    end = incident.resolved_at if kind == "resolved" and incident.resolved_at else now
    verb = "was" if kind == "resolved" else "has been"
    if not began:
        return f"{opened}, when the incident was opened; it {verb} open for {_span(end - incident.opened_at)}"
    return f"{began}; the incident was opened at {opened} and {verb} open for {_span(end - incident.opened_at)}"


def _span(span: timedelta) -> str:
    """A duration in words, never negative.

    >>> _span(timedelta(hours=26)), _span(timedelta(seconds=-5))
    ('1 d 2 h', '0 min')
    """
    minutes = max(0, int(span.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
