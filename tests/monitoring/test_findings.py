"""Drift and an estimated loss above the reference are named, with the next command, where no incident is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from touchline.alerts import incidents_sentence
from touchline.monitoring import (
    DriftReports,
    DriftVerdict,
    LossWatch,
    MonitoringReport,
    PerformanceReports,
    PerformanceVerdict,
    read_findings,
    read_loss_watch,
)
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


def test_the_watch_says_why_no_risen_loss_would_be_an_incident(database: Database) -> None:
    figures = PerformanceVerdict(
        AT, "r1", "unwatched", "…", "log_loss", 90, 0, 0, 0, 0, 1.0, 60.0, unwatched="no time."
    )
    reports, watch = PerformanceReports(database, "shop"), lambda release: read_loss_watch(database, "shop", release)
    assert (watch("r1").state, watch(None).state) == ("waiting", "waiting")
    assert "touchline monitor performance -p shop" in watch("r1").sentence
    reports.add(figures, wall=AT)
    assert watch("r1") == LossWatch("unwatched", "The loss is not watched: no time.")
    assert watch("r2").state == "waiting"
    reports.add(replace(figures, state="stable", unwatched=""), wall=AT + timedelta(seconds=1))
    assert watch("r1").state == "watched"
    reports.add(replace(figures, state="not_enough_data", unwatched="", message="Few."), wall=AT + timedelta(seconds=2))
    assert watch("r1") == LossWatch("waiting", "The loss is not watched yet. Few.")
