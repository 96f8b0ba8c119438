"""Every check of the release in Production as one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.automation.production.cause import explain_production_loss
from touchline.automation.production.drift import check_production_drift
from touchline.automation.production.performance import check_production_performance
from touchline.monitoring import DriftReports, MonitoringReport

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry


def report_production(project: Project, stores: Registry) -> MonitoringReport:
    """Check drift and performance, and explain a loss that has risen, or is estimated to."""
    drift = check_production_drift(project, stores)
    performance = check_production_performance(project, stores)
    cause = explain_production_loss(project, stores) if performance.is_risen else None
    last = None if drift.has_enough_rows else DriftReports(stores.database, project.name).last_verdict()
    return MonitoringReport(project.name, performance, drift, cause, last)
