"""Back to the release that was in Production before, in one step."""

from __future__ import annotations

from touchline.errors import IllegalStageChange, ReasonMissing
from touchline.registry.gates.stage_change import Decision, Promoted, StageStep, commit, proven
from touchline.registry.journal.journal import Move
from touchline.registry.journal.versions import Registry, read_version
from touchline.registry.release.releases import Families, no_families


def rollback(registry: Registry, project: str, decision: Decision, *, families: Families = no_families) -> Promoted:
    """Return to the release that was in Production before, in one step, after it has proven itself again."""
    state = registry.journal.state(project)
    target, current = state.rollback, state.production
    if target is None:
        raise IllegalStageChange.nothing_to_return_to(project, current)
    if not decision.reason:
        raise ReasonMissing("Rolling back")
    version = read_version(registry, project, target)
    release = proven(registry, version, state, families)
    reason, ticket = decision.reason, decision.ticket
    moves = []
    if version.stage != "Archived":
        moves.append(Move(target, version.stage, "Archived", reason, ticket))
    moves.append(Move(target, "Archived", "Production", reason, ticket, release_id=release.id))
    if current is not None:
        moves.append(Move(current, "Production", "Archived", f"rolled back: {reason}", ticket))
    return commit(registry, version, StageStep(moves, state, release), decision)
