"""`/overview`: every served project at a glance: what is live, whether it is healthy, what comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from touchline import alerts, automation, rollout
from touchline.alerts.signals import Severity
from touchline.api.models.model_health import HealthStatus, LogHealth, read_log, read_reasons
from touchline.api.state import Api, RequestedProject, api_of

root = APIRouter(tags=["system"])


class IncidentLine(BaseModel):
    """An open incident in one line."""

    id: str
    title: str
    severity: Severity
    opened_at: datetime


class LossWatchDocument(BaseModel):
    """Whether a risen loss would open an incident: `waiting` for a check or outcomes, `unwatched` by this release."""

    state: Literal["watched", "waiting", "unwatched"]
    sentence: str


class ProjectOverview(BaseModel):
    """One project. `sentence` is the verdict on what is live, as `touchline up` prints it."""

    project: str
    is_default: bool
    sentence: str
    status: HealthStatus
    reasons: list[str]
    loss: LossWatchDocument
    release: str | None
    production: int | None
    staging: int | None
    rollout: Annotated[str | None, Field(description="the verdict on the rollout that runs")]
    incidents: list[IncidentLine]
    log: LogHealth
    schedule: str | None
    next_training_at: datetime | None
    now: datetime = Field(description="project time")


class Overview(BaseModel):
    """All served projects; `sentence` is the verdict over all of them."""

    sentence: str
    projects: list[ProjectOverview]


@root.get("/overview", summary="Every project: what is live, its health, its incidents, its next training")
def get_overview(request: Request) -> Overview:
    api = api_of(request)
    projects = [_overview(api, RequestedProject(api, name)) for name in api.serving.slots]
    return Overview(sentence=_sentence(projects), projects=projects)


def _overview(api: Api, project: RequestedProject) -> ProjectOverview:
    stores, declared, slot = project.stores, project.declared, project.slot
    state = stores.journal.state(project.name)
    incidents = alerts.IncidentRecords(stores.database, project.name).newest(only_open=True, limit=5)
    running = rollout.RolloutRecords(stores.database, project.name).running()
    reasons = read_reasons(project)
    return ProjectOverview(
        project=project.name,
        is_default=project.name == api.serving.default,
        sentence=automation.summarize_production(declared, stores).sentence,
        status="unavailable" if slot.current is None else "degraded" if reasons or incidents else "ok",
        reasons=reasons,
        loss=LossWatchDocument(**vars(automation.read_production_watch(project.name, stores))),
        release=slot.current.release.id if slot.current else None,
        production=state.production,
        staging=state.staging,
        rollout=_verdict(project, running) if running else None,
        incidents=[
            IncidentLine(id=one.id, title=one.title, severity=one.severity, opened_at=one.opened_at)
            for one in incidents
        ],
        log=read_log(project),
        schedule=declared.retrain.schedule,
        next_training_at=automation.upcoming(declared, stores, "retrain"),
        now=project.now(),
    )


def _verdict(project: RequestedProject, state: rollout.RolloutState) -> str:
    report = rollout.report_on(project.stores.database, project.name, state, project.now(), with_forecast=False)
    return report.sentence


def _sentence(projects: list[ProjectOverview]) -> str:
    """One sentence over all projects: what needs a person first.

    >>> _sentence([])
    'No project is served: touchline up'
    """
    if not projects:
        return "No project is served: touchline up"
    worst = [one for one in projects if one.status != "ok"]
    incidents = sum(len(one.incidents) for one in projects)
    waiting = [one for one in projects if one.staging is not None]
    healthy = len(projects) - len(worst)
    noun = "project" if len(projects) == 1 else "projects"
    parts = [f"{healthy} of {len(projects)} {noun} {'is' if healthy == 1 else 'are'} healthy"]
    if worst:
        parts.append(
            f"{', '.join(one.project for one in worst)} needs a look"
            if len(worst) == 1
            else f"{', '.join(one.project for one in worst)} need a look"
        )
    if unwatched := [one.project for one in projects if one.loss.state == "unwatched"]:
        parts.append(f"the loss of {', '.join(unwatched)} is not watched")
    if incidents:
        parts.append(f"{incidents} incident{'s are' if incidents > 1 else ' is'} open")
    if waiting:
        parts.append(f"a version waits in Staging ({', '.join(one.project for one in waiting)})")
    return "; ".join(parts) + "."
