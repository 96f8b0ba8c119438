"""The decisions of people about a version besides promotion: approve, reject, demote."""

from __future__ import annotations

from touchline.errors import IllegalStageChange, ReasonMissing
from touchline.registry.gates.stage_change import Decision, Promoted, mirror
from touchline.registry.journal.journal import Move
from touchline.registry.journal.stages import Stage
from touchline.registry.journal.versions import ModelVersion, Registry, read_version


def approve(registry: Registry, project: str, reference: str | int, decision: Decision) -> Promoted:
    """Say yes to a version; an approval gate asks for it. It stays in its stage."""
    version = read_version(registry, project, reference)
    if not decision.reason:
        raise ReasonMissing("Approving a version")
    report = {"approval": True}
    move = Move(version.version, version.stage, version.stage, decision.reason, decision.ticket, report)
    return _write(registry, version, move, decision)


def reject(registry: Registry, project: str, reference: str | int, decision: Decision) -> Promoted:
    """Turn a version away: None or Staging to Archived. Earlier approvals no longer count."""
    version = read_version(registry, project, reference)
    if version.stage in ("Production", "Archived"):
        why = "only a version in None or Staging can be rejected; see touchline models rollback and demote."
        raise IllegalStageChange(project, version.version, version.stage, why=why)
    return _move(registry, version, "Archived", decision, act="Rejecting a version")


def demote(registry: Registry, project: str, reference: str | int, decision: Decision) -> Promoted:
    """Take a version one stage down: Staging to None, Production to Archived, which leaves nothing served."""
    version = read_version(registry, project, reference)
    down: dict[Stage, Stage] = {"Staging": "None", "Production": "Archived"}
    if version.stage not in down:
        raise IllegalStageChange(project, version.version, version.stage, why="there is no stage below it.")
    return _move(registry, version, down[version.stage], decision, act="Demoting a version")


def _move(registry: Registry, version: ModelVersion, to: Stage, decision: Decision, *, act: str) -> Promoted:
    if not decision.reason:
        raise ReasonMissing(act)
    return _write(
        registry, version, Move(version.version, version.stage, to, decision.reason, decision.ticket), decision
    )


def _write(registry: Registry, version: ModelVersion, move: Move, decision: Decision) -> Promoted:
    project = version.project
    sequence = registry.journal.head(project)
    changes = registry.journal.append(project, [move], expected=sequence, actor=decision.actor)
    unmirrored = mirror(registry, project)
    return Promoted(read_version(registry, project, version.version), tuple(changes), unmirrored=unmirrored)
