"""`/model/health`: what answers, how good it was shown to be, whether its world has drifted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.errors import VersionNotFound
from touchline.predictions import OutcomeRecords, PredictionRecords

if TYPE_CHECKING:
    from touchline.registry import ModelVersion, Registry

router = APIRouter(tags=["models"])


class MetricHealth(BaseModel):
    """A test metric with the ends of its 95 % interval, beside the constant baseline's value."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None


class ProductionVersion(BaseModel):
    """The version in Production, as it was judged."""

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
    missing: int = Field(description="rows still to come before a window can be judged")
    message: str
    drifted: list[str]


class LogHealth(BaseModel):
    """What was asked and what has become known since."""

    predictions: int
    last_answered_at: datetime | None
    outcomes: int = Field(description="examples whose label is known")


class ModelHealth(BaseModel):
    """`unavailable`: nothing answers; `degraded`: it answers, but a person should look."""

    project: str
    status: Literal["ok", "degraded", "unavailable"]
    reasons: list[str] = Field(description="why it is not ok")
    production: ProductionVersion | None
    staging: int | None = Field(description="version in Staging")
    rollback: int | None = Field(description="version that a rollback returns to")
    drift: DriftHealth | None
    log: LogHealth


@router.get("/model/health", summary="The version in Production, its test metrics and its last drift verdict")
def get_model_health(project: ProjectOfRequest) -> ModelHealth:
    registry = project.stores
    production = _production(project, registry)
    drift = _drift(project)
    reasons = _reasons(project, production, drift)
    state = registry.journal.state(project.name)
    return ModelHealth(
        project=project.name,
        status="unavailable" if project.slot.current is None else "degraded" if reasons else "ok",
        reasons=reasons,
        production=production,
        staging=state.staging,
        rollback=state.rollback,
        drift=drift,
        log=_log(project),
    )


def _production(project: RequestedProject, registry: Registry) -> ProductionVersion | None:
    from touchline.registry import read_version

    try:
        found = read_version(registry, project.name, "Production")
    except VersionNotFound:
        return None
    entered = [
        change
        for change in registry.journal.history(project.name)
        if change.version == found.version and change.to_stage == "Production"
    ]
    return ProductionVersion(
        version=found.version,
        semantic_version=found.semantic_version,
        name=found.name,
        run_id=found.run_id,
        release=found.release_id,
        trained_at=found.created_at,
        promoted_at=entered[-1].at if entered else None,
        promoted_by=entered[-1].actor if entered else None,
        test_rows=found.rows,
        test_from=found.test_from,
        test_to=found.test_to,
        metrics=_metrics(found),
    )


def _metrics(version: ModelVersion) -> list[MetricHealth]:
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

    reports = DriftReports(project.stores.database, project.name).newest(1)
    if not reports:
        return None
    verdict = reports[0]
    return DriftHealth(
        state=verdict.state,
        at=verdict.at,
        rows=verdict.rows,
        missing=verdict.missing,
        message=verdict.message,
        drifted=[column.name for column in verdict.drifted],
    )


def _log(project: RequestedProject) -> LogHealth:
    database = project.stores.database
    counts = PredictionRecords(database, project.name).counts()
    return LogHealth(**counts._asdict(), outcomes=OutcomeRecords(database, project.name).count())


def _reasons(project: RequestedProject, production: ProductionVersion | None, drift: DriftHealth | None) -> list[str]:
    slot = project.slot
    found = []
    if production is None:
        found.append(f"nothing is in Production: touchline train -p {project.name}")
    if slot.refused is not None:
        found.append(f"release {slot.refused.release_id} is refused: {slot.refused.reason}")
    if slot.unreachable is not None:
        found.append(f"the journal cannot be read: {slot.unreachable}")
    if drift is not None and drift.state == "drift":
        found.append(drift.message)
    return found
