"""`/model/performance`, `/model/drift`, `/model/cause`: the newest checks of the model in Production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from touchline import automation, monitoring
from touchline.api.state import ProjectOfRequest
from touchline.monitoring.drift import ColumnVerdict

router = APIRouter(tags=["monitoring"])


class Document(BaseModel):
    """Part of a stored verdict."""

    model_config = ConfigDict(from_attributes=True)


class LiveMetricDocument(Document):
    """A metric of settled predictions with its 95 % interval, beside the test window and the baseline."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    test: float | None
    test_low: float | None
    test_high: float | None
    baseline: float | None


class CalibrationDocument(Document):
    """The mean probability of a class beside its observed share, with its interval."""

    output: str
    predicted: float
    observed: float
    low: float | None
    high: float | None


class DayLossDocument(Document):
    """The mean loss of the mature rows of one day."""

    day: str
    rows: int
    loss: float


class SliceDocument(Document):
    """The loss of the rows of one value of a field; null where its rows are too few for an interval."""

    label: str = Field(description="FIELD=VALUE, as `slice` names it in an address and `--slice` in a command")
    field: str
    value: str
    rows: int = Field(description="mature predictions with an outcome")
    open: int = Field(description="mature predictions without one")
    young: int
    coverage: float | None
    loss: LiveMetricDocument | None = Field(description="its test figure is that of the test rows of the slice")
    others: float | None = Field(description="the mean loss of all other rows")
    p_value: float | None = Field(description="of a loss above that of the others, corrected over all comparisons")
    is_worse: bool
    message: str


class SliceDetail(SliceDocument):
    """A slice with all its figures."""

    metrics: list[LiveMetricDocument]
    calibration: list[CalibrationDocument]
    trend: list[DayLossDocument]


class SlicesDocument(Document):
    """Every slice of the newest check, the largest first; `message` says which are worse beyond chance."""

    message: str
    comparisons: int = Field(description="how many slices were compared with the other rows")
    left_out: int = Field(description="smaller slices that are not shown")
    slices: list[SliceDocument]


class LossEstimateDocument(Document):
    """The expected loss of predictions without an outcome, with its interval."""

    value: float
    low: float
    high: float
    rows: int
    reference_loss: float = Field(description="the mean loss of the labelled rows that the estimate rests on")
    note: str


class IncidentDays(BaseModel):
    """The days of onset, alarm and end of a risen loss; `ended_on` is null while it is open."""

    onset_on: str
    alarm_on: str
    ended_on: str | None


class PerformanceDocument(BaseModel):
    """The newest check of settled predictions; `message` is its verdict, as `touchline monitor performance` has it."""

    at: datetime
    release_id: str
    state: Literal["not_enough_data", "unwatched", "stable", "degraded"]
    message: str
    score: str
    rows: int
    young: int
    open: int
    coverage: float | None
    mature_after_seconds: float | None
    metrics: list[LiveMetricDocument]
    calibration: list[CalibrationDocument]
    trend: list[DayLossDocument]
    incidents: list[IncidentDays]
    alarm_limit: float | None
    unwatched: str = Field("", description="why no risen loss of this release opens an incident; empty where one does")
    estimate: LossEstimateDocument | None
    notes: list[str]
    facts: list[str]
    slices: SlicesDocument

    @field_validator("slices", mode="before")
    @classmethod
    def open_slices(cls, stored: Mapping[str, Any] | None) -> monitoring.LiveSlices:
        """Verdicts store the slices as a plain document."""
        return monitoring.LiveSlices.from_json(stored)

    @field_validator("incidents", mode="before")
    @classmethod
    def name_days(cls, stored: list[Any]) -> list[Any]:
        """Verdicts store an incident as a list of its three days."""
        names = ("onset_on", "alarm_on", "ended_on")
        return [dict(zip(names, one, strict=True)) if isinstance(one, list | tuple) else one for one in stored]


class ModelPerformance(BaseModel):
    """The newest check; null before the first. `sentence` is its verdict and the findings, or what to do to get one."""

    project: str
    sentence: str
    findings: list[str] = Field(description="drift, or an estimated loss above the reference, in the newest checks")
    performance: PerformanceDocument | None
    slice: SliceDetail | None = Field(description="the figures of the requested slice")


class DriftColumn(Document):
    """One column of the newest rows against the reference."""

    name: str
    is_output: bool
    drifted: bool
    differs: bool
    streak: int
    p_adjusted: float
    psi: float
    distance: float
    rows: int
    nulls: int
    facts: str


class ModelDrift(BaseModel):
    """The newest drift check, its columns by size of effect; `sentence` is its verdict, or what to do to get one."""

    project: str
    sentence: str
    state: Literal["not_enough_data", "stable", "watch", "drift"] | None
    at: datetime | None
    rows: int | None
    columns: list[DriftColumn]


