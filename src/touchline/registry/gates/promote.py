"""Moving a version up, and back: the journal's entry is the act, everything else prepares it or follows from it.

In order: gates, then the release's files, then one transaction with the journal's rows and the release's
row, then MLflow's aliases. A kill before the transaction leaves nothing that counts, a kill after it leaves
aliases that the next call repairs; either way the same command carries on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from touchline.errors import EvidenceMoved, GateFailed, IllegalStageChange, ReasonMissing
from touchline.registry.gates.as_served import AsServed
from touchline.registry.gates.evidence import Evidence
from touchline.registry.gates.evidence_hash import evidence_hash, validate_evidence_hash
from touchline.registry.gates.gates import check_gates
from touchline.registry.gates.gather_evidence import ReferenceInputs, gather_evidence
from touchline.registry.gates.references import Refit
from touchline.registry.gates.report import GateReport
from touchline.registry.gates.spec import Gate
from touchline.registry.gates.stage_change import Decision, Promoted, StageStep, commit, mirror, proven
from touchline.registry.journal.journal import Move
from touchline.registry.journal.stages import Stage, StageState
from touchline.registry.journal.versions import ModelVersion, Registry, read_version
from touchline.registry.release.build import build_release
from touchline.registry.release.releases import Families, no_families
from touchline.registry.runs.file_list import validate_run_files


@dataclass(frozen=True)
class GateInputs:
    """The declared gates and the project's own estimators.

    Production's predictions come from a refit of its recipe for a change, from its release for a refresh.
    """

    gates: Sequence[Gate] = ()
    refit: Refit | None = None
    families: Families = no_families
    as_served: AsServed | None = None


def promote(
    registry: Registry,
    project: str,
    reference: str | int,
    decision: Decision,
    *,
    inputs: GateInputs = GateInputs(),
) -> Promoted:
    """Move a version one stage up: None (or Archived) to Staging through the gates, Staging to Production.

    Where nothing is in Production the version passes on to it in the same step. Raises `GateFailed`,
    `IllegalStageChange` where a rollout must decide, `StageConflict` when another change came first, `EvidenceMoved`
    where the evidence is no longer what the decision names.
    """
    state = registry.journal.state(project)
    version = read_version(registry, project, reference)
    if decision.evidence is not None:
        validate_evidence_hash(decision.evidence)
    if decision.evidence is not None and not decision.evidence.startswith(f"{state.sequence}-"):
        # Nothing is compared for a decision that the journal has overtaken: that would spend a look.
        raise EvidenceMoved(project, version.version, expected=decision.evidence, actual=f"{state.sequence}-…")
    if version.stage == "Production":
        _require_evidence(version, decision, evidence_hash(version, state, inputs.gates, None))
        return Promoted(version, (), unmirrored=mirror(registry, project))
    if decision.now and not decision.reason:
        raise ReasonMissing("Skipping the rollout (--now)")
    if version.stage == "Staging":
        return _to_production(registry, version, state, decision, inputs)
    return _to_staging(registry, version, state, decision, inputs)


def _to_staging(
    registry: Registry, version: ModelVersion, state: StageState, decision: Decision, inputs: GateInputs
) -> Promoted:
    known = state.releases.get(version.version)
    report = None
    if known is None:
        report = _checked(registry, version, state, decision, inputs)
        release = build_release(registry, version, inputs.families)
    else:
        # It passed its gates once; coming back is a person's decision, which the journal keeps.
        if not decision.reason:
            raise ReasonMissing(f"Bringing version {version.version} back from {version.stage}")
        _require_evidence(version, decision, evidence_hash(version, state, inputs.gates, None))
        release = proven(registry, version, state, inputs.families)
    moves = moves_to_staging(version, state, decision, report, release_id=release.id)
    return commit(registry, version, StageStep(moves, state, release, report), decision)


def moves_to_staging(
    version: ModelVersion, state: StageState, decision: Decision, report: GateReport | None, *, release_id: str | None
) -> list[Move]:
    """The moves that bring a version to Staging, and on to Production where nothing is there or `now` asks for it."""
    document = report.to_json() if report else None
    up = Move(
        version.version, version.stage, "Staging", _reason(decision, report), decision.ticket, document, release_id
    )
    moves = [up]
    if decision.now or state.production is None:
        moves += moves_to_production(version, state, decision, release_id=release_id)
    if state.staging is not None:
        note = f"replaced in Staging by version {version.version}"
        moves.append(Move(state.staging, "Staging", "Archived", note, decision.ticket))
    return moves


def _to_production(
    registry: Registry, version: ModelVersion, state: StageState, decision: Decision, inputs: GateInputs
) -> Promoted:
    if state.production is not None and not decision.now:
        mirror(registry, version.project)
        raise IllegalStageChange.needs_rollout(version.project, version.version)
    _require_evidence(version, decision, evidence_hash(version, state, inputs.gates, None))
    release = proven(registry, version, state, inputs.families)
    moves = moves_to_production(version, state, decision, release_id=release.id)
    return commit(registry, version, StageStep(moves, state, release), decision)


def moves_to_production(
    version: ModelVersion, state: StageState, decision: Decision, *, release_id: str | None
) -> list[Move]:
    """The version enters Production, and only then the one before leaves it."""
    reason = decision.reason or "nothing was in Production"
    moves = [Move(version.version, "Staging", "Production", reason, decision.ticket, release_id=release_id)]
    if state.production is not None:
        note = f"replaced in Production by version {version.version}"
        moves.append(Move(state.production, "Production", "Archived", note, decision.ticket))
    return moves


def _checked(
    registry: Registry, version: ModelVersion, state: StageState, decision: Decision, inputs: GateInputs
) -> GateReport:
    """The report of gates that all passed.

    A report of a gate that said no is written to the journal, then raised.
    """
    validate_run_files(registry.objects, version)
    evidence = read_evidence(registry, version, state, inputs)
    _require_evidence(version, decision, evidence_hash(version, state, inputs.gates, evidence))
    is_refresh = state.production is not None and not evidence.changes
    report = replace(check_gates(inputs.gates, evidence), is_refresh=is_refresh)
    if is_promotable(report, decision):
        return report
    stage: Stage = version.stage
    said_no = Move(version.version, stage, stage, "gates said no", decision.ticket, report.to_json())
    registry.journal.append(
        version.project, [said_no], expected=state.sequence, actor=decision.actor, fence=decision.fence
    )
    mirror(registry, version.project)
    overruled = report.can_be_overruled
    raise GateFailed(version.project, version.version, stage, report.failures, can_be_overruled=overruled)


def read_evidence(registry: Registry, version: ModelVersion, state: StageState, inputs: GateInputs) -> Evidence:
    """The evidence of a version against what is in Production; a change is looked at, which counts once a version."""
    production = None if state.production is None else read_version(registry, version.project, state.production)
    families = inputs.families(version.project)
    references = ReferenceInputs(inputs.refit, inputs.as_served)
    return gather_evidence(
        registry, version, inputs.gates, production=production, references=references, families=families
    )


def is_promotable(report: GateReport, decision: Decision) -> bool:
    """Whether all gates passed, or a person overrules those that measured nothing."""
    return report.passed or (decision.now and report.can_be_overruled)


def _require_evidence(version: ModelVersion, decision: Decision, actual: str) -> None:
    if decision.evidence is not None and decision.evidence != actual:
        raise EvidenceMoved(version.project, version.version, expected=decision.evidence, actual=actual)


def _reason(decision: Decision, report: GateReport | None) -> str:
    if decision.reason or report is None:
        return decision.reason
    return f"passed {len(report.results)} gates" if report.results else "no gates are declared"
