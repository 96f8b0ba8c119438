"""The journal's promotions and rollbacks as events: for people by rules, for systems as signed webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from touchline.alerts.observation import Observation
from touchline.alerts.outbox import Message, Outbox
from touchline.alerts.positions import read_position, write_position
from touchline.alerts.report import Alerting, report_event
from touchline.alerts.spec import EventType, webhook_targets
from touchline.registry import StageChange

_RECORD: Final = "journal"
# Older changes that nobody has looked at are history: a receiver that is declared today does not get them.
_NEWS: Final = timedelta(days=1)


def report_journal(alerting: Alerting, changes: Sequence[StageChange]) -> int:
    """Report the changes of the journal that are new; the number of promotions and rollbacks among them.

    Each is reported once, also after a kill, because its sequence number names it. `changes` are in order.
    """
    with alerting.database.connect() as connection:
        stored = read_position(connection, alerting.project, _RECORD)
    recent_after = alerting.clock.wall() - _NEWS
    after = int(stored) if stored is not None else 0
    new = [one for one in changes if one.sequence > after and (stored is not None or one.wall_at >= recent_after)]
    events = [(one, kind) for one in new if (kind := _kind(one)) is not None]
    for change, kind in events:
        report_event(alerting, _observation(change, kind))
    _post(alerting, events, position=str(changes[-1].sequence) if changes else "0")
    return len(events)


def _kind(change: StageChange) -> Literal["promotion", "rollback"] | None:
    if change.to_stage != "Production" or change.from_stage == "Production":
        return None
    return "rollback" if change.from_stage == "Archived" else "promotion"


def _observation(change: StageChange, kind: Literal["promotion", "rollback"]) -> Observation:
    words = "was promoted to" if kind == "promotion" else "was rolled back to"
    return Observation(
        kind,
        subject=f"version {change.version}",
        happened=f"version {change.version} {words} Production by {change.actor}: {change.reason or 'no reason given'}",
        since=change.at,
        certainty=f"recorded in the journal, entry {change.sequence}",
        cost="predictions come from another release from now on",
        next_command=f"touchline models history -p {change.project}",
        cause=f"journal:{change.sequence}",
    )


def _post(
    alerting: Alerting, events: Sequence[tuple[StageChange, Literal["promotion", "rollback"]]], *, position: str
) -> None:
    """Put the webhooks of the events into the outbox, and move the position, in one transaction."""
    outbox, now = Outbox(alerting.database, alerting.project), alerting.clock.wall()
    with alerting.database.begin() as connection:
        for change, kind in events:
            event: EventType = "model.promoted" if kind == "promotion" else "model.rolled_back"
            targets = webhook_targets(alerting.alerts, event).keys() if alerting.alerts else ()
            outbox.put(connection, _message(change, event, now), targets, now=now)
        if read_position(connection, alerting.project, _RECORD) != position:
            write_position(connection, alerting.project, _RECORD, position)


def _message(change: StageChange, event: EventType, now: datetime) -> Message:
    data = {
        "project": change.project,
        "version": change.version,
        "from_stage": change.from_stage,
        "to_stage": change.to_stage,
        "release": change.release_id,
        "actor": change.actor,
        "reason": change.reason,
        "ticket": change.ticket,
        "sequence": change.sequence,
        "at": change.at.isoformat(),
    }
    return Message(
        key=f"journal/{change.sequence}",
        kind=event,
        title=f"[touchline] {change.project}: {change.describe()}",
        text=change.reason,
        payload={"type": event, "timestamp": now.isoformat(), "data": data},
    )
