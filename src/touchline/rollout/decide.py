"""The next act of a rollout, from its rule and its evidence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Literal

from touchline.rollout.evidence import RolloutEvidence
from touchline.rollout.guardrails import GuardrailResult
from touchline.rollout.records import RolloutState
from touchline.rollout.rule import RolloutRule

Verdict = Literal["better", "worse", "equivalent", "undecided"]
ActKind = Literal["step", "promote", "roll_back", "abort", "keep", "hold"]


@dataclass(frozen=True)
class Act:
    """What the rule asks for now, and why. `share` is the candidate's percentage after a step."""

    kind: ActKind
    reason: str
    share: int = 0

    @property
    def is_upward(self) -> bool:
        """Whether it gives the candidate more traffic; approval and pauses hold only these back."""
        return self.kind in ("step", "promote")


@dataclass(frozen=True)
class Findings:
    """What a decision rests on."""

    evidence: RolloutEvidence
    guardrails: Sequence[GuardrailResult] = ()


def verdict_of(rule: RolloutRule, evidence: RolloutEvidence, *, is_over: bool) -> tuple[Verdict, str]:
    """The verdict on the candidate and the test that gave it; at the end the alpha kept for it decides.

    In a holdout the candidate is the predecessor: "better" means that the live version does harm.
    """
    test = evidence.test
    if test is None:
        return "undecided", "no outcome decides"
    if (damage := evidence.damaged.fault) is not None:
        return "undecided", damage
    if evidence.losses is None:
        return "undecided", "all outcomes so far are of one version" if evidence.units else "no outcome so far"
    if rule.on_sample_ratio != "warn" and (fault := broken_split(evidence)) is not None:
        return "undecided", fault
    if evidence.harm is not None:
        harmful_at = evidence.harm.harmful_at
        harmful = f"harm was shown after {harmful_at} {rule.unit_name}"
        return ("undecided", f"{rule.counted(evidence.units)} so far") if harmful_at is None else ("better", harmful)
    if test.verdict != "undecided":
        return test.verdict, f"both witnesses agreed after {test.decided_at} {rule.unit_name}"
    if is_over and evidence.end is not None and evidence.end.verdict != "undecided":
        end = evidence.end
        return end.verdict, f"the test at the end, {end.gain:.4f} from {end.low:.4f} to {end.high:.4f}"
    return "undecided", f"{rule.counted(evidence.units)} so far"


def next_act(state: RolloutState, findings: Findings, now: datetime) -> Act | None:
    """What to do now; None: wait."""
    rule = state.rule
    harm = _harm(state, findings)
    if harm is not None:
        return harm
    if rule.mode == "holdout":
        return _holdout_act(state, findings.evidence, now)
    if rule.mode == "canary":
        return _canary_act(state, findings, now)
    return _outcome_act(state, findings.evidence, now)


def waits_for_person(state: RolloutState, act: Act) -> bool:
    """Whether a person has to approve an act: each upward one where that is declared, and a promotion after which
    requests without a new field are refused.
    """
    is_breaking = act.kind == "promote" and bool(state.rule.new_fields)
    return act.is_upward and (state.rule.needs_approval or is_breaking)


def _harm(state: RolloutState, findings: Findings) -> Act | None:
    """What ends or stops a rollout whatever its outcomes say."""
    breached = [result for result in findings.guardrails if result.verdict == "harmful"]
    if breached and state.rule.mode != "holdout":
        return Act("abort", f"a guardrail was breached: {breached[0].message}")
    evidence = findings.evidence
    if evidence.shared is not None and evidence.shared.is_common:
        unit = state.rule.unit or "request"
        return Act(
            "abort",
            f"its unit, {unit}, shares outcomes: {evidence.shared.message}, so that both versions are judged by the "
            "same outcomes: mode='shadow' compares them in pairs",
        )
    return _damage_act(state, evidence) or _ratio_act(state, evidence)


def _damage_act(state: RolloutState, evidence: RolloutEvidence) -> Act | None:
    """Damaged outcomes decide nothing until a person has looked, whatever the rest of them says."""
    damage = evidence.damaged.fault if evidence.test is not None else None
    return Act("hold", damage) if damage is not None and state.status == "running" else None


def _ratio_act(state: RolloutState, evidence: RolloutEvidence) -> Act | None:
    """What a share of units that is not the planned one asks for."""
    reason, action = broken_split(evidence), state.rule.on_sample_ratio
    if reason is None or action == "warn":
        return None
    if action == "abort":
        return Act("abort", reason)
    return Act("hold", reason) if state.status == "running" else None


