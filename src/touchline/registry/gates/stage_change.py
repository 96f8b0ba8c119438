"""One change of a stage, as it is written: the release first, then one transaction, then MLflow's aliases.

Light to import, since a rollback must not wait for what only gates need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from touchline.errors import TouchlineError
from touchline.registry.journal.journal import Move
from touchline.registry.journal.stages import StageChange, StageState
from touchline.registry.journal.versions import ModelVersion, Registry, read_version
from touchline.registry.release.build import build_release
from touchline.registry.release.journal_copy import copy_changes
from touchline.registry.release.releases import Families, Release, Releases
from touchline.registry.runs.aliases import project_aliases

if TYPE_CHECKING:
    from touchline.registry.gates.report import GateReport


@dataclass(frozen=True)
class Decision:
    """A request to change a stage: the actor and the reason.

    `now` skips the rollout and overrules gates that measured nothing, which needs a reason. `evidence` is the hash of
    the evidence that the decision rests on, as `preview` gives it; None: whatever the evidence is. `fence` is called in
    the transaction that writes the decision, and raises where it may no longer be written.
    """

    actor: str
    reason: str = ""
    ticket: str | None = None
    now: bool = False
    evidence: str | None = None
    fence: Callable[[Connection], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason.strip())  # blanks are no reason


@dataclass(frozen=True)
class StageStep:
    """A change ready to be written: its moves, the journal's state they rest on, and the release they point to."""

    moves: Sequence[Move]
    state: StageState
    release: Release
    report: GateReport | None = None


@dataclass(frozen=True)
class Promoted:
    """The result of a promotion. `changes` is empty when the version already had that stage.

    `is_refresh` says whether gates found the version to be Production's recipe on newer data. `unmirrored` says why
    MLflow's aliases lag behind the journal; None when they do not.
    """

    version: ModelVersion
    changes: tuple[StageChange, ...]
    report: GateReport | None = None
    release: Release | None = None
    unmirrored: str | None = None

    @property
    def is_refresh(self) -> bool:
        return self.report is not None and self.report.is_refresh


def mirror(registry: Registry, project: str) -> str | None:
    """Bring the journal's copy and MLflow's aliases up to the journal; why that was not possible, or None."""
    try:
        copy_changes(registry, project)
        project_aliases(registry, project)
    except (TouchlineError, OSError) as failure:  # the change itself is committed
        return str(failure)
    return None


def proven(registry: Registry, version: ModelVersion, state: StageState, families: Families) -> Release:
    """The version's release on record, verified and self-tested before anything points to it."""
    releases = Releases(registry, families, registry.signing)
    release = releases.find(state.releases.get(version.version, ""))
    if release is None:
        return build_release(registry, version, families)
    releases.open(release.id)
    return release


def commit(registry: Registry, version: ModelVersion, step: StageStep, decision: Decision) -> Promoted:
    """Write a change. Raises `StageConflict` where another one came first."""
    project, expected = version.project, step.state.sequence
    try:
        with registry.database.begin() as connection:
            if decision.fence is not None:
                decision.fence(connection)
            Releases.record(connection, step.release, at=registry.clock.now())
            changes = registry.journal.write(connection, project, step.moves, expected=expected, actor=decision.actor)
    except IntegrityError as taken:
        raise registry.journal.conflict(project, expected) from taken
    unmirrored = mirror(registry, project)
    return Promoted(
        read_version(registry, project, version.version),
        tuple(changes),
        step.report,
        step.release,
        unmirrored,
    )
