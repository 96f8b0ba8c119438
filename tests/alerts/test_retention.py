"""Ended incidents are deleted with their messages once the retention has passed; open ones stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.alerts.builders import Shop, stale
from touchline.alerts import Alerts, Observation, prune_alerts, report_event, report_state
from touchline.alerts.silences import read_silences, silence_incident
from touchline.storage import Database


def a_shop(database: Database, retention: timedelta | None) -> Shop:
    """One incident that ended, one that is open, and one event, all of the same day."""
    shop = Shop(database, Alerts("json://127.0.0.1:1", rules=["stale_data", "promotion"], retention=retention))
    ended, _ = (report_state(shop.alerting, stale(source)) for source in ("visits", "tills"))
    assert ended is not None
    end = shop.clock.at + timedelta(hours=4)
    silence_incident(database, ended, actor="ann", reason="known", ends_at=end, now=shop.clock.at)
    report_event(
        shop.alerting, Observation("promotion", subject="version 1", is_wrong=True, happened="it was promoted")
    )
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    return shop


def test_what_ended_goes_with_its_messages_and_the_open_incident_stays(database: Database) -> None:
    shop = a_shop(database, timedelta(days=30))
    shop.clock.pass_by(days=29)
    assert prune_alerts(shop.alerting) == 0
    assert len(shop.alerting.records.newest()) == 3
    shop.clock.pass_by(days=2)
    assert prune_alerts(shop.alerting) == 2
    (left,) = shop.alerting.records.newest()
    assert (left.cause, left.status) == ("source:tills", "open")
    assert [message.incident_id for message in shop.messages()] == [left.id]
    assert shop.outbox.counts() == {"waiting": 1}
    assert read_silences(database, "shop", now=shop.clock.at - timedelta(days=31)) == {}


def test_another_project_and_everything_without_a_retention_stay(database: Database) -> None:
    shop = a_shop(database, None)
    shop.clock.pass_by(days=9999)
    assert prune_alerts(shop.alerting) == 0
    other = Shop(database, clock=shop.clock)
    assert other.alerting.retention == timedelta(days=400)
    elsewhere = type(other.alerting)(database, "bakery", None, shop.clock)
    assert prune_alerts(elsewhere) == 0
    assert len(shop.alerting.records.newest()) == 3


def test_a_retention_shorter_than_a_week_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 7 days"):
        Alerts("json://127.0.0.1:1", retention=timedelta(days=1))
