"""Rollouts of a declared project: their start, their checks, and what they do to stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from touchline.automation.promotion.promote import Promotion, move_to_production, roll_back
from touchline.errors import RolloutRefused
from touchline.registry import Decision, Releases, declared_families, read_version
from touchline.rollout import (
    EventNote,
    Rollout,
    RolloutContext,
    RolloutRecords,
    RolloutState,
    Starting,
    check_rollout,
    end_overtaken,
    report_on,
    rule_of,
    start_holdout,
    start_rollout,
)

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.registry import ModelVersion, Promoted
    from touchline.rollout import RolloutReport

Probe = Callable[[str], str]
"""Asks the running server whether a release, by id, answers; says so in words. Raises a `TouchlineError`."""


# Parts of a rule that the declaration does not say.
_DECIDED_AT_START: Final = (
    "candidate",
    "reference",
    "new_fields",
    "counts_each",
    "restarts",
    "target",
    "bounds",
    "spread",
)


@dataclass(frozen=True)
class _StageMoves:
    context: PipelineContext

    def promote(self, version: int, reason: str) -> None:
        move_to_production(self.context, version, reason=reason)

    def roll_back(self, reason: str) -> None:
        roll_back(self.context, Decision("rollout", reason))


def rollout_context(context: PipelineContext, probe: Probe | None = None) -> RolloutContext:
    """What the checks of this project's rollout work with."""
    return RolloutContext(context.stores, context.project.name, _StageMoves(context), probe)


def begin_rollout(context: PipelineContext, version: ModelVersion, *, actor: str, reason: str = "") -> RolloutState:
    """Start the rollout of the version in Staging by the declared policy. Raises `RolloutRefused`."""
    starting = _starting(context, actor, reason)
    return start_rollout(context.stores, _releases(context), version, _policy(context), starting)


def check_running(context: PipelineContext, probe: Probe | None = None) -> RolloutReport | None:
    """Check the rollout that runs and act by its rule; None where none runs.

    A rollout whose declared policy has changed since its start is ended: its rule is frozen.
    """
    records = RolloutRecords(context.stores.database, context.project.name)
    state = records.running()
    if state is not None and (changed := _changed_rule(context, state)):
        note = EventNote(f"the declaration changed its {'; '.join(changed)}. A rollout keeps the rule it began with")
        after = records.add(state, "superseded", note, clock=context.clock)
        return report_on(context.stores.database, context.project.name, after, context.clock.now())
    return check_rollout(rollout_context(context, probe))


def end_overtaken_rollout(context: RolloutContext) -> str | None:
    """End the rollout that runs if its versions were moved by hand; what happened to it, in words."""
    state = end_overtaken(context)
    if state is None or state.end is None:
        return None
    return f"rollout {state.experiment.number} has ended: {state.end.message}"


@dataclass(frozen=True)
class Followed:
    """What follows a promotion by the gates: another move, and what became of its rollout in words."""

    promotion: Promotion | None = None
    message: str | None = None


def follow_promotion(context: PipelineContext, promoted: Promoted, *, actor: str) -> Followed:
    """Let a refresh go live with its predecessor beside it, or start the rollout of a change."""
    version = promoted.version
    if version.stage != "Staging":
        return Followed()
    if promoted.is_refresh and context.project.retrain.refresh == "live":
        return _go_live(context, version, actor)
    if context.project.rollout is None:
        return Followed()
    try:
        state = begin_rollout(context, version, actor=actor, reason="passed its gates")
    except RolloutRefused as refusal:
        return Followed(message=str(refusal))
    return Followed(message=f"rollout {state.experiment.number} has begun: {state.events[0].message}")


def follow_by_hand(context: PipelineContext, promoted: Promoted, *, actor: str) -> list[str]:
    """What a person's stage change does to rollouts, in words.

    It ends the rollout whose version it has moved, and a promoted change begins its own.
    """
    messages = [end_overtaken_rollout(rollout_context(context))]
    if promoted.changes:
        messages.append(follow_promotion(context, promoted, actor=actor).message)
    return [message for message in messages if message]


