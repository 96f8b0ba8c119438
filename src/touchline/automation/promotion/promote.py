"""Promotion and rollback of a project's versions; afterwards the online store keeps only features that are in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from touchline.automation.promotion.gate_inputs import gate_inputs
from touchline.errors import BackendUnavailable, IllegalStageChange, OnlineStoreError
from touchline.features import drop_unused_versions
from touchline.registry import (
    Decision,
    GateInputs,
    ModelVersion,
    Promoted,
    PromotionPreview,
    Releases,
    declared_families,
    preview_promotion,
    promote,
    rollback,
)
from touchline.rollout import RolloutRecords

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.features import TrainingSet

FeatureVersion = tuple[str, str]
"""The name of a view and a version of its features."""


@dataclass(frozen=True)
class Promotion:
    """A changed stage, and the feature versions whose values were deleted online because no release needs them.

    `cleanup_failure` says why they could not be deleted; the next promotion tries again.
    """

    promoted: Promoted
    dropped: tuple[FeatureVersion, ...] = ()
    cleanup_failure: str | None = None

    def followed_by(self, second: Promotion | None) -> Promotion:
        """Two moves of one version as one promotion, with the report of its gates."""
        if second is None:
            return self
        changes = (*self.promoted.changes, *second.promoted.changes)
        promoted = replace(second.promoted, changes=changes, report=self.promoted.report)
        return Promotion(promoted, (*self.dropped, *second.dropped), second.cleanup_failure)


def promote_version(
    context: PipelineContext, version: ModelVersion, decision: Decision, *, training_set: TrainingSet | None = None
) -> Promotion:
    """Move a version one stage up, through the declared gates. Raises `GateFailed` and the errors of `promote`."""
    if (refusal := _running_rollout(context, version, decision)) is not None:
        raise refusal
    inputs = gate_inputs(context, version, training_set)
    name = context.project.name
    return _with_cleanup(context, lambda: promote(context.stores, name, version.version, decision, inputs=inputs))


def move_to_production(context: PipelineContext, version: int, *, reason: str) -> Promotion:
    """Move the version in Staging to Production, as a rollout has decided."""
    decision = Decision("rollout", reason, now=True)
    return _with_cleanup(
        context, lambda: promote(context.stores, context.project.name, version, decision, inputs=_no_gates(context))
    )


def preview_version(context: PipelineContext, version: ModelVersion, decision: Decision) -> PromotionPreview:
    """What `promote_version` would do; no stage changes."""
    inputs = gate_inputs(context, version)
    preview = preview_promotion(context.stores, context.project.name, version.version, decision, inputs=inputs)
    refusal = _running_rollout(context, version, decision)
    return preview if refusal is None else replace(preview, refusal=str(refusal))


def _running_rollout(context: PipelineContext, version: ModelVersion, decision: Decision) -> IllegalStageChange | None:
    """The refusal of a version whose rollout runs, unless a person decides."""
    state = RolloutRecords(context.stores.database, context.project.name).running()
    if decision.now or state is None or version.stage != "Staging":
        return None
    if state.rule.candidate.version != version.version:
        return None
    return IllegalStageChange.rollout_runs(version.project, version.version, state.experiment.number)


def roll_back(context: PipelineContext, decision: Decision) -> Promotion:
    """Return to the release that was in Production before."""
    families = declared_families(context.project.training)
    return _with_cleanup(
        context, lambda: rollback(context.stores, context.project.name, decision, families=lambda _: families)
    )


def _no_gates(context: PipelineContext) -> GateInputs:
    families = declared_families(context.project.training)
    return GateInputs(families=lambda _: families)


def feature_versions_in_use(context: PipelineContext, *versions: int | None) -> set[FeatureVersion]:
    """The declared views, and those that the releases of Production, Staging, the rollback and `versions` read."""
    stores = context.stores
    state = stores.journal.state(context.project.name)
    in_use = {(view.name, view.feature_version) for view in context.project.feature_views}
    for version in {state.production, state.staging, state.rollback, *versions} - {None}:
        release = Releases(stores).find(state.releases.get(version or 0, ""))
        if release is not None:
            in_use |= {(view.view, view.feature_version) for view in release.read_manifest().views}
    return in_use


def _with_cleanup(context: PipelineContext, change_stage: Callable[[], Promoted]) -> Promotion:
    leaving = context.stores.journal.state(context.project.name).production
    return clean_up(context, change_stage(), leaving=leaving)


def clean_up(context: PipelineContext, promoted: Promoted, *, leaving: int | None) -> Promotion:
    """Delete the online values that no release needs after a change of stage.

    Servers read the release of `leaving`, which was in Production, until they have loaded the new one.
    """
    stores, project = context.stores, context.project.name
    if not promoted.changes:
        return Promotion(promoted)
    try:
        in_use = feature_versions_in_use(context, leaving)
        dropped = drop_unused_versions(project, stores=stores, online=stores.online, keep=in_use)
    except (BackendUnavailable, OnlineStoreError, OSError) as failure:
        return Promotion(promoted, cleanup_failure=str(failure))
    return Promotion(promoted, tuple(dropped))
