"""Changes of stages by a person: approve, reject, demote, promote with its dry run, roll back. Each has a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from touchline import automation, registry
from touchline.api.models.versions import (
    ChangeDocument,
    GateDocument,
    StagesNow,
    VersionReference,
    change_documents,
    stages_of,
)
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.api.stored_fields import OptionalReason, Reason, StoredText
from touchline.http.callers import ActorOfRequest
from touchline.registry import Stage

if TYPE_CHECKING:
    from touchline.automation import Promotion
    from touchline.registry import Decision, Promoted, Registry

router = APIRouter(tags=["models"])
Act = Literal["approve", "reject", "demote"]


class DecisionBody(BaseModel):
    """The reason of a change and its ticket, for the journal."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Reason
    ticket: StoredText | None = Field(default=None, max_length=200)


class PromotionBody(DecisionBody):
    """A promotion. `evidence` is the hash that the preview gave: it refuses if anything has moved since."""

    now: bool = Field(default=False, description="straight to Production, without a rollout")
    evidence: str | None = Field(default=None, max_length=200)


class PreviewBody(BaseModel):
    """A promotion to look at."""

    model_config = ConfigDict(extra="forbid")

    now: bool = False
    reason: OptionalReason = ""


class MoveDocument(BaseModel):
    """A stage change that would be written."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    from_stage: Stage
    to_stage: Stage


class PreviewDocument(BaseModel):
    """What a promotion would rest on and change. `refusal` says why it would change nothing."""

    version: int
    evidence: str
    kind: Literal["first", "refresh", "change", "none"]
    differences: list[str]
    gates: list[GateDocument]
    moves: list[MoveDocument]
    refusal: str | None
    rollback: Annotated[int | None, Field(description="where a rollback leads afterwards")]


class DecisionDone(BaseModel):
    """The changes that were written, where the versions stand now, and what became of a rollout."""

    stages: StagesNow
    changes: list[ChangeDocument]
    gates: list[GateDocument]
    messages: list[str]


@router.post("/models/{version}/promotion", summary="Show what a promotion would rest on and change; change nothing")
def post_preview(
    project: ProjectOfRequest, actor: ActorOfRequest, version: VersionReference, body: PreviewBody
) -> PreviewDocument:
    """To see a comparison is to look at its rows: for a change of the recipe the look counts."""
    record = registry.read_version(project.stores, project.name, version)
    preview = automation.preview_version(project.context, record, registry.Decision(actor, body.reason, None, body.now))
    return PreviewDocument(
        version=record.version,
        evidence=preview.evidence,
        kind=preview.kind,
        differences=list(preview.differences),
        gates=_gates(preview.report),
        moves=[MoveDocument.model_validate(move) for move in preview.moves],
        refusal=preview.refusal,
        rollback=preview.rollback,
    )


@router.post("/models/{version}/promote", summary="Move a version one stage up, through the gates")
def post_promote(
    project: ProjectOfRequest, actor: ActorOfRequest, version: VersionReference, body: PromotionBody
) -> DecisionDone:
    record = registry.read_version(project.stores, project.name, version)
    decision = registry.Decision(actor, body.reason, body.ticket, body.now, body.evidence)
    promotion = automation.promote_version(project.context, record, decision)
    messages = automation.follow_by_hand(project.context, promotion.promoted, actor=actor)
    return _done(project, promotion, messages)


@router.post("/models/{version}/decision/{act}", summary="Approve, reject or demote a version")
def post_decision(
    project: ProjectOfRequest, actor: ActorOfRequest, version: VersionReference, act: Act, body: DecisionBody
) -> DecisionDone:
    change_stage: dict[Act, Callable[[Registry, str, str, Decision], Promoted]] = {
        "approve": registry.approve,
        "reject": registry.reject,
        "demote": registry.demote,
    }
    decision = registry.Decision(actor, body.reason, body.ticket)
    promoted = change_stage[act](project.stores, project.name, version, decision)
    return _done(project, automation.Promotion(promoted), _end_rollout(project))


@router.post("/stages/rollback", summary="Return to the release that was in Production before")
def post_rollback(project: ProjectOfRequest, actor: ActorOfRequest, body: DecisionBody) -> DecisionDone:
    decision = registry.Decision(actor, body.reason, body.ticket)
    promotion = automation.roll_back(project.context, decision)
    return _done(project, promotion, _end_rollout(project))


def _end_rollout(project: RequestedProject) -> list[str]:
    message = automation.end_overtaken_rollout(automation.rollout_context(project.context))
    return [] if message is None else [message]


def _gates(report: registry.GateReport | None) -> list[GateDocument]:
    return [] if report is None else [GateDocument.model_validate(result) for result in report.results]


def _done(project: RequestedProject, promotion: Promotion, messages: list[str]) -> DecisionDone:
    promoted = promotion.promoted
    notes = [
        *messages,
        *([f"MLflow shows this change later: {promoted.unmirrored}"] if promoted.unmirrored else []),
        *([f"Unused features stay online: {promotion.cleanup_failure}"] if promotion.cleanup_failure else []),
    ]
    return DecisionDone(
        stages=stages_of(project.stores.journal.state(project.name)),
        changes=change_documents(promoted.changes),
        gates=_gates(promoted.report),
        messages=notes,
    )
