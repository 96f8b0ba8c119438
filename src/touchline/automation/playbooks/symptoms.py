"""What is wrong with a project, from its records: data, features, schema, release and model, each with a next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.alerts import IncidentRecords
from touchline.automation.alert_checks.checks import feature_observations, source_observations
from touchline.automation.playbooks.training_difference import training_difference
from touchline.automation.schedule.records import ScheduleRecords
from touchline.automation.schedule.waiting import read_waiting
from touchline.features import read_lineage
from touchline.ingest import read_log
from touchline.ingest.snapshots import find_snapshot, schema_changes
from touchline.monitoring import DriftReports, PerformanceReports
from touchline.registry import GateReport, read_versions

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.project import Project
    from touchline.registry import ModelVersion

_BAD = ("failed", "rejected", "fallback")


@dataclass(frozen=True)
class Symptom:
    """One thing that is wrong, or worth to know (`is_wrong` False), in words, with the next command."""

    subject: str
    happened: str
    next_command: str
    is_wrong: bool = True


def find_symptoms(project: Project, stores: Stores) -> list[Symptom]:
    """Everything that the records of a project show to be wrong, data first, as causes come before effects."""
    return [
        *_ingests(project, stores),
        *_stale(project, stores),
        *_schemas(project, stores),
        *_model(project, stores),
        *_newest_training(project, stores),
        *_schedule(project, stores),
        *_incidents(project, stores),
    ]


def _schedule(project: Project, stores: Stores) -> Iterator[Symptom]:
    """Pauses, runs that wait, and runs whose process is gone."""
    name, waiting = project.name, read_waiting(project.name, stores)
    for job, pause in ScheduleRecords(stores.database, name).paused().items():
        held = len(waiting.held(job))
        since = f"{job} is paused since {pause.at:%Y-%m-%d %H:%M} by {pause.actor}"
        happened = f"{since}: {pause.reason}; waiting runs held: {held}"
        yield Symptom("schedule", happened, f"touchline schedule resume {job} -p {name}", is_wrong=False)
    for run in waiting.gone:
        happened = f"run {run.id} ({run.trigger}) of {run.requested_at:%Y-%m-%d %H:%M} stopped: its process is gone"
        yield Symptom(run.job, happened, waiting.next_command(run))
    if waiting.queued:
        jobs = ", ".join(f"{count} {job}" for job, count in Counter(run.job for run in waiting.queued).items())
        happened = f"runs that wait to begin: {jobs}, the first since {waiting.queued[0].requested_at:%Y-%m-%d %H:%M}"
        yield Symptom("queue", happened, f"touchline schedule show -p {name}", is_wrong=False)


def _incidents(project: Project, stores: Stores) -> Iterator[Symptom]:
    """Open incidents; a note each, since the findings above judge what is wrong now."""
    for one in IncidentRecords(stores.database, project.name).newest(only_open=True, limit=None):
        happened = f"{one.severity}, open since {one.opened_at:%Y-%m-%d %H:%M}: {one.title}"
        command = f"touchline alerts show {one.id} -p {project.name}"
        yield Symptom(f"incident {one.id[-7:]}", happened, command, is_wrong=False)


def _ingests(project: Project, stores: Stores) -> Iterator[Symptom]:
    """Sources whose newest ingest brought nothing, or not everything."""
    for source in project.sources:
        for manifest in read_log(stores.database, project.name, source.name, limit=1):
            if manifest.status in _BAD:
                happened = f"the newest ingest ended as {manifest.status!r}: {manifest.message}"
                yield Symptom(f"source {source.name}", happened, f"touchline ingest {source.name} -p {project.name}")
            if manifest.rejected:
                happened = f"{manifest.rejected} of {manifest.rows_in} rows of the newest ingest went to quarantine"
                yield Symptom(
                    f"source {source.name}",
                    happened,
                    f"touchline data quarantine {source.name} -p {project.name}",
                    is_wrong=False,
                )


def _stale(project: Project, stores: Stores) -> Iterator[Symptom]:
    for observation in (*source_observations(project, stores), *feature_observations(project, stores)):
        kind = "source" if observation.signal == "stale_data" else "features"
        happened = f"{observation.happened}; {observation.cost}"
        yield Symptom(f"{kind} {observation.subject}", happened, observation.next_command)


def _schemas(project: Project, stores: Stores) -> Iterator[Symptom]:
    """Sources whose columns are others than when Production was trained."""
    live = next((one for one in read_versions(stores, project.name) if one.stage == "Production"), None)
    lineage = live and read_lineage(live.training_set_hash, project=project.name, database=stores.database)
    for source, trained_on in (lineage or {}).get("sources", {}).items():
        before = find_snapshot(project.name, source, stores, trained_on)
        now = find_snapshot(project.name, source, stores)
        if live is None or before is None or now is None or before.hash == now.hash:
            continue
        if changes := schema_changes(before, now):
            happened = f"the schema changed since version {live.version} was trained: {', '.join(changes)}"
            yield Symptom(f"source {source}", happened, f"touchline plan -p {project.name}")


def _model(project: Project, stores: Stores) -> Iterator[Symptom]:
    """A risen loss and drift, by the newest checks of the release in Production."""
    state = stores.journal.state(project.name)
    release = state.releases.get(state.production or 0)
    for report in PerformanceReports(stores.database, project.name).newest(1):
        if report["release_id"] == release and report["state"] == "degraded":
            yield Symptom("predictions", report["message"], f"touchline monitor cause -p {project.name}")
    for verdict in DriftReports(stores.database, project.name).newest_with_enough_rows(release or "", 1):
        if verdict.state != "drift":
            continue
        command = f"touchline monitor drift -p {project.name}"
        happened = f"{verdict.message} Drift alone is no loss: compare predictions with outcomes."
        yield Symptom("drift", happened, command, is_wrong=False)


def _newest_training(project: Project, stores: Stores) -> Iterator[Symptom]:
    """Why the newest version is not in Production, and how its training differs from Production's."""
    versions = read_versions(stores, project.name)
    difference = training_difference(project.name, stores)
    if difference is None:
        return
    newest = versions[0]
    happened = (
        f"version {difference.production} is in Production and version {difference.newest} is the newest: "
        f"{_standing(newest, stores)}. Their trainings, Production's first: {'; '.join(difference.differences)}"
    )
    command = f"touchline models compare {difference.production} {difference.newest} -p {project.name}"
    yield Symptom("release", happened, command, is_wrong=False)


def _standing(version: ModelVersion, stores: Stores) -> str:
    """Where a version stands, and the reason of its newest change of stage."""
    changes = [one for one in stores.journal.history(version.project) if one.version == version.version]
    if not changes:
        return "no gate has seen it yet"
    report = changes[-1].gate_report
    failures = GateReport.from_json(report).failures if report is not None else ()
    if failures:
        return f"its gates said no: {'; '.join(failures)}"
    return f"it is in {version.stage} ({changes[-1].reason})"
