"""The loss alarm of the newest performance check is one incident, resolved when the loss is back."""

from __future__ import annotations

from datetime import timedelta

from tests.alerts.builders import START, Shop
from touchline.automation.alert_checks import report_loss
from touchline.monitoring import PerformanceReports, PerformanceVerdict
from touchline.storage import Database


def a_verdict(incidents: tuple[tuple[str, str, str | None], ...]) -> PerformanceVerdict:
    counts = {"rows": 400, "young": 0, "open": 0, "unusable": 0, "repeats": 0}
    message = "log_loss is 0.31 above its limit since 2026-02-20"
    return PerformanceVerdict(
        START,
        "one",
        "risen",
        message,
        "log_loss",
        **counts,
        coverage=1.0,
        mature_after_seconds=0.0,
        incidents=incidents,
    )


def test_a_risen_loss_is_one_incident_until_it_has_ended(database: Database) -> None:
    shop = Shop(database)
    report_loss(shop.alerting)
    assert shop.kinds() == []  # nothing is known before the first check
    reports = PerformanceReports(database, "shop")
    reports.add(a_verdict((("2026-02-20", "2026-02-27", None),)), wall=START)
    for _ in range(2):
        report_loss(shop.alerting)
    assert shop.kinds() == ["opened"]
    assert "log_loss is 0.31 above its limit" in shop.messages()[0].text
    reports.add(a_verdict((("2026-02-20", "2026-02-27", "2026-03-01"),)), wall=START + timedelta(days=1))
    shop.clock.pass_by(days=1)
    report_loss(shop.alerting)
    assert shop.kinds() == ["opened", "resolved"]
