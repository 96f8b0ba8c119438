"""`/rehearsals`: what policies of retraining would have done and scored over the project's past."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.rehearsal.report_records import RehearsalRecords, StoredReport

router = APIRouter(tags=["rehearsal"])
_YEARS = 4


class RehearsalLine(BaseModel):
    """A rehearsal with its recommendation."""

    id: str
    at: datetime
    first: datetime = Field(description="the first step")
    last: datetime
    predictions: int
    policies: list[str]
    recommendation: str


class RehearsalList(BaseModel):
    """Rehearsals, newest first; `sentence` is the recommendation of the newest, or how to get one."""

    project: str
    sentence: str
    items: list[RehearsalLine]


class RehearsedPolicy(BaseModel):
    """One policy: its loss, its regret to the best schedule in hindsight, what it did, year by year."""

    model_config = ConfigDict(extra="ignore")

    name: str
    loss: float
    regret: float
    regret_error: float | None
    regret_of_never: float | None
    gain: float | None
    gain_error: float | None
    seasons: dict[str, float]
    weekly_regret: list[float] = Field(description="the sum so far, by step")
    trainings: int
    failed_trainings: int
    changes_of_production: int
    rollbacks: int
    alarms: int
    false_alarms: int
    seconds: float


class BestSchedule(BaseModel):
    """The best schedule in hindsight, which no policy could have known."""

    model_config = ConfigDict(extra="ignore")

    loss: float
    retrainings: float
    at: list[str] = Field(description="days on which it retrains")
    models_of: str


class RehearsalDocument(RehearsalLine):
    """The report of a rehearsal."""

    score: str
    step_days: float
    first_prediction: datetime
    yardstick: BestSchedule
    results: list[RehearsedPolicy]
    left_out: str
    hash: str


@router.get("/rehearsals", summary="The rehearsals of the project, newest first")
def get_rehearsals(project: ProjectOfRequest, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> RehearsalList:
    reports = RehearsalRecords(project.stores.database, project.name).newest(limit)
    sentence = reports[0].document["recommendation"] if reports else _first_command(project)
    items = [RehearsalLine.model_validate(_line(report)) for report in reports]
    return RehearsalList(project=project.name, sentence=sentence, items=items)


@router.get("/rehearsals/{rehearsal}", summary="The report of a rehearsal")
def get_rehearsal(project: ProjectOfRequest, rehearsal: Annotated[str, Path(max_length=40)]) -> RehearsalDocument:
    report = RehearsalRecords(project.stores.database, project.name).find(rehearsal)
    own = {**report.document, "results": report.document["policies"], **_line(report)}
    return RehearsalDocument.model_validate(own)


def _first_command(project: RequestedProject) -> str:
    """How to get the first rehearsal: over the newest years up to project time."""
    year = project.now().year
    span = f"--from {year - _YEARS} --to {year}"
    return f"No policy was rehearsed yet: touchline rehearse {span} -p {project.name}"


def _line(report: StoredReport) -> dict[str, Any]:
    document = report.document
    return {
        "id": report.id,
        "at": report.at,
        "first": document["from"],
        "last": document["to"],
        "predictions": document["predictions"],
        "policies": [policy["name"] for policy in document["policies"]],
        "recommendation": document["recommendation"],
    }
