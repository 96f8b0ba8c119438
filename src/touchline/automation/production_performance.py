"""The performance check of the release in Production, against its test window."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from touchline.automation.production_release import live_rows, open_production, row_shape, test_rows
from touchline.monitoring import PerformanceReports, PerformanceVerdict, check_performance

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry

# Older answers say little about now; a release that answers longer than this is watched on the newest days.
_LONGEST = timedelta(days=400)


def check_production_performance(project: Project, stores: Registry) -> PerformanceVerdict:
    """Evaluate the settled predictions of the release in Production, and store the verdict."""
    production = open_production(project, stores)
    now = stores.clock.now()
    verdict = check_performance(
        live_rows(project, stores, production, since=now - _LONGEST),
        row_shape(project, production),
        test_rows(project, stores, production).window,
        rule=project.monitoring.performance,
        release_id=production.release.id,
        now=now,
    )
    PerformanceReports(stores.database, project.name).add(verdict, wall=stores.clock.wall())
    return verdict
