"""One check of a running rollout: look at the evidence, record the verdict, do what the rule asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from touchline.errors import ReasonMissing, RolloutNotRunning, RolloutWouldHold, TouchlineError
from touchline.registry import Registry, StageChange
from touchline.rollout.decide import Act, broken_split, waits_for_person
from touchline.rollout.evidence import gather
from touchline.rollout.records import EventKind, EventNote, RolloutRecords, RolloutState
from touchline.rollout.report import RolloutReport, report_on
from touchline.rollout.rule import Side

_EVENT_OF: Final[dict[str, EventKind]] = {
    "step": "step",
    "promote": "promoted",
    "roll_back": "rolled_back",
    "abort": "aborted",
    "keep": "kept",
    "hold": "hold",
}


class StageMoves(Protocol):
    """Moves versions by the journal. Each raises what the registry raises."""

    def promote(self, version: int, reason: str) -> None:
        """Staging to Production."""

    def roll_back(self, reason: str) -> None:
        """Back to the release before."""


@dataclass(frozen=True)
class RolloutContext:
    """What a check works with. `probe` asks the running server which release answers; None: no server is known.

    Without `moves` a rollout can be steered and not checked.
    """

    registry: Registry
    project: str
    moves: StageMoves | None = None
    probe: Callable[[str], str] | None = None


def check_rollout(context: RolloutContext, *, actor: str = "rollout") -> RolloutReport | None:
    """Check the rollout that runs and act by its rule; None where none runs."""
    records = RolloutRecords(context.registry.database, context.project)
    state = records.running()
    if state is None:
        return None
    over = _ended_elsewhere(context, state)
    if over is not None:
        return _report(context, records.add(state, *over, clock=context.registry.clock))
    report = _report(context, state)
    if report.verdict != "undecided" and state.verdict is None:
        note = EventNote(report.sentence, actor, evidence=report.findings())
        state = records.add(state, "verdict", note, clock=context.registry.clock)
        report = replace(report, state=state)
    if report.act is None or not _is_allowed(report, report.act):
        return report
    return _report(context, _do(context, records, report, report.act, actor))


def approve_step(context: RolloutContext, *, actor: str, reason: str) -> RolloutReport:
    """Approve the step that waits for a person; the next check takes it. Needs a reason."""
    records = RolloutRecords(context.registry.database, context.project)
    state = records.running()
    if state is None:
        raise RolloutNotRunning(context.project, "approved", "does not run")
    report = _report(context, state)
    if report.act is None or not waits_for_person(state, report.act):
        raise RolloutNotRunning(context.project, "approved", "has no step that waits for a person")
    if not reason.strip():
        raise ReasonMissing("Approving a step")
    what = {"act": report.act.kind, "share": report.act.share}
    note = EventNote(reason.strip(), actor, evidence=what)
    return _report(context, records.add(state, "approve", note, clock=context.registry.clock))


def steer(context: RolloutContext, act: str, *, actor: str, reason: str) -> RolloutReport:
    """Pause, resume or abort the rollout that runs, by a person. Raises `RolloutNotRunning`, `ReasonMissing`."""
    records = RolloutRecords(context.registry.database, context.project)
    state = records.running()
    allowed = {"pause": ("running", "held"), "resume": ("paused", "held"), "abort": ("running", "paused", "held")}
    past = {"pause": "paused", "resume": "resumed", "abort": "aborted"}[act]
    status = "does not run" if state is None else f"is {state.status}"
    if state is None or state.status not in allowed[act]:
        raise RolloutNotRunning(context.project, past, status)
    if not reason.strip():
        raise ReasonMissing({"pause": "Pausing", "resume": "Resuming", "abort": "Aborting"}[act] + " a rollout")
    if act == "resume" and (fault := _lasting_fault(context, state)) is not None:
        raise RolloutWouldHold(context.project, fault)
    kinds: dict[str, EventKind] = {"pause": "pause", "resume": "resume", "abort": "aborted"}
    share = {"pause": 0, "resume": state.step}.get(act)
    note = EventNote(reason.strip(), actor, share)
    after = records.add(state, kinds[act], note, clock=context.registry.clock)
    if act == "abort":
        after = _probed(context, records, after)
    return _report(context, after)


def _lasting_fault(context: RolloutContext, state: RolloutState) -> str | None:
    """What would stop a resumed rollout at the next check; None where nothing would."""
    evidence = gather(context.registry.database, state.experiment, context.registry.clock.now())
    if evidence.test is not None and evidence.damaged.fault is not None:
        return evidence.damaged.fault
    return broken_split(evidence) if state.rule.on_sample_ratio == "hold" else None


def end_overtaken(context: RolloutContext) -> RolloutState | None:
    """End the rollout that runs if somebody has moved one of its two versions; the ended one, else None."""
    records = RolloutRecords(context.registry.database, context.project)
    state = records.running()
    over = None if state is None else _ended_elsewhere(context, state)
    if state is None or over is None:
        return None
    return records.add(state, *over, clock=context.registry.clock)


def _ended_elsewhere(context: RolloutContext, state: RolloutState) -> tuple[EventKind, EventNote] | None:
    """What ended it outside of a check: its own stage change before a kill, or somebody who moved a version."""
    rule, journal = state.rule, context.registry.journal.state(context.project)
    live = journal.releases.get(journal.production) if journal.production is not None else None
    if live == rule.candidate.release:
        return _candidate_is_live(context, state)
    if live != rule.reference.release:
        now = "nothing" if journal.production is None else f"version {journal.production}"
        return _overtaken(context, rule.reference, f"Production is {now} in place of version {rule.reference.version}")
    if rule.mode != "holdout" and journal.staging != rule.candidate.version:
        return _overtaken(context, rule.candidate, f"version {rule.candidate.version} left Staging")
    return None


def _candidate_is_live(context: RolloutContext, state: RolloutState) -> tuple[EventKind, EventNote]:
    """The candidate is in Production and the log does not say why: the rollout's own move, or a person's."""
    rule = state.rule
    change = _last_change(context, rule.candidate)
    own = _own_reason(state, "")
    if change is not None and change.actor == EventNote.actor and change.reason.startswith(own):
        return "rolled_back" if rule.mode == "holdout" else "promoted", EventNote(change.reason.removeprefix(own))
    before = "Production answered every request before"
    if rule.is_split:
        before = f"the rollout had given it {state.share} % of the units"
    message = f"version {rule.candidate.version} entered Production by another decision and answers every request"
    return _overtaken(context, rule.candidate, f"{message}; {before}")


def _overtaken(context: RolloutContext, side: Side, message: str) -> tuple[EventKind, EventNote]:
    """The end by whoever moved this version last."""
    change = _last_change(context, side)
    if change is None:
        return "superseded", EventNote(message)
    return "superseded", EventNote(f"{message} ({change.actor}: {change.reason})", change.actor)


def _own_reason(state: RolloutState, reason: str) -> str:
    """The reason in the journal of a stage change by this rollout."""
    what = "holdout" if state.rule.mode == "holdout" else "rollout"
    return f"{what} {state.experiment.number}: {reason}"


def _last_change(context: RolloutContext, side: Side) -> StageChange | None:
    history = context.registry.journal.history(context.project)
    return next((change for change in reversed(history) if change.version == side.version), None)


def _is_allowed(report: RolloutReport, act: Act) -> bool:
    if not act.is_upward:
        return True
    is_approved = report.state.has_approved(act.kind, act.share) or not waits_for_person(report.state, act)
    return report.status == "running" and is_approved


def _do(context: RolloutContext, records: RolloutRecords, report: RolloutReport, act: Act, actor: str) -> RolloutState:
    """The stage change first: a kill after it leaves a rollout that the next check finds ended."""
    state, rule, clock = report.state, report.state.rule, context.registry.clock
    assert context.moves is not None, "a check needs moves"
    if act.kind == "promote":
        context.moves.promote(rule.candidate.version, _own_reason(state, act.reason))
    elif act.kind == "roll_back":
        context.moves.roll_back(_own_reason(state, act.reason))
    share = act.share if act.kind == "step" else None
    note = EventNote(act.reason, actor, share, report.findings())
    after = records.add(state, _EVENT_OF[act.kind], note, clock=clock)
    return _probed(context, records, after) if act.kind in ("promote", "roll_back", "abort") else after


def _probed(context: RolloutContext, records: RolloutRecords, state: RolloutState) -> RolloutState:
    """Ask the running server until the right release answers; an incident where it does not."""
    if context.probe is None:
        return state
    end = state.end
    assert end is not None
    is_candidate = end.kind in ("promoted", "rolled_back")
    release = state.rule.candidate.release if is_candidate else state.rule.reference.release
    try:
        proof = context.probe(release)
    except TouchlineError as failure:
        return records.add(state, "incident", EventNote(str(failure)), clock=context.registry.clock)
    return records.add(state, "probe", EventNote(proof), clock=context.registry.clock)


def _report(context: RolloutContext, state: RolloutState) -> RolloutReport:
    now = context.registry.clock.now()
    return report_on(context.registry.database, context.project, state, now, with_forecast=False)
