"""`/model/health`: the version in Production, its test metrics, and its last drift and performance verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline import automation
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.errors import VersionNotFound
from touchline.predictions import OutcomeRecords, PredictionRecords

if TYPE_CHECKING:
    from touchline.registry import ModelVersion, Registry

router = APIRouter(tags=["models"])
HealthStatus = Literal["ok", "degraded", "unavailable"]


class MetricHealth(BaseModel):
    """A test metric with the ends of its 95 % interval, beside the constant baseline's value."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None


class ProductionVersion(BaseModel):
    """The version in Production with its evaluation."""

    version: int
    semantic_version: str
    name: str = Field(description="the candidate that won")
    run_id: str = Field(description="MLflow run")
    release: str | None
    trained_at: datetime
    promoted_at: datetime | None
    promoted_by: str | None
    test_rows: int
    test_from: datetime | None
    test_to: datetime | None
    metrics: list[MetricHealth]


class DriftHealth(BaseModel):
    """The newest drift verdict."""

    state: Literal["not_enough_data", "stable", "watch", "drift"]
    at: datetime
    rows: int
    missing: int = Field(description="rows that the window still needs for a verdict")
    message: str
    drifted: list[str]


class PerformanceHealth(BaseModel):
    """The newest performance report: the loss of the settled predictions of the release in Production."""

    state: str
    at: datetime
    release: str
    rows: int = Field(description="mature predictions with an outcome")
    young: int = Field(description="predictions that are too young to count")
    score: str = Field(description="name of the loss")
    value: float | None
    low: float | None
    high: float | None
    test: float | None = Field(description="its value in the test window")
    message: str


class LogHealth(BaseModel):
    """The number of logged predictions and of outcomes."""

    predictions: int
    last_answered_at: datetime | None
    outcomes: int = Field(description="examples with an outcome")


class ModelHealth(BaseModel):
    """`unavailable`: no release is loaded; `degraded`: predictions are served, but a person should look."""

    project: str
    status: HealthStatus
    reasons: list[str] = Field(description="reasons why the status is not ok")
    loss_watch: str = Field(description="whether a risen loss would open an incident, and why not")
    production: ProductionVersion | None
    staging: int | None = Field(description="version in Staging")
    rollback: int | None = Field(description="version that a rollback returns to")
    drift: DriftHealth | None
    performance: PerformanceHealth | None
    log: LogHealth


@router.get("/model/health", summary="The version in Production, its test metrics and its last drift verdict")
def get_model_health(project: ProjectOfRequest) -> ModelHealth:
    registry = project.stores
    production = _production(project, registry)
    drift, performance = _drift(project), _performance(project)
    state = registry.journal.state(project.name)
    reasons = read_reasons(project)
    return ModelHealth(
        project=project.name,
        status="unavailable" if project.slot.current is None else "degraded" if reasons else "ok",
        reasons=reasons,
        loss_watch=automation.read_production_watch(project.name, registry).sentence,
        production=production,
        staging=state.staging,
        rollback=state.rollback,
        drift=drift,
        performance=performance,
        log=read_log(project),
    )


def _production(project: RequestedProject, registry: Registry) -> ProductionVersion | None:
    from touchline.registry import read_version

    try:
        version = read_version(registry, project.name, "Production")
    except VersionNotFound:
        return None
    promotions = [
        change
        for change in registry.journal.history(project.name)
        if change.version == version.version and change.to_stage == "Production"
    ]
    return ProductionVersion(
        version=version.version,
        semantic_version=version.semantic_version,
        name=version.name,
        run_id=version.run_id,
        release=version.release_id,
        trained_at=version.created_at,
        promoted_at=promotions[-1].at if promotions else None,
        promoted_by=promotions[-1].actor if promotions else None,
        test_rows=version.rows,
        test_from=version.test_from,
        test_to=version.test_to,
        metrics=metrics_of(version),
    )


def metrics_of(version: ModelVersion) -> list[MetricHealth]:
    """The test metrics of a version beside those of the constant baseline."""
    return [
        MetricHealth(
            name=name,
            value=metric.value,
            low=metric.low,
            high=metric.high,
            baseline=version.baseline[name].value if name in version.baseline else None,
        )
        for name, metric in version.metrics.items()
    ]


def _drift(project: RequestedProject) -> DriftHealth | None:
    from touchline.monitoring import DriftReports

    reports = DriftReports(project.stores.database, project.name)
    verdict = reports.last_verdict() or next(iter(reports.newest(1)), None)
    if verdict is None:
        return None
    return DriftHealth(
        state=verdict.state,
        at=verdict.at,
        rows=verdict.rows,
        missing=verdict.missing,
        message=verdict.message,
        drifted=[column.name for column in verdict.drifted],
    )


def _performance(project: RequestedProject) -> PerformanceHealth | None:
    from touchline.monitoring import PerformanceReports

    reports = PerformanceReports(project.stores.database, project.name).newest(1)
    if not reports:
        return None
    report = reports[0]
    loss: Mapping[str, Any] = next((one for one in report["metrics"] if one["name"] == report["score"]), {})
    return PerformanceHealth(
        **{name: report[name] for name in ("state", "at", "rows", "young", "score", "message")},
        release=report["release_id"],
        value=loss.get("value"),
        low=loss.get("low"),
        high=loss.get("high"),
        test=loss.get("test"),
    )


def read_log(project: RequestedProject) -> LogHealth:
    """The number of predictions and outcomes of a project."""
    database = project.stores.database
    counts = PredictionRecords(database, project.name).counts()
    return LogHealth(**counts._asdict(), outcomes=OutcomeRecords(database, project.name).count())


def read_reasons(project: RequestedProject) -> list[str]:
    """The reasons why a project is not healthy, each in a sentence."""
    slot, drift, performance = project.slot, _drift(project), _performance(project)
    reasons = []
    if project.stores.journal.state(project.name).production is None:
        reasons.append(f"nothing is in Production: touchline train -p {project.name}")
    if slot.refused is not None:
        reasons.append(f"release {slot.refused.release_id} is refused: {slot.refused.reason}")
    if slot.unreachable is not None:
        reasons.append(f"the journal cannot be read: {slot.unreachable}")
    if slot.head is not None and slot.head.lost_changes:
        reasons.append(f"the database has lost its newest {slot.head.lost_changes} stage changes; see touchline doctor")
    if drift is not None and drift.state == "drift":
        reasons.append(drift.message)
    if performance is not None and performance.state == "degraded":
        reasons.append(performance.message)
    return reasons