def broken_split(evidence: RolloutEvidence) -> str | None:
    """Why the units of a split, or their outcomes, do not compare; None where they came as planned."""
    ratios = ((evidence.ratio, "units", "requests"), (evidence.outcome_ratio, "units with an outcome", "outcomes"))
    for ratio, what, lost in ratios:
        if ratio is not None and ratio.is_broken:
            return (
                f"{ratio.candidate} of {ratio.candidate + ratio.production} {what} are the candidate's where "
                f"{ratio.planned:.0%} were planned (p = {ratio.p_value:.2g}): {lost} of one version are lost "
                "or repeated"
            )
    return None


def _holdout_act(state: RolloutState, evidence: RolloutEvidence, now: datetime) -> Act | None:
    rule = state.rule
    verdict, why = verdict_of(rule, evidence, is_over=False)
    if verdict == "better":
        return Act("roll_back", f"version {rule.reference.version} is worse than its predecessor: {why}")
    if _is_over(state, now):
        return Act("keep", f"the holdout ended without evidence of harm: {realised_gain(rule, evidence)}")
    return None


def realised_gain(rule: RolloutRule, evidence: RolloutEvidence) -> str:
    """The gain of the live version over its predecessor, with bounds that hold at any time, in words."""
    if evidence.harm is None or not evidence.units:
        return "no outcome has arrived"
    gain, low, high = evidence.harm.realised_gain(alpha=rule.alpha)
    bounds = f" (from {low:.4f} to {high:.4f})" if isfinite(low) else ""
    return f"the realised gain in {rule.metric} is {gain:.4f}{bounds} on {rule.counted(evidence.units)}"


def _canary_act(state: RolloutState, findings: Findings, now: datetime) -> Act | None:
    verdicts = [result.verdict for result in findings.guardrails]
    are_shown = bool(verdicts) and all(verdict == "harmless" for verdict in verdicts)
    if are_shown and _step_is_done(state, now):
        return _step_up(state, "every guardrail is shown to hold")
    if _is_over(state, now):
        return Act("keep", f"after {state.rule.longest_days:g} days the guardrails are not shown to hold")
    return None


def _outcome_act(state: RolloutState, evidence: RolloutEvidence, now: datetime) -> Act | None:
    rule, is_over = state.rule, _is_over(state, now)
    verdict, why = verdict_of(rule, evidence, is_over=is_over)
    if verdict == "worse":
        return Act("abort", f"version {rule.candidate.version} is worse: {why}")
    if _is_enough(rule, evidence, verdict, is_over=is_over):
        shown = "better" if verdict == "better" else f"not worse by more than {rule.margin:g}"
        is_long_enough = now - state.experiment.started_at >= timedelta(days=rule.min_days)
        reason = f"version {rule.candidate.version} is {shown}: {why}"
        return Act("promote", reason, 100) if is_long_enough else None
    if verdict == "equivalent":
        return Act("keep", f"the versions are equivalent within {rule.margin:g}, and the older one stays: {why}")
    if is_over:
        return Act("keep", f"nothing was decided in {rule.longest_days:g} days: {why}")
    if rule.mode == "ab" and _step_is_done(state, now) and _next_share(state) < 100:
        return _step_up(state, "no guardrail is breached")
    return None


def _is_enough(rule: RolloutRule, evidence: RolloutEvidence, verdict: Verdict, *, is_over: bool) -> bool:
    """Whether what the rule needs for a promotion has been shown."""
    has_faults = evidence.damaged.fault is not None or broken_split(evidence) is not None
    is_compared = evidence.test is not None and evidence.losses is not None and not has_faults
    if rule.needs == "better" or verdict == "better" or evidence.test is None or not is_compared:
        return verdict == "better"
    at_end = is_over and evidence.end is not None and evidence.end.low > -rule.margin
    return evidence.test.is_shown("not_worse") or at_end


def _step_up(state: RolloutState, reason: str) -> Act:
    share = _next_share(state)
    if share == 100:
        return Act("promote", f"{reason} at {state.step} %", 100)
    return Act("step", f"{reason} at {state.step} % for {state.rule.min_days:g} days", share)


def _next_share(state: RolloutState) -> int:
    return next((step for step in state.rule.steps if step > state.step), 100)


def _step_is_done(state: RolloutState, now: datetime) -> bool:
    return now - state.step_since >= timedelta(days=state.rule.min_days)


def _is_over(state: RolloutState, now: datetime) -> bool:
    return now - state.experiment.started_at >= timedelta(days=state.rule.longest_days)
