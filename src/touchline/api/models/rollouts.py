"""`/rollout`: the verdict on the rollout of a project, its steps, its log of decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from touchline import rollout
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.api.stored_fields import Reason
from touchline.http.callers import ActorOfRequest
from touchline.rollout import RolloutContext

router = APIRouter(tags=["rollout"])
_LARGEST: Final = 2**31 - 1


class GainPoint(BaseModel):
    """The gain of the candidate after so many units, with its confidence sequence."""

    units: int
    gain: float
    low: float
    high: float


class GuardrailDocument(BaseModel):
    """A limit that ends the rollout when it is broken."""

    rule: str
    verdict: str
    message: str


class NeededDocument(BaseModel):
    """Further units until a verdict: the median, and the range of four futures in five."""

    median: int | None
    low: int | None
    high: int | None
    by: datetime | None


class RolloutEventDocument(BaseModel):
    """One entry of the log of decisions; `at` is project time."""

    sequence: int
    kind: str
    share: int
    actor: str
    message: str
    at: datetime


class RolloutStateDocument(BaseModel):
    """A rollout with its verdict in a sentence and its next step, and what they rest on."""

    model_config = ConfigDict(extra="allow")

    number: int
    status: Literal["running", "paused", "held", "ended"]
    verdict: str
    sentence: str
    next_step: str
    waits_for_approval: bool = Field(description="whether a step waits for a person to approve it")
    share: int = Field(description="percentage of the candidate")
    started_at: datetime
    started_by: str
    units: int
    gain: float | None
    curve: list[GainPoint]
    guardrails: list[GuardrailDocument]
    needed: NeededDocument | None
    sample_ratio: dict[str, Any] | None
    events: list[RolloutEventDocument]


class RolloutDocument(BaseModel):
    """A rollout of a project; null before the first. `sentence` is its verdict, or that there is none."""

    project: str
    sentence: str
    rollout: RolloutStateDocument | None


class RolloutLog(BaseModel):
    """Every rollout with its events and the evidence of each decision, newest first."""

    project: str
    rollouts: list[dict[str, Any]]


class Steering(BaseModel):
    """The reason of a change, for the log of decisions."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Reason


@router.get("/rollout", summary="The verdict on a rollout, by default the newest")
def get_rollout(
    project: ProjectOfRequest,
    number: Annotated[int | None, Query(ge=1, le=_LARGEST, description="default: the newest rollout")] = None,
) -> RolloutDocument:
    stores = project.stores
    records = rollout.RolloutRecords(stores.database, project.name)
    state = records.newest() if number is None else records.find(number)
    if state is None:
        sentence = "No version was rolled out yet: one begins when a change passes its gates."
        return RolloutDocument(project=project.name, sentence=sentence, rollout=None)
    return _report(project, rollout.report_on(stores.database, project.name, state, project.now()))


@router.get("/rollout/history", summary="The log of decisions on rollouts")
def get_rollout_history(
    project: ProjectOfRequest,
    limit: Annotated[int | None, Query(ge=1, le=_LARGEST, description="default: all rollouts")] = None,
) -> RolloutLog:
    states = rollout.RolloutRecords(project.stores.database, project.name).read(limit=limit)
    return RolloutLog(project=project.name, rollouts=[_document(state) for state in states])


@router.post("/rollout/{act}", summary="Approve, pause, resume or abort the rollout that runs")
def post_rollout(
    project: ProjectOfRequest,
    actor: ActorOfRequest,
    act: Literal["approve", "pause", "resume", "abort"],
    body: Steering,
) -> RolloutDocument:
    """The next check takes an approved step; `next_step` says when that is. Every act needs a reason."""
    context = RolloutContext(project.stores, project.name)
    if act == "approve":
        return _report(project, rollout.approve_step(context, actor=actor, reason=body.reason))
    return _report(project, rollout.steer(context, act, actor=actor, reason=body.reason))


def _report(project: RequestedProject, report: rollout.RolloutReport) -> RolloutDocument:
    document = RolloutStateDocument.model_validate(report.to_json())
    sentence, live = report.sentence, project.stores.journal.state(project.name).production
    if report.state.end is not None and live is not None:
        sentence = f"{sentence.rstrip('.')}. In Production now: version {live}."
    return RolloutDocument(project=project.name, sentence=sentence, rollout=document)


def _document(state: rollout.RolloutState) -> dict[str, Any]:
    experiment = state.experiment
    return {
        **vars(experiment),
        "rule": experiment.rule.to_json(),
        "status": state.status,
        "share": state.share,
        "events": [vars(event) for event in state.events],
    }
