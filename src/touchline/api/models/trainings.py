"""`/trainings`: the trainings that recorded a version, and some of them side by side with their learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from touchline import registry
from touchline.api.models.versions import VersionSummary, summary_of
from touchline.api.state import ProjectOfRequest, RequestedProject

if TYPE_CHECKING:
    from touchline.registry import ModelVersion

router = APIRouter(tags=["training"])
_MOST = 6


class TrainingPage(BaseModel):
    """Trainings, newest first. `next_before` is null at the end; `mlflow_url` is the address of the MLflow UI."""

    project: str
    sentence: str
    mlflow_url: str
    score: str = Field(description="what the candidates were chosen by")
    total: int
    next_before: int | None
    items: list[VersionSummary]


class CandidateScore(BaseModel):
    """A candidate on the validation rows. `error` says why it has no score."""

    name: str
    score: float | None
    calibration: str
    seconds: float | None
    error: str | None


class LearningPointDocument(BaseModel):
    """The test score of the same recipe, fitted on so many training rows."""

    rows: int
    score: float | None


class TrainingDocument(BaseModel):
    """One training: its version, its candidates, and how its score depends on the number of training rows."""

    summary: VersionSummary
    seconds: float | None
    candidates: list[CandidateScore]
    learning_curve: list[LearningPointDocument]


class DifferentSetting(BaseModel):
    """A setting of the recipe that is not the same in all of them; the values in the order of the trainings."""

    name: str
    values: list[str | None]


class TrainingComparison(BaseModel):
    """Trainings side by side. Of two, `sentence` is the verdict of `touchline models compare`."""

    project: str
    sentence: str
    mlflow_url: str
    score: str = Field(description="what the candidates were chosen by")
    trainings: list[TrainingDocument]
    settings: list[DifferentSetting]


@router.get("/trainings", summary="The trainings that recorded a version, newest first")
def get_trainings(
    project: ProjectOfRequest,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
    before: Annotated[int | None, Query(description="only versions below this number")] = None,
) -> TrainingPage:
    versions = registry.read_versions(project.stores, project.name)
    rest = [version for version in versions if before is None or version.version < before]
    items = [summary_of(version) for version in rest[:limit]]
    return TrainingPage(
        project=project.name,
        sentence=_sentence(project, versions),
        mlflow_url=project.api.mlflow_url,
        score=_score(project),
        total=len(versions),
        next_before=items[-1].version if len(rest) > limit else None,
        items=items,
    )


@router.get("/trainings/comparison", summary="Trainings side by side: metrics, settings, candidates, learning curves")
def get_comparison(
    project: ProjectOfRequest,
    version: Annotated[list[str], Query(min_length=1, max_length=_MOST, description="versions to compare")],
) -> TrainingComparison:
    records = [registry.read_version(project.stores, project.name, reference) for reference in dict.fromkeys(version)]
    return TrainingComparison(
        project=project.name,
        sentence=_verdict(project, records),
        mlflow_url=project.api.mlflow_url,
        score=_score(project),
        trainings=[_training(project, record) for record in records],
        settings=_different_settings(project, records),
    )


def _score(project: RequestedProject) -> str:
    return project.declared.training.score_for(project.declared.task.kind)


def _sentence(project: RequestedProject, versions: list[ModelVersion]) -> str:
    if not versions:
        return f"No training has recorded a version yet: touchline train -p {project.name}"
    newest, score = versions[0], _score(project)
    trainings = "1 training has" if len(versions) == 1 else f"{len(versions)} trainings have"
    chosen = f"version {newest.version}, chose {newest.name}{_value(newest, score)}"
    return f"{trainings} recorded a version. The newest, {chosen}."


def _value(version: ModelVersion, score: str) -> str:
    metric = version.metrics.get(score)
    if metric is None:
        return ""
    baseline = version.baseline.get(score)
    beside = "" if baseline is None else f", {baseline.value:.4g} for the constant baseline"
    return f": {score} {metric.value:.4g} on {version.rows} test rows{beside}"


def _verdict(project: RequestedProject, records: list[ModelVersion]) -> str:
    if len(records) == 1:
        return f"Version {records[0].version} chose {records[0].name}{_value(records[0], _score(project))}."
    if len(records) > 2:
        return (
            f"{len(records)} trainings side by side, each on its own test window. Choose two to test their difference."
        )
    older, newer = sorted(records, key=lambda record: record.version)
    return registry.compare_versions(project.stores, project.name, newer.version, older.version).sentence


def _training(project: RequestedProject, record: ModelVersion) -> TrainingDocument:
    evaluation = registry.read_evaluation(project.stores, record)
    diagnostics: Mapping[str, Any] = evaluation.get("diagnostics") or {}
    return TrainingDocument(
        summary=summary_of(record),
        seconds=evaluation.get("seconds"),
        candidates=[
            CandidateScore.model_validate({name: candidate.get(name) for name in CandidateScore.model_fields})
            for candidate in evaluation.get("candidates", ())
        ],
        learning_curve=[LearningPointDocument.model_validate(one) for one in diagnostics.get("learning_curve", ())],
    )


def _different_settings(project: RequestedProject, records: list[ModelVersion]) -> list[DifferentSetting]:
    settings = [registry.recipe_settings(project.stores, record) for record in records]
    names = sorted({name for own in settings for name in own})
    rows = [DifferentSetting(name=name, values=[own.get(name) for own in settings]) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]
