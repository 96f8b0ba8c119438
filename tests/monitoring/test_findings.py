"""Drift and an estimated loss above the reference are named, with the next command, where no incident is open."""

from __future__ import annotations

from datetime import UTC, datetime

from touchline.alerts import incidents_sentence
from touchline.monitoring import DriftReports, DriftVerdict, MonitoringReport, PerformanceVerdict, read_findings
from touchline.monitoring.current import Window
from touchline.monitoring.findings import estimate_finding
from touchline.storage import Database

AT = datetime(2024, 6, 1, tzinfo=UTC)
DRIFT = DriftVerdict(AT, "drift", Window("", "b"), 500, 0, "Drift: 1 of 1 columns differ.")


def test_drift_of_the_release_in_production_is_a_finding_and_that_of_another_release_is_none(
    database: Database,
) -> None:
    DriftReports(database, "shop").add("r1", DRIFT, wall=AT)
    (finding,) = read_findings(database, "shop", "r1")
    assert finding.endswith("touchline monitor drift -p shop.")
    assert incidents_sentence([], [finding]) == f"No incident is open. {finding}"
    assert read_findings(database, "shop", "r2") == read_findings(database, "shop", None) == ()


def test_an_estimate_is_a_finding_only_with_its_whole_interval_above_the_reference() -> None:
    estimate = {"score": "log_loss", "value": 0.48, "low": 0.4, "high": 0.56, "reference_loss": 0.196}
    finding = estimate_finding(estimate, "shop")
    assert "0.48, is above the 0.196 of labelled rows: touchline monitor cause -p shop." in finding
    assert estimate_finding({**estimate, "low": 0.19}, "shop") == ""


def test_the_report_of_a_stable_loss_names_drift() -> None:
    stable = PerformanceVerdict(AT, "r1", "stable", "No loss incident.", "log_loss", 90, 0, 0, 0, 0, 1.0, 60.0)
    sentence = MonitoringReport("shop", performance=stable, drift=DRIFT).sentence
    assert sentence == "No loss incident. Drift: 1 of 1 columns differ."
