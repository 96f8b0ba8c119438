"""`/rollout`: the verdict on the rollout of a project, its steps, its log of decisions."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from touchline import rollout
from touchline.api.state import ProjectOfRequest
from touchline.rollout import RolloutContext

router = APIRouter(tags=["rollout"])


class RolloutDocument(BaseModel):
    """The newest rollout of a project; null before the first."""

    project: str
    rollout: dict[str, Any] | None = Field(
        description="verdict, sentence, next_step, share, rule, curve, guardrails, sample ratio, outcomes still needed"
    )


class RolloutLog(BaseModel):
    """Every rollout with its events and the evidence of each decision, newest first."""

    project: str
    rollouts: list[dict[str, Any]]


class Steering(BaseModel):
    """The reason of a change, for the log of decisions."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=500)


@router.get("/rollout", summary="The verdict on the newest rollout")
def get_rollout(project: ProjectOfRequest) -> RolloutDocument:
    stores = project.stores
    state = rollout.RolloutRecords(stores.database, project.name).newest()
    if state is None:
        return RolloutDocument(project=project.name, rollout=None)
    report = rollout.report_on(stores.database, project.name, state, project.now())
    return RolloutDocument(project=project.name, rollout=report.to_json())


@router.get("/rollout/history", summary="The log of decisions on rollouts")
def get_rollout_history(project: ProjectOfRequest) -> RolloutLog:
    states = rollout.RolloutRecords(project.stores.database, project.name).read()
    return RolloutLog(project=project.name, rollouts=[_document(state) for state in states])


@router.post("/rollout/{act}", summary="Approve, pause, resume or abort the rollout that runs")
def post_rollout(
    project: ProjectOfRequest, act: Literal["approve", "pause", "resume", "abort"], body: Steering
) -> RolloutDocument:
    """An approved step is taken by the next check, within a minute."""
    context = RolloutContext(project.stores, project.name)
    if act == "approve":
        report = rollout.approve_step(context, actor="api", reason=body.reason)
    else:
        report = rollout.steer(context, act, actor="api", reason=body.reason)
    return RolloutDocument(project=project.name, rollout=report.to_json())


def _document(state: rollout.RolloutState) -> dict[str, Any]:
    experiment = state.experiment
    return {
        **vars(experiment),
        "rule": experiment.rule.to_json(),
        "status": state.status,
        "share": state.share,
        "events": [vars(event) for event in state.events],
    }
