"""The changes of a stage that a person may make by hand, with their effect in words and why one is not possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from touchline.registry.journal.stages import StageState
from touchline.registry.journal.versions import ModelVersion

ActName = Literal["approve", "reject", "demote", "promote", "roll back"]


@dataclass(frozen=True)
class PossibleAct:
    """One change. `refusal` is None where it is possible."""

    act: ActName
    effect: str
    refusal: str | None = None


def possible_acts(version: ModelVersion, state: StageState) -> list[PossibleAct]:
    """All changes by hand of one version; `rollback` is of the whole project."""
    number, stage = version.version, version.stage
    down = "Archived" if stage == "Production" else "None"
    up = "Staging" if stage in ("None", "Archived") else "Production"
    is_settled = stage in ("Production", "Archived")
    has_passed = stage == "Staging" or number in state.releases
    gates = "no gate runs for this step" if has_passed else "if its gates pass"
    return [
        PossibleAct(
            "approve",
            f"Version {number} stays in {stage}; the journal has your approval, which an approval gate asks for.",
            f"Version {number} is in {stage}: only a version in None or Staging waits for an approval."
            if is_settled
            else None,
        ),
        PossibleAct(
            "promote",
            f"Version {number} moves from {stage} to {up}, {gates}.",
            f"Version {number} is in Production already." if stage == "Production" else None,
        ),
        PossibleAct(
            "reject",
            f"Version {number} moves from {stage} to Archived; earlier approvals no longer count.",
            f"Version {number} is in {stage}: only a version in None or Staging can be rejected."
            if is_settled
            else None,
        ),
        PossibleAct(
            "demote",
            f"Version {number} moves from {stage} to {down}."
            + (" Nothing is served then." if stage == "Production" else ""),
            None if stage in ("Staging", "Production") else f"Version {number} is in {stage}: there is no stage below.",
        ),
        _rollback(state),
    ]


def _rollback(state: StageState) -> PossibleAct:
    target, current = state.rollback, state.production
    if target is None:
        return PossibleAct("roll back", "Nothing changes.", "No version was in Production before.")
    leaves = f"; version {current} moves from Production to Archived" if current is not None else ""
    return PossibleAct("roll back", f"Version {target} moves from Archived to Production{leaves}.")
