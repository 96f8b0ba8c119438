"""Retention of alerts: ended incidents, their messages and silences are deleted some time after their end."""

from __future__ import annotations

from typing import Final

from touchline.alerts.report import Alerting
from touchline.alerts.silences import drop_silences

# A database may bind no more values in one statement; the next check goes on.
_MOST_AT_ONCE: Final = 500


def prune_alerts(alerting: Alerting) -> int:
    """Delete what has ended longer ago than the declared retention; the number of incidents. Open ones always stay.

    Messages about the journal, which belong to no incident, count from when they were written.
    """
    if alerting.retention is None:
        return 0
    before = alerting.clock.wall() - alerting.retention
    with alerting.database.begin() as connection:
        ids = alerting.records.drop_ended(connection, before=before, limit=_MOST_AT_ONCE)
        while alerting.outbox.drop(connection, ids, before=before, limit=_MOST_AT_ONCE) == _MOST_AT_ONCE:
            pass
        drop_silences(connection, alerting.project, before=before)
    return len(ids)
