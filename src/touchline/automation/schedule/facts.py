"""What has happened to a project, read for its triggers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from touchline.automation.runs.records import PipelineRuns, Run
from touchline.automation.schedule.records import ScheduleRecords
from touchline.automation.schedule.triggers import ProjectFacts
from touchline.ingest.snapshots import find_snapshot
from touchline.monitoring import DriftReports, PerformanceReports
from touchline.registry import read_version

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.project import Project


def read_facts(project: Project, stores: Stores) -> ProjectFacts:
    """The facts of a project now; the first call begins its schedule."""
    database, name = stores.database, project.name
    records, now = ScheduleRecords(database, name), stores.clock.now()
    production = stores.journal.state(name).production
    drift = DriftReports(database, name).last_verdict()
    trainings = PipelineRuns(database, name).newest(20, job="retrain")
    return ProjectFacts(
        began_at=records.began_at(stores.clock),
        ticks=records.newest_times(until=now),
        last_run_at=_last_run_at(trainings, now + project.retrain.cooldown),
        trained_at=None if production is None else read_version(stores, name, production).created_at,
        drift_at=None if drift is None else drift.at,
        is_drifted=drift is not None and bool(drift.drifted),
        loss_incident_at=_loss_incident_at(project, stores),
        data_at=_data_at(project, stores, trainings),
    )


def read_change(project: Project, stores: Stores) -> str | None:
    """The change that the newest checks of Production find: `drift` or `loss`; None where they find none."""
    if _loss_incident_at(project, stores) is not None:
        return "loss"
    drift = DriftReports(stores.database, project.name).last_verdict()
    return "drift" if drift is not None and drift.drifted else None


def _last_run_at(trainings: Sequence[Run], latest: datetime) -> datetime | None:
    """When the newest training was asked for. One from a clock that was far ahead tells nothing about its time."""
    return max((run.project_time for run in trainings if run.project_time <= latest), default=None)


def _loss_incident_at(project: Project, stores: Stores) -> datetime | None:
    for report in PerformanceReports(stores.database, project.name).newest(1):
        if report["state"] == "degraded":
            at = datetime.fromisoformat(report["at"])
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _data_at(project: Project, stores: Stores, trainings: Sequence[Run]) -> datetime | None:
    """The newest ingest of a snapshot that the newest training has not seen; None where it has seen them all."""
    seen: dict[str, str] = next((run.detail["snapshots"] for run in trainings if "snapshots" in run.detail), {})
    found = (find_snapshot(project.name, source.name, stores) for source in project.sources)
    return max((one.ingested_at for one in found if one and seen.get(one.source) != one.hash), default=None)
