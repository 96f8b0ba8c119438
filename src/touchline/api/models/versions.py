"""`/models` and `/stages`: the versions of a project with their stages, gates and cards, and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from touchline import automation, registry
from touchline.api.models.model_health import MetricHealth, metrics_of
from touchline.api.state import ProjectOfRequest
from touchline.contracts.instants import ZONED, parse_instant
from touchline.registry import Stage

if TYPE_CHECKING:
    from touchline.registry import ModelVersion, StageChange

router = APIRouter(tags=["models"])
VersionReference = Annotated[str, Path(description="a number, a semantic version, Production, Staging or latest")]


class VersionSummary(BaseModel):
    """A version with its test metrics beside the constant baseline."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    semantic_version: str
    name: str = Field(description="the candidate that won")
    stage: Stage
    release_id: str | None
    run_id: str
    created_at: datetime
    rows: int
    clusters: int
    test_from: datetime | None
    test_to: datetime | None
    ticket: str | None
    recalibrates: int | None
    metrics: list[MetricHealth]
    headline: str | None = Field(description="the metric that stands for the version where there is room for one")


class StagesNow(BaseModel):
    """Where the versions stand, or stood: in words, and by stage."""

    sentence: str
    production: int | None
    staging: int | None
    rollback: int | None


class VersionPage(BaseModel):
    """Versions, newest first. `next_before` is null at the end."""

    project: str
    stages: StagesNow
    total: int
    next_before: int | None
    items: list[VersionSummary]


class GateDocument(BaseModel):
    """The verdict of one gate with its number, the allowed number, and the interval of a comparison."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str
    passed: bool
    message: str
    number: float | None
    allowed: float | None
    low: float | None
    high: float | None
    rows: int | None
    clusters: int | None
    is_comparable: bool


class ChangeDocument(BaseModel):
    """One entry of the journal. `at` is project time, `wall_at` wall time."""

    model_config = ConfigDict(from_attributes=True)

    sequence: int
    version: int
    from_stage: Stage
    to_stage: Stage
    at: datetime
    wall_at: datetime
    actor: str
    reason: str
    ticket: str | None
    passed: bool | None = Field(default=None, description="the verdict of the gates, where any were checked")


class ActDocument(BaseModel):
    """A change that a person may make: its effect in words, and why it is not possible now."""

    act: str
    effect: str
    refusal: str | None


class VersionDetail(BaseModel):
    """One version: its inputs by hash, the newest verdicts of its gates, its entries in the journal."""

    summary: VersionSummary
    hashes: dict[str, str]
    gates: list[GateDocument]
    gates_at: datetime | None
    changes: list[ChangeDocument]
    acts: list[ActDocument]


class StageHistory(BaseModel):
    """Every stage change, newest first. `next_before` is null at the end."""

    total: int
    next_before: int | None
    items: list[ChangeDocument]


@router.get("/models", summary="The versions of a project, newest first")
def get_versions(
    project: ProjectOfRequest,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(description="only versions below this number")] = None,
) -> VersionPage:
    versions = registry.read_versions(project.stores, project.name)
    rest = [version for version in versions if before is None or version.version < before]
    items = [summary_of(version) for version in rest[:limit]]
    return VersionPage(
        project=project.name,
        stages=stages_of(project.stores.journal.state(project.name)),
        total=len(versions),
        next_before=items[-1].version if len(rest) > limit else None,
        items=items,
    )


@router.get("/models/{version}", summary="A version with its gates, its journal, and what can be done with it")
def get_version(project: ProjectOfRequest, version: VersionReference) -> VersionDetail:
    record = registry.read_version(project.stores, project.name, version)
    changes = [change for change in project.stores.journal.history(project.name) if change.version == record.version]
    gated = next((change for change in reversed(changes) if "gates" in (change.gate_report or {})), None)
    state = project.stores.journal.state(project.name)
    return VersionDetail(
        summary=summary_of(record),
        hashes=dict(record.hashes),
        gates=[] if gated is None else gates_of(gated.gate_report or {}),
        gates_at=None if gated is None else gated.at,
        changes=change_documents(changes[::-1]),
        acts=[ActDocument(**vars(one)) for one in registry.possible_acts(record, state)],
    )


@router.get("/models/{version}/card", summary="The model card as one HTML page", response_class=HTMLResponse)
def get_card(project: ProjectOfRequest, version: VersionReference) -> HTMLResponse:
    return HTMLResponse(registry.read_card(project.stores, project.name, version).html)


@router.get("/stages", summary="Where the versions stand, or stood at a time")
def get_stages(
    project: ProjectOfRequest,
    at: Annotated[str | None, Query(pattern=ZONED, json_schema_extra={"format": "date-time"})] = None,
) -> StagesNow:
    """`at` is project time, with a zone."""
    journal = project.stores.journal
    return stages_of(journal.state(project.name) if at is None else journal.at(project.name, parse_instant(at)))


@router.get("/stages/history", summary="The journal: every stage change, newest first")
def get_history(
    project: ProjectOfRequest,
    *,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(description="only changes below this number")] = None,
) -> StageHistory:
    changes = project.stores.journal.history(project.name)
    rest = [change for change in reversed(changes) if before is None or change.sequence < before]
    items = change_documents(rest[:limit])
    return StageHistory(total=len(changes), next_before=items[-1].sequence if len(rest) > limit else None, items=items)


def summary_of(version: ModelVersion) -> VersionSummary:
    """A version as the API gives it."""
    own = VersionSummary.model_fields.keys() - {"metrics", "headline"}
    plain = {name: getattr(version, name) for name in own}
    return VersionSummary(**plain, metrics=metrics_of(version), headline=automation.headline_metric(version))


def stages_of(state: registry.StageState) -> StagesNow:
    return StagesNow.model_validate(state, from_attributes=True)


def gates_of(report: dict[str, Any]) -> list[GateDocument]:
    """The gates of a stored report."""
    results = registry.GateReport.from_json(report).results
    return [GateDocument.model_validate(result) for result in results]


def change_documents(changes: Sequence[StageChange]) -> list[ChangeDocument]:
    """Entries of the journal as the API gives them."""
    return [
        ChangeDocument.model_validate(change).model_copy(update={"passed": (change.gate_report or {}).get("passed")})
        for change in changes
    ]