class DistributionDocument(Document):
    """One column then (reference) and now (the checked window): the share of rows in each bin or level."""

    name: str
    is_output: bool
    edges: list[float]
    levels: list[str]
    then: list[float]
    now: list[float]
    nulls_then: float
    nulls_now: float


class ModelDistributions(BaseModel):
    """Distributions then and now, those of the largest drift first; `sentence` says what they count."""

    project: str
    sentence: str
    columns: list[DistributionDocument]


class CauseDocument(Document):
    """One explanation of a risen loss, with the share that it explains."""

    kind: str
    name: str
    share: float
    detail: str


class ModelCause(BaseModel):
    """The causes of the change in loss, the largest share first."""

    project: str
    sentence: str
    score: str
    before: float | None
    after: float | None
    onset_on: str | None
    is_estimated: bool
    causes: list[CauseDocument] = Field(description="shares are what each explains by itself: they do not add up")
    rivals: int = Field(description="so many of the first causes cannot be told apart; 0: the first stands alone")
    facts: list[str] = Field(description="what happened upstream around the onset")


RequestedSlice = Annotated[str | None, Query(max_length=300, description="one slice, as FIELD=VALUE")]


@router.get("/model/performance", summary="The newest check of settled predictions: loss, calibration, incidents")
def get_performance(project: ProjectOfRequest, slice: RequestedSlice = None) -> ModelPerformance:
    stored = monitoring.PerformanceReports(project.stores.database, project.name).newest(1)
    findings = list(automation.read_production_findings(project.name, project.stores))
    if not stored:
        sentence = f"The loss was never checked: touchline monitor performance -p {project.name}"
        sentence = " ".join([sentence, *findings])
        return ModelPerformance(
            project=project.name, sentence=sentence, findings=findings, performance=None, slice=None
        )
    document = PerformanceDocument.model_validate({"slices": None, **stored[0]})
    requested = None if slice is None else monitoring.LiveSlices.from_json(stored[0].get("slices")).find(slice)
    return ModelPerformance(
        project=project.name,
        sentence=" ".join([document.message, *findings]),
        findings=findings,
        performance=document,
        slice=None if requested is None else SliceDetail.model_validate(requested),
    )


@router.get("/model/drift", summary="The newest drift check, its columns ranked")
def get_drift(project: ProjectOfRequest) -> ModelDrift:
    reports = monitoring.DriftReports(project.stores.database, project.name).newest(1)
    if not reports:
        sentence = f"Drift was never checked: touchline monitor drift -p {project.name}"
        return ModelDrift(project=project.name, sentence=sentence, state=None, at=None, rows=None, columns=[])
    verdict = reports[0]
    return ModelDrift(
        project=project.name,
        sentence=verdict.message,
        state=verdict.state,
        at=verdict.at,
        rows=verdict.rows,
        columns=[DriftColumn.model_validate(column) for column in ranked(verdict.columns)],
    )


@router.get("/model/distributions", summary="Each column in the reference and in the newest checked window")
def get_distributions(project: ProjectOfRequest, slice: RequestedSlice = None) -> ModelDistributions:
    reports = monitoring.DriftReports(project.stores.database, project.name).newest(1)
    if not reports:
        sentence = f"Drift was never checked: touchline monitor drift -p {project.name}"
        return ModelDistributions(project=project.name, sentence=sentence, columns=[])
    found = project.api.distributions.get(
        project.name,
        (reports[0], slice),
        lambda: automation.read_production_distributions(project.declared, project.stores, reports[0], of_slice=slice),
    )
    places = {column.name: place for place, column in enumerate(ranked(reports[0].columns))}
    columns = sorted(found.columns, key=lambda column: places.get(column.name, len(places)))
    return ModelDistributions(
        project=project.name,
        sentence=found.message,
        columns=[DistributionDocument.model_validate(column) for column in columns],
    )


@router.get("/model/cause", summary="The causes of a risen loss")
def get_cause(project: ProjectOfRequest) -> ModelCause:
    """Computed now, from the newest settled predictions, which takes seconds."""
    report = automation.explain_production_loss(project.declared, project.stores)
    return ModelCause(
        project=project.name,
        sentence=report.message,
        score=report.score,
        before=report.before if isfinite(report.before) else None,
        after=report.after if isfinite(report.after) else None,
        onset_on=report.onset_on,
        is_estimated=report.is_estimated,
        causes=[CauseDocument.model_validate(cause) for cause in report.causes],
        rivals=report.rivals,
        facts=list(report.facts),
    )


def ranked(columns: Sequence[ColumnVerdict]) -> list[ColumnVerdict]:
    """The columns by the size of their effect, those with a verdict of drift first."""
    return sorted(columns, key=lambda column: (not column.drifted, not column.differs, -column.psi))
