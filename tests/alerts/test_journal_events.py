"""Promotions and rollbacks leave as signed events, once."""

from __future__ import annotations

from datetime import timedelta

from tests.alerts.builders import SECRET, START, Shop
from touchline.alerts import Alerts, Webhook, report_journal
from touchline.registry import StageChange
from touchline.storage import Database


def change(sequence: int, from_stage: str, to_stage: str, *, hours_ago: float = 0) -> StageChange:
    at = START - timedelta(hours=hours_ago)
    return StageChange("shop", sequence, 3, from_stage, to_stage, at, at, "ann", "better")  # type: ignore[arg-type]


def a_shop(database: Database, *, rules: tuple[str, ...] = ("promotion", "rollback")) -> Shop:
    return Shop(database, Alerts("json://x", rules=rules, webhooks=[Webhook("https://ops.example/", secret=SECRET)]))


def waiting(shop: Shop) -> list[tuple[str, str]]:
    return [(one.kind, one.target) for one in shop.outbox.claim(now=shop.clock.at)]


def test_each_promotion_and_rollback_is_reported_once(database: Database) -> None:
    shop = a_shop(database)
    changes = [change(1, "None", "Staging"), change(2, "Staging", "Production"), change(3, "Archived", "Production")]
    assert report_journal(shop.alerting, changes[:2]) == 1
    assert report_journal(shop.alerting, changes) == 1
    assert report_journal(shop.alerting, changes) == 0
    assert sorted(waiting(shop)) == [
        ("incident.event", "json-1"),
        ("incident.event", "json-1"),
        ("model.promoted", "webhook-1"),
        ("model.rolled_back", "webhook-1"),
    ]


def test_without_a_rule_people_are_spared_and_systems_still_hear(database: Database) -> None:
    shop = a_shop(database, rules=("stale_data",))
    report_journal(shop.alerting, [change(1, "Staging", "Production")])
    assert waiting(shop) == [("model.promoted", "webhook-1")]


def test_a_journal_from_before_the_alerts_is_history(database: Database) -> None:
    shop = a_shop(database)
    old = change(1, "Staging", "Production", hours_ago=30)
    assert report_journal(shop.alerting, [old]) == 0
    # What follows is news, however late it is looked at.
    shop.clock.pass_by(days=9)
    assert report_journal(shop.alerting, [old, change(2, "Archived", "Production")]) == 1
