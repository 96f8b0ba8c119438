"""The state of a rollout with its verdict in one sentence: one function for the command line, the API and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from touchline.errors import TooFewClusters
from touchline.rollout.decide import (
    Act,
    Findings,
    Verdict,
    broken_split,
    next_act,
    realised_gain,
    verdict_of,
    waits_for_person,
)
from touchline.rollout.evidence import RolloutEvidence, gather
from touchline.rollout.guardrails import GuardrailResult, check_guardrails
from touchline.rollout.outcome_pairs import LeftOut
from touchline.rollout.records import RolloutEvent, RolloutState, Status
from touchline.rollout.rule import RolloutRule
from touchline.statistics import outcomes_needed
from touchline.storage import Database

_LONGEST: Final = 200_000
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class StillNeeded:
    """Further units until a verdict: the median, and the range of four futures in five; None: beyond its end.

    `by` is when the median arrives at the rate so far.
    """

    median: int | None
    low: int | None
    high: int | None
    by: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The values as JSON takes them."""
        return {**vars(self), "by": None if self.by is None else self.by.isoformat()}


@dataclass(frozen=True)
class RolloutReport:
    """A rollout as of now. `sentence` is the verdict in words, `next_step` what happens next and by whom."""

    project: str
    state: RolloutState
    status: Status
    verdict: Verdict
    sentence: str
    next_step: str
    act: Act | None
    evidence: RolloutEvidence
    guardrails: Sequence[GuardrailResult]
    needed: StillNeeded | None

    @property
    def units_by_variant(self) -> dict[str, str]:
        """The units of a split, and those with an outcome, by variant and with the planned share, in words."""
        ratios = {"units": self.evidence.ratio, "units with an outcome": self.evidence.outcome_ratio}
        return {
            what: f"{ratio.production} Production, {ratio.candidate} candidate, planned {ratio.planned:.0%} "
            f"(p = {ratio.p_value:.2g})"
            for what, ratio in ratios.items()
            if ratio is not None
        }

    @property
    def waits_for_approval(self) -> bool:
        """Whether a step waits for a person to approve it."""
        return _waits_for_approval(self.state, self.act)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON takes it; instants as ISO text."""
        experiment = self.state.experiment
        return {
            "project": self.project,
            "number": experiment.number,
            "experiment": experiment.id,
            "status": self.status,
            "next_step": self.next_step,
            "waits_for_approval": self.waits_for_approval,
            "share": self.state.share,
            "rule": experiment.rule.to_json(),
            "rule_hash": experiment.rule_hash,
            "plan": experiment.plan,
            "started_at": experiment.started_at.isoformat(),
            "started_by": experiment.actor,
            "reason": experiment.reason,
            **self.findings(),
            "events": [_event_document(event) for event in self.state.events],
        }

    def findings(self) -> dict[str, Any]:
        """What a decision rests on, as JSON takes it."""
        evidence = self.evidence
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "units": evidence.units,
            "examples": evidence.examples,
            "gain": evidence.test.gain if evidence.test and evidence.losses else None,
            "losses": dict(zip(("candidate", "reference"), evidence.losses, strict=True)) if evidence.losses else None,
            "curve": [vars(point) for point in evidence.curve if point.low > float("-inf")],
            "left_out": vars(evidence.left_out),
            "corrected": evidence.corrected,
            "sample_ratio": None if evidence.ratio is None else vars(evidence.ratio),
            "outcome_ratio": None if evidence.outcome_ratio is None else vars(evidence.outcome_ratio),
            "guardrails": [
                {"rule": result.guardrail.describe(), "verdict": result.verdict, "message": result.message}
                for result in self.guardrails
            ],
            "needed": None if self.needed is None else self.needed.to_json(),
        }


def report_on(
    database: Database, project: str, state: RolloutState, now: datetime, *, with_forecast: bool = True
) -> RolloutReport:
    """The report of a rollout; for one that has ended, as of its end.

    The forecast of the outcomes still needed simulates futures, which takes longer than all else.
    """
    as_of = now if state.end is None else state.end.at
    evidence = gather(database, state.experiment, as_of)
    guardrails = check_guardrails(database, state.experiment, evidence.pairs)
    findings = Findings(evidence, guardrails)
    act = next_act(state, findings, now) if state.end is None else None
    is_over = as_of - state.experiment.started_at >= timedelta(days=state.rule.longest_days)
    verdict, why = verdict_of(state.rule, evidence, is_over=is_over)
    is_open = state.end is None and verdict == "undecided"
    needed = _still_needed(state, evidence, as_of) if with_forecast and is_open else None
    return RolloutReport(
        project=project,
        state=state,
        status=state.status,
        verdict=verdict,
        sentence=_sentence(state, evidence, verdict, why),
        next_step=_next_step(state, act, needed),
        act=act,
        evidence=evidence,
        guardrails=guardrails,
        needed=needed,
    )


def _event_document(event: RolloutEvent) -> dict[str, Any]:
    """An event without the evidence that it stores."""
    found = {name: getattr(event, name) for name in ("sequence", "kind", "share", "actor", "message")}
    return {**found, "at": event.at.isoformat(), "wall_at": event.wall_at.isoformat()}


def _still_needed(state: RolloutState, evidence: RolloutEvidence, now: datetime) -> StillNeeded | None:
    if evidence.test is None or evidence.losses is None:
        return None
    rule = state.rule
    elapsed = now - state.experiment.started_at
    if elapsed < _A_DAY:  # the rate of a few minutes says nothing of the next weeks
        return None
    rate = evidence.units / elapsed.total_seconds()
    left = timedelta(days=rule.longest_days) - elapsed
    longest = min(_LONGEST, int(rate * left.total_seconds()))
    if longest < 1:
        return None
    try:
        found = outcomes_needed(evidence.test, longest=longest)
    except TooFewClusters:
        return None
    by = None if found.median is None else now + timedelta(seconds=found.median / rate)
    return StillNeeded(found.median, found.low, found.high, by)


def _sentence(state: RolloutState, evidence: RolloutEvidence, verdict: Verdict, why: str) -> str:
    """The verdict with the numbers it rests on."""
    rule = state.rule
    if state.end is not None:
        ended = {
            "promoted": f"Version {rule.candidate.version} was promoted",
            "kept": f"Version {rule.reference.version} stayed in Production",
            "aborted": f"The rollout of version {rule.candidate.version} was aborted",
            "rolled_back": f"Version {rule.reference.version} was rolled back to version {rule.candidate.version}",
            "superseded": f"The rollout of version {rule.candidate.version} ended without a decision",
        }[state.end.kind]
        return f"{ended}: {state.end.message}"
    ours, theirs = _names(rule)
    if rule.mode == "canary":
        return f"{ours} answers {state.share} % of the units; guardrails decide, not outcomes."
    if evidence.test is None or not evidence.units:
        left = evidence.left_out
        has_some = left.immature or left.early or left.other_label or left.unfinished or left.repeated_with_outcome
        which = "no outcome that counts" if has_some else "no outcome"
        return f"Undecided: {which} has arrived yet for {ours} and {theirs}.{_left_out(evidence)}"
    if rule.mode == "holdout" and evidence.damaged.fault is None:
        said = {"better": "Harmful", "undecided": "No harm so far"}.get(verdict, verdict)
        beside = f"version {rule.reference.version} beside {ours}"
        return f"{said}: {realised_gain(rule, evidence)}, {beside}.{_left_out(evidence)}"
    fault = _no_comparison(rule, evidence)
    if fault is not None:
        return f"Undecided: {fault}.{_left_out(evidence)}"
    gain = evidence.test.gain
    by = f"{abs(gain):.4f} {'lower' if gain > 0 else 'higher'} {rule.metric}"
    numbers = f"{by} than {theirs} on {rule.counted(evidence.units)}"
    return {
        "better": f"Better: {ours} has {numbers}; {why}.",
        "worse": f"Worse: {ours} has {numbers}; {why}.",
        "equivalent": f"Equivalent within {rule.margin:g}: {ours} has {numbers}; {why}.",
        "undecided": f"Undecided: {ours} has {numbers}, not yet enough for a decision.",
    }[verdict] + _left_out(evidence)


def _no_comparison(rule: RolloutRule, evidence: RolloutEvidence) -> str | None:
    """Why the outcomes say nothing of the two versions; None where they do."""
    ratio = evidence.outcome_ratio
    if evidence.losses is None and ratio is not None:
        return (
            f"outcomes have arrived for {ratio.candidate} {rule.unit_name} of version {rule.candidate.version} and "
            f"{ratio.production} of version {rule.reference.version}, and those of one version compare nothing"
        )
    fault = evidence.damaged.fault
    if fault is None and rule.on_sample_ratio != "warn":
        fault = broken_split(evidence)
    return None if fault is None else f"the versions do not compare, since {fault}"


def _names(rule: RolloutRule) -> tuple[str, str]:
    candidate = f"version {rule.candidate.version}"
    return (
        f"the predecessor ({candidate})" if rule.mode == "holdout" else candidate,
        f"version {rule.reference.version}",
    )


def left_out_in_words(left: LeftOut) -> dict[str, int]:
    """The predictions that do not count, or not yet, by the reason in words."""
    return {
        "without an outcome yet": left.open,
        "too young to count": left.immature,
        "of an example that another unit has requested first": left.shared,
        "of an example or unit that counts by another one": left.repeated,
        "in a cluster with open examples": left.unfinished,
        "made after the outcome was stored": left.early,
        "with a label that is no class of the model": left.other_label,
        "of requests that lack a field of the candidate": left.incomplete,
        "that the candidate failed to make": left.failed,
    }


def _left_out(evidence: RolloutEvidence) -> str:
    parts = left_out_in_words(evidence.left_out)
    told = [f"{count} {what}" for what, count in parts.items() if count]
    later = evidence.left_out.repeated_with_outcome
    of_units = f" A unit counts by its first prediction: {later} outcomes of later ones do not count." if later else ""
    corrected = f" Outcomes corrected afterwards: {evidence.corrected}." if evidence.corrected else ""
    return (f" Predictions left out: {', '.join(told)}." if told else "") + of_units + corrected


def _waits_for_approval(state: RolloutState, act: Act | None) -> bool:
    return act is not None and waits_for_person(state, act) and not state.has_approved(act.kind, act.share)


def _next_step(state: RolloutState, act: Act | None, needed: StillNeeded | None) -> str:
    if state.status == "ended":
        return "Nothing is left to do: it has ended."
    of_project = f"-p {state.experiment.project}"
    if act is not None and _waits_for_approval(state, act):
        what = "Promotion" if act.kind == "promote" else f"The step to {act.share} %"
        if act.kind == "promote" and state.rule.new_fields:
            fields = ", ".join(map(repr, state.rule.new_fields))
            what += f", which refuses requests without {fields} from then on,"
        return f"{what} waits for a person ({act.reason}): touchline rollout approve {of_project} --reason '...'"
    if act is not None and (not act.is_upward or state.status == "running"):
        when = (
            f"the next ingest, within ten minutes where the server runs, or now: touchline rollout check {of_project}"
        )
        return f"At the next check ({when}): {act.kind.replace('_', ' ')}, since {act.reason}."
    if state.events[-1].kind == "incident":
        return f"A person must look: {state.events[-1].message}"
    if state.status in ("paused", "held"):
        stop = next(event for event in reversed(state.events) if event.kind in ("pause", "hold"))
        waits = (
            f"It waits for a person: touchline rollout resume {of_project} --reason '...', or touchline rollout abort "
            f"{of_project} --reason '...'"
        )
        if state.status == "held":
            waits = (
                "Its evidence stays as it is, so it cannot be resumed while that holds. Mend the cause, then begin "
                f"anew: touchline rollout abort {of_project} --reason '...', and touchline rollout start {of_project}"
            )
        return f"{state.status.capitalize()} since {stop.message}. {waits}" if state.status == "held" else waits
    ends = state.experiment.started_at + timedelta(days=state.rule.longest_days)
    if needed is None:
        return f"It goes on until {ends:%Y-%m-%d} at the latest."
    if needed.median is None or needed.by is None:
        return f"It goes on until {ends:%Y-%m-%d}; at the present rate no decision is likely before."
    high = f"{needed.high}" if needed.high is not None else "more than its longest duration allows"
    return (
        f"About {needed.median} more {state.rule.unit_name} (four times in five between {needed.low} and {high}), "
        f"about until {needed.by:%Y-%m-%d}; at the latest until {ends:%Y-%m-%d}."
    )
