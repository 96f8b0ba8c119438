"""Figures of what is stored, for `/metrics`: loss, drift, age of data, incidents, deliveries and pipeline runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from touchline import alerts, automation, ingest, monitoring
from touchline.errors import TouchlineError
from touchline.serving.telemetry.metrics import Gauge

if TYPE_CHECKING:
    from touchline.api.state import Api
    from touchline.storage import Database

_log = logging.getLogger("touchline.api")
_CACHED_SECONDS: Final = 10.0


@dataclass
class StoredGauges:
    """The gauges of all served projects, the same from every worker; read from the database at most every 10 seconds.

    While the database is unreachable the last ones stay.
    """

    api: Api
    gauges: Sequence[Gauge] = ()
    read_at: float = float("-inf")
    lock: Lock = field(default_factory=Lock)

    def read(self) -> Sequence[Gauge]:
        with self.lock:
            if monotonic() - self.read_at >= _CACHED_SECONDS:
                self.read_at = monotonic()
                try:
                    self.gauges = [
                        gauge
                        for name, slot in self.api.serving.slots.items()
                        for gauge in (
                            *project_gauges(self.api.stores_at(slot).database, name, wall=slot.wall()),
                            *source_limits(name, self.api.declared(name).sources),
                        )
                    ]
                except TouchlineError as failure:
                    _log.warning("the stored figures of /metrics are not renewed: %s", failure)
            return self.gauges


def project_gauges(database: Database, project: str, *, wall: datetime) -> Iterator[Gauge]:
    """The stored figures of one project at wall time `wall`."""
    label = ("project", project)
    yield from _performance(database, label)
    yield from _drift(database, label)
    for source, at in ingest.last_ingests(database, project).items():
        age = (wall - at).total_seconds()
        yield Gauge("source_age_seconds", "Time since the last good ingest", age, (label, ("source", source)))
    open_incidents = alerts.IncidentRecords(database, project).newest(only_open=True, limit=None)
    severities = Counter(incident.severity for incident in open_incidents)
    for severity in ("critical", "warning"):
        yield Gauge("open_incidents", "Open incidents", severities[severity], (label, ("severity", severity)))
    for status, count in alerts.Outbox(database, project).counts().items():
        yield Gauge("alert_deliveries", "Deliveries of messages", count, (label, ("status", status)))
    runs = automation.PipelineRuns(database, project)
    for status, count in runs.counts().items():
        yield Gauge("pipeline_runs", "Pipeline runs", count, (label, ("status", status)))
    for run in runs.finished_since(wall)[-1:]:
        end, labels = run.ended_at.timestamp(), (label, ("status", run.status))
        yield Gauge("pipeline_run_finished_timestamp_seconds", "End of the newest pipeline run", end, labels)


def source_limits(project: str, sources: Sequence[ingest.Source]) -> Iterator[Gauge]:
    """The declared `max_age` of each source that has one."""
    for source in sources:
        if source.max_age is not None:
            labels, seconds = (("project", project), ("source", source.name)), source.max_age.total_seconds()
            yield Gauge("source_max_age_seconds", "Longest time between two ingests, as declared", seconds, labels)


def _performance(database: Database, label: tuple[str, str]) -> Iterator[Gauge]:
    """The loss by variant, on outcomes and estimated, of the newest performance report."""
    for report in monitoring.PerformanceReports(database, label[1]).newest(1):
        for variant in report["variants"]:
            yield from _variant(variant, (label, ("metric", report["score"])))
        if report["state"] in ("stable", "degraded"):  # a 0 where nothing watches the loss would be read as well
            yield Gauge("loss_incident", "1 while the loss is above its limit", report["state"] == "degraded", (label,))
        yield Gauge("settled_rows", "Mature predictions with an outcome", report["rows"], (label,))


def _variant(variant: Mapping[str, Any], labels: tuple[tuple[str, str], ...]) -> Iterator[Gauge]:
    """The loss of a version in one role, on outcomes and estimated; what has too few rows has no series."""
    labels += (("variant", variant["variant"]), ("role", variant["role"]), ("version", str(variant["version"])))
    if variant["loss"] is not None:
        yield Gauge("live_loss", "Mean loss of settled predictions", variant["loss"]["value"], labels)
    text = "Estimated mean loss of predictions without outcome, valid only without concept change"
    for end in ("value", "low", "high") if variant["estimate"] is not None else ():
        yield Gauge("estimated_loss", text, variant["estimate"][end], (*labels, ("end", end)))


def _drift(database: Database, label: tuple[str, str]) -> Iterator[Gauge]:
    """The newest verdict with enough rows: a later check of too few says nothing, so it ends no drift."""
    verdict = monitoring.DriftReports(database, label[1]).last_verdict()
    if verdict is None:
        return
    yield Gauge("drifted_columns", "Columns that drifted, at the newest check", len(verdict.drifted), (label,))
    yield Gauge("drift_rows", "Rows of the newest drift check", verdict.rows, (label,))
    for column in verdict.columns:
        labels = (label, ("column", column.name))
        yield Gauge("drift_psi", "Population stability index of a column", column.psi, labels)