def overtaken_rule(context: PipelineContext) -> str | None:
    """What the present declaration does to the rollout that runs, in words; None where its rule is still declared."""
    state = RolloutRecords(context.stores.database, context.project.name).running()
    changed = [] if state is None else _changed_rule(context, state)
    if state is None or not changed:
        return None
    what = f"rollout {state.experiment.number} of version {state.rule.candidate.version}"
    return (
        f"{what} keeps the rule it began with: the "
        "next check (each ingest, touchline rollout check) ends it without a decision, since the declaration changed "
        f"its {'; '.join(changed)}"
    )


def rolls_out(context: PipelineContext, version: ModelVersion) -> bool:
    """Whether a rollout of this version runs."""
    state = RolloutRecords(context.stores.database, context.project.name).running()
    return state is not None and state.rule.candidate.version == version.version


def waiting_reason(context: PipelineContext) -> str | None:
    """Why a new version does not go to Staging now: a change is being rolled out, and would lose its evidence."""
    state = RolloutRecords(context.stores.database, context.project.name).running()
    if state is None or state.rule.mode == "holdout":
        return None
    number = state.rule.candidate.version
    return (
        f"the rollout of version {number} runs, and another version in Staging would end it. To give it up: "
        f"touchline rollout abort -p {context.project.name} --reason '...'"
    )


def _go_live(context: PipelineContext, version: ModelVersion, actor: str) -> Followed:
    stores, name = context.stores, context.project.name
    before = read_version(stores, name, "Production")
    if before.test_to and version.test_to and version.test_to < before.test_to:
        # A backfill, or data that was taken back: the newest rows say more about what comes next.
        return Followed(
            message=f"version {version.version} stays in Staging: its newest test example is of "
            f"{version.test_to:%Y-%m-%d}, that of Production of {before.test_to:%Y-%m-%d}, and a refresh moves "
            f"Production to no older data. To do it all the same: touchline models promote {version.version} -p "
            f"{name} --now --reason '...'"
        )
    _end_holdout(context, version)
    promotion = move_to_production(context, version.version, reason="a refresh that has passed its gates")
    policy, live = _policy(context), promotion.promoted.version
    if not policy.holdout_days:
        return Followed(promotion)
    try:
        state = start_holdout(stores, live, before, policy, _starting(context, actor, "a refresh went live"))
    except RolloutRefused as refusal:
        return Followed(promotion, str(refusal))
    days = f"{policy.holdout_days:g} days"
    message = f"version {before.version} predicts beside it for {days} (rollout {state.experiment.number})"
    return Followed(promotion, message)


def _end_holdout(context: PipelineContext, version: ModelVersion) -> None:
    """End the holdout of the refresh before, with what it has shown."""
    stores, name = context.stores, context.project.name
    records = RolloutRecords(stores.database, name)
    state = records.running()
    if state is None:
        return
    report = report_on(stores.database, name, state, context.clock.now())
    note = EventNote(f"version {version.version} refreshed it. {report.sentence}", evidence=report.findings())
    records.add(state, "superseded", note, clock=context.clock)


def _changed_rule(context: PipelineContext, state: RolloutState) -> list[str]:
    """The parts of the declared policy that are no longer those of the running rollout, with both values."""
    stores, name, rule = context.stores, context.project.name, state.rule
    starting = _starting(context, "", "")
    versions = (read_version(stores, name, side.version) for side in (rule.candidate, rule.reference))
    mode = "holdout" if rule.mode == "holdout" else _policy(context).mode
    declared = rule_of(_policy(context), *versions, mode=mode, maturity=starting.maturity)
    decided = {*_DECIDED_AT_START, *(() if _policy(context).margin is not None else ("margin",))}
    before, after = rule.to_json(), declared.to_json()
    return [f"{part}: {before[part]} → {after[part]}" for part in rule.differences(declared) if part not in decided]


def _policy(context: PipelineContext) -> Rollout:
    return context.project.rollout or Rollout()


def _starting(context: PipelineContext, actor: str, reason: str) -> Starting:
    return Starting(actor, reason, context.project.task.label_horizon)


def _releases(context: PipelineContext) -> Releases:
    families = declared_families(context.project.training)
    return Releases(context.stores, lambda _: families)
