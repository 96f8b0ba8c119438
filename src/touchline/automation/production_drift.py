"""The drift check of the release in Production, against the reference profile in that release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.automation.production_release import open_production
from touchline.monitoring import DriftVerdict, check_release_drift

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
