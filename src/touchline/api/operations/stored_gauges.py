"""Figures of what is stored, for `/metrics`: loss, drift, age of data, incidents, deliveries and pipeline runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from threading import Event, Lock, Thread
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
_WAIT_SECONDS: Final = 2.0


class StoredGauges:
    """The last gauges that `compute` has read from the database, at most every 10 seconds.

    A database that is unreachable, or hangs, keeps nobody waiting for long and the last ones stay: a scrape that waits
    as long as it would lose what the process itself counts.
    """

    def __init__(self, compute: Callable[[], Sequence[Gauge]], *, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._compute, self._wait_seconds = compute, wait_seconds
        self._gauges: Sequence[Gauge] = ()
        self._read_at = float("-inf")
        self._lock, self._is_read = Lock(), Event()
        self._is_read.set()

    def read(self) -> Sequence[Gauge]:
        with self._lock:
            if self._is_read.is_set() and monotonic() - self._read_at >= _CACHED_SECONDS:
                self._is_read.clear()
                Thread(target=self._renew, name="touchline-stored-gauges", daemon=True).start()
        self._is_read.wait(self._wait_seconds)
        return self._gauges

    def _renew(self) -> None:
        try:
            self._gauges = self._compute()
        except TouchlineError as failure:
            _log.warning("the stored figures of /metrics are not renewed: %s", failure)
        except Exception:  # noqa: BLE001  whatever it is, the next scrape tries again
            _log.exception("the stored figures of /metrics are not renewed")
        finally:
            self._read_at = monotonic()
            self._is_read.set()


def all_gauges(api: Api) -> list[Gauge]:
    """The gauges of all served projects, the same from every worker."""
    return [
        gauge
        for name, slot in api.serving.slots.items()
        for gauge in (
            *project_gauges(api.stores_at(slot).database, name, wall=slot.wall()),
            *source_limits(name, api.declared(name).sources),
        )
    ]


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
