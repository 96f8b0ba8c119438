"""The drift check of the release in Production, against the reference profile in that release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.automation.production.release import open_production
from touchline.monitoring import (
    Distributions,
    DriftVerdict,
    check_release_drift,
    evidently_page,
    read_distributions,
    read_window,
)
from touchline.predictions import PredictionRecords

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry


def check_production_drift(project: Project, stores: Registry) -> DriftVerdict:
    """Compare the requests and predictions since the last verdict with the release's reference window."""
    production = open_production(project, stores)
    return check_release_drift(
        stores.database,
        project.name,
        production.release.id,
        profile=production.profile,
        rule=project.monitoring.drift,
        clock=stores.clock,
    )


def read_production_distributions(
    project: Project, stores: Registry, verdict: DriftVerdict, *, of_slice: str | None = None
) -> Distributions:
    """The columns in the reference of Production and in the window of a check, of one slice (FIELD=VALUE) if given."""
    production = open_production(project, stores)
    records = PredictionRecords(stores.database, project.name)
    return read_distributions(records, production.release.id, production.profile, verdict.window, of_slice)


def production_drift_in_evidently(project: Project, stores: Registry, verdict: DriftVerdict) -> str:
    """The windows of a check of Production as a page of Evidently. Raises `MissingDependency` and `InvalidSample`."""
    production = open_production(project, stores)
    records = PredictionRecords(stores.database, project.name)
    current = read_window(records, production.release.id, production.profile, verdict.window)
    return evidently_page(production.profile, current.matrix)
