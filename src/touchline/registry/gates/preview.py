"""A promotion that is not made: its evidence with the hash, what it would change, and where rollback would lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from touchline.errors import GateFailed, IllegalStageChange, ReasonMissing
from touchline.registry.gates.evidence import Evidence
from touchline.registry.gates.evidence_hash import evidence_hash
from touchline.registry.gates.gates import check_gates
from touchline.registry.gates.promote import (
    GateInputs,
    is_promotable,
    moves_to_production,
    moves_to_staging,
    read_evidence,
)
from touchline.registry.gates.report import GateReport
from touchline.registry.gates.stage_change import Decision
from touchline.registry.journal.journal import Move
from touchline.registry.journal.stages import Stage, StageChange, StageState, state_after
from touchline.registry.journal.versions import ModelVersion, Registry, read_version

_NO_GATES: Final = GateInputs()
EvidenceKind = Literal["first", "refresh", "change", "none"]


@dataclass(frozen=True)
class PlannedMove:
    """A stage change that a promotion would write."""

    version: int
    from_stage: Stage
    to_stage: Stage


@dataclass(frozen=True)
class PromotionPreview:
    """What `promote` would do now. `refusal` says why it would change nothing; `rollback` is where it leads afterwards.

    `kind` is "first" without a Production, "none" where no gate runs; `differences` say what makes a version a change.
    """

    version: ModelVersion
    evidence: str
    kind: EvidenceKind
    differences: tuple[str, ...]
    report: GateReport | None
    moves: tuple[PlannedMove, ...]
    refusal: str | None
    rollback: int | None

    @property
    def is_refused_by_gate(self) -> bool:
        return self.refusal is not None and self.report is not None and not self.report.passed


def preview_promotion(
    registry: Registry, project: str, reference: str | int, decision: Decision, *, inputs: GateInputs = _NO_GATES
) -> PromotionPreview:
    """What `promote` would do with the same arguments; no stage changes.

    To see a comparison is to look at its rows: for a change the look counts here, and `promote` spends no other.
    """
    state = registry.journal.state(project)
    version = read_version(registry, project, reference)
    needs_gates = version.stage in ("None", "Archived") and version.version not in state.releases
    evidence = read_evidence(registry, version, state, inputs) if needs_gates else None
    report = None if evidence is None else check_gates(inputs.gates, evidence)
    refusal = _refusal(version, state, decision, report)
    moves = [] if refusal else _moves(version, state, decision, report)
    return PromotionPreview(
        version=version,
        evidence=evidence_hash(version, state, inputs.gates, evidence),
        kind=_kind(state, evidence),
        differences=() if evidence is None else evidence.changes,
        report=report,
        moves=tuple(PlannedMove(move.version, move.from_stage, move.to_stage) for move in moves),
        refusal=refusal,
        rollback=_rollback_after(registry, project, moves),
    )


def _kind(state: StageState, evidence: Evidence | None) -> EvidenceKind:
    if evidence is None:
        return "none"
    if state.production is None:
        return "first"
    return "change" if evidence.changes else "refresh"


def _refusal(version: ModelVersion, state: StageState, decision: Decision, report: GateReport | None) -> str | None:
    if version.stage == "Production":
        return f"version {version.version} is in Production already"
    if decision.now and not decision.reason:
        return str(ReasonMissing("Skipping the rollout (--now)"))
    if version.stage == "Staging":
        needs_rollout = state.production is not None and not decision.now
        return str(IllegalStageChange.needs_rollout(version.project, version.version)) if needs_rollout else None
    if report is None:
        act = f"Bringing version {version.version} back from {version.stage}"
        return None if decision.reason else str(ReasonMissing(act))
    if is_promotable(report, decision):
        return None
    overruled = report.can_be_overruled
    return str(GateFailed(version.project, version.version, version.stage, report.failures, can_be_overruled=overruled))


def _moves(version: ModelVersion, state: StageState, decision: Decision, report: GateReport | None) -> list[Move]:
    if version.stage == "Staging":
        return moves_to_production(version, state, decision, release_id=None)
    return moves_to_staging(version, state, decision, report, release_id=None)


def _rollback_after(registry: Registry, project: str, moves: Sequence[Move]) -> int | None:
    """Where `models rollback` leads once these moves are written."""
    history, at = registry.journal.history(project), registry.clock.now()
    last = history[-1].sequence if history else 0
    later = [
        StageChange(project=project, sequence=last + count, at=at, wall_at=at, actor="", **vars(move))
        for count, move in enumerate(moves, start=1)
    ]
    return state_after([*history, *later]).rollback
