"""The start of a rollout: what is refused, the frozen rule, the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from touchline.errors import RolloutRefused, nearest
from touchline.predictions import PredictionRecord, PredictionRecords
from touchline.registry import LoadedRelease, ModelVersion, Registry, Releases, compared_predictions, read_version
from touchline.rollout.plan import RolloutPlan, counts_each, make_plan, of_values
from touchline.rollout.records import Experiment, RolloutEvent, RolloutRecords, RolloutState
from touchline.rollout.routing import RoutingMode
from touchline.rollout.rule import RolloutRule, Side
from touchline.rollout.shared_outcomes import shared_outcomes
from touchline.rollout.spec import Rollout
from touchline.storage.ulids import Ulids

_LOOKED_AT: Final = 5_000


@dataclass(frozen=True)
class Starting:
    """Who starts a rollout and why.

    `maturity` is used where the declaration says none. `salt` decides which units the candidate answers; one of its own
    for each rollout where it is not given, so that no unit is drawn again and again.
    """

    actor: str
    reason: str = ""
    maturity: timedelta | None = None
    salt: str | None = None


def start_rollout(
    registry: Registry, releases: Releases, version: ModelVersion, declared: Rollout, starting: Starting
) -> RolloutState:
    """Start the rollout of the version in Staging. Raises `RolloutRefused` with the reason, and starts nothing."""
    project = version.project
    production = _production(registry, version)
    rule = rule_of(declared, version, production, mode=declared.mode, maturity=starting.maturity)
    candidate, reference = releases.open(rule.candidate.release), releases.open(rule.reference.release)
    _validate_task(version, production, rule)
    _validate_clusters(version, rule)
    rule = replace(rule, restarts=_earlier_starts(registry, version, rule))
    _validate_requests(version, rule, reference)
    rule = replace(rule, new_fields=_new_fields(candidate, reference))
    _validate_unit(registry, version, rule)
    compared = compared_predictions(registry, version, production) if rule.counts_outcomes else None
    rule = of_values(version, compared, rule, has_margin=declared.margin is not None)
    rule = replace(rule, counts_each=counts_each(compared, rule))
    plan = make_plan(registry, project, compared, rule)
    if plan.cannot_end:
        raise RolloutRefused(
            project,
            version.version,
            f"it would not decide within its longest duration: {plan.sentence[0].lower()}{plan.sentence[1:-1]}",
            "Declare a longer Rollout(longest_days=...), a wider margin, or mode='shadow', which needs the "
            f"fewest outcomes; or: touchline models promote {version.version} -p {project} --now --reason '...'",
        )
    return _begin(registry, project, rule, plan, starting)


def start_holdout(
    registry: Registry, version: ModelVersion, predecessor: ModelVersion, declared: Rollout, starting: Starting
) -> RolloutState:
    """Let the predecessor of a refresh that has gone live predict beside it for a while."""
    rule = rule_of(declared, predecessor, version, mode="holdout", maturity=starting.maturity)
    compared = compared_predictions(registry, version, predecessor)
    rule = of_values(version, compared, rule, has_margin=declared.margin is not None)
    return _begin(registry, version.project, rule, None, starting)


def rule_of(
    declared: Rollout,
    candidate: ModelVersion,
    reference: ModelVersion,
    *,
    mode: RoutingMode,
    maturity: timedelta | None,
) -> RolloutRule:
    """The declared policy as the frozen rule of these two versions."""
    is_split = mode in ("ab", "canary")
    age = declared.maturity if declared.maturity is not None else maturity or timedelta(0)
    return RolloutRule(
        mode=mode,
        candidate=Side(candidate.version, candidate.release_id or ""),
        reference=Side(reference.version, reference.release_id or ""),
        classes=candidate.classes,
        metric=declared.metric or ("log_loss" if candidate.classes else "mse"),
        unit=declared.unit if is_split else None,
        has_clusters=declared.cluster and not is_split,
        steps=declared.steps if is_split else (100,),
        needs=declared.needs,
        needs_approval=declared.approval,
        alpha=declared.alpha,
        margin=declared.margin or Rollout.MARGIN,
        min_days=declared.min_days,
        longest_days=declared.holdout_days if mode == "holdout" else declared.longest_days,
        maturity_seconds=age.total_seconds(),
        guardrails=declared.guardrails,
        on_sample_ratio=declared.on_sample_ratio,
        overrides=declared.overrides if is_split else {},
    )


def _begin(
    registry: Registry, project: str, rule: RolloutRule, plan: RolloutPlan | None, starting: Starting
) -> RolloutState:
    records = RolloutRecords(registry.database, project)
    newest, sequence = records.newest(), records.head()
    number = newest.experiment.number + 1 if newest else 1
    at, wall_at, identity = registry.clock.now(), registry.clock.wall(), Ulids().next()
    experiment = Experiment(
        project=project,
        number=number,
        id=identity,
        salt=starting.salt or f"{project}-{number}-{identity[-6:]}",
        rule=rule,
        rule_hash=rule.hash,
        plan=None if plan is None else plan.to_json(),
        started_at=at,
        started_wall_at=wall_at,
        actor=starting.actor,
        reason=starting.reason,
    )
    share = rule.steps[0] if rule.is_split else 0
    message = plan.sentence if plan is not None else f"holdout of {rule.longest_days:g} days"
    if rule.new_fields:
        fields = ", ".join(map(repr, rule.new_fields))
        message += f" Requests without {fields} are answered by Production and do not count."
    if rule.restarts_in_words is not None:
        message += f" {rule.restarts_in_words[0].upper()}{rule.restarts_in_words[1:]}."
    first = RolloutEvent(project, sequence + 1, number, "start", share, at, wall_at, starting.actor, message)
    return records.start(experiment, first)


def _production(registry: Registry, version: ModelVersion) -> ModelVersion:
    project, number = version.project, version.version
    state = registry.journal.state(project)
    if state.production is None:
        raise RolloutRefused(
            project,
            number,
            "nothing is in Production to compare it with",
            f"To bring it there: touchline models promote {number} -p {project}",
        )
    if version.stage != "Staging":
        raise RolloutRefused(
            project,
            number,
            f"it is in {version.stage}, and a rollout takes the version in Staging",
            f"See which one: touchline models list -p {project}"
            if version.stage == "Production"
            else f"touchline models promote {number} -p {project} brings it there through the gates",
        )
    running = RolloutRecords(registry.database, project).running()
    if running is not None:
        rule = running.rule
        what = "the holdout of version" if rule.mode == "holdout" else "that of version"
        raise RolloutRefused(
            project,
            number,
            f"another one runs: {what} {rule.candidate.version}, since {running.experiment.started_at:%Y-%m-%d}",
            f"Wait for it, or end it: touchline rollout abort -p {project} --reason '...'",
        )
    return read_version(registry, project, state.production)


def _validate_clusters(version: ModelVersion, rule: RolloutRule) -> None:
    if rule.has_clusters and version.clusters >= version.rows > 0:
        raise RolloutRefused(
            version.project,
            version.version,
            "cluster=True is declared, and each of its test examples is a cluster of its own",
            "Give the examples a `cluster` column, such as the day, or declare cluster=False",
        )


def _earlier_starts(registry: Registry, version: ModelVersion, rule: RolloutRule) -> int:
    """The number of earlier rollouts of these two versions. Raises `RolloutRefused` where one has decided."""
    earlier = [
        state
        for state in RolloutRecords(registry.database, version.project).read()
        if (state.rule.candidate, state.rule.reference) == (rule.candidate, rule.reference)
        and state.rule.mode != "holdout"
    ]
    for state in earlier:
        if state.verdict is not None or (state.end is not None and state.end.kind == "kept"):
            raise RolloutRefused(
                version.project,
                version.version,
                f"rollout {state.experiment.number} has decided on it: "
                f"{(state.verdict or state.events[-1]).message.rstrip('.')}",
                "Looking until the answer is another one would be no test. Train another version, or decide by hand: "
                f"touchline models promote {version.version} -p {version.project} --now --reason '...'",
            )
    return len(earlier)


def _validate_task(version: ModelVersion, production: ModelVersion, rule: RolloutRule) -> None:
    by_hand = f"Decide by hand: touchline models promote {version.version} -p {version.project} --now --reason '...'"
    if version.classes != production.classes:
        raise RolloutRefused(
            version.project,
            version.version,
            f"its classes are {', '.join(version.classes) or 'numbers'} and those of Production "
            f"{', '.join(production.classes) or 'numbers'}, so their outcomes do not compare",
            by_hand,
        )
    if not rule.classes and any(guardrail.kind == "calibration" for guardrail in rule.guardrails):
        raise RolloutRefused(
            version.project,
            version.version,
            "its guardrail on calibration compares the probabilities of classes, and it predicts numbers",
            "Declare Rollout(guardrails=...) without Guardrail.calibration()",
        )
    of_numbers = rule.metric in ("mse", "mae")
    if rule.counts_outcomes and of_numbers == bool(rule.classes):
        raise RolloutRefused(
            version.project,
            version.version,
            f"metric {rule.metric!r} is not one of a model that predicts {'classes' if rule.classes else 'numbers'}",
            "Declare Rollout(metric=...): log_loss, brier or rps of classes, mse or mae of numbers",
        )


def _new_fields(candidate: LoadedRelease, reference: LoadedRelease) -> tuple[str, ...]:
    """The fields that the candidate needs and requests for Production do not have."""
    needed = {*candidate.entity_columns, *(column.name for column in candidate.inputs if column.is_required)}
    return tuple(sorted(needed - _fields(reference)))


def _fields(release: LoadedRelease) -> set[str]:
    return {*release.entity_columns, *(column.name for column in release.inputs), "example_id"}


def _validate_requests(version: ModelVersion, rule: RolloutRule, reference: LoadedRelease) -> None:
    """Refuse a unit that is no field of the requests for Production."""
    fields = _fields(reference)
    if rule.unit is not None and rule.unit not in fields:
        raise RolloutRefused(
            version.project,
            version.version,
            f"its unit {rule.unit!r} is no field of a request",
            nearest(rule.unit, fields),
        )


def _validate_unit(registry: Registry, version: ModelVersion, rule: RolloutRule) -> None:
    """Refuse a split whose units share outcomes, as users who ask about the same match do."""
    if rule.mode != "ab" or rule.unit == "example_id":
        return
    rows = PredictionRecords(registry.database, version.project).newest(_LOOKED_AT)
    requested = [(row.example_key, unit) for row in rows[::-1] if (unit := _unit_of(row, rule.unit)) is not None]
    shared = shared_outcomes(requested)
    if shared.is_common:
        unit = rule.unit or "the request"
        raise RolloutRefused(
            version.project,
            version.version,
            f"its unit, {unit}, shares outcomes: {shared.message}, and both versions would be judged by the same "
            "outcomes",
            "Declare mode='shadow', which compares pairs, or unit='example_id'",
        )


def _unit_of(row: PredictionRecord, unit: str | None) -> str | None:
    """The unit of a logged prediction, by default the request; None where the request had none."""
    value = row.request_id if unit is None else {**row.inputs, **row.entity_keys}.get(unit)
    return None if value is None else str(value)
