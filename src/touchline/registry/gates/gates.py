"""Whether a version may be promoted: every declared gate is run and reported with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import TooFewClusters
from touchline.registry.gates.evidence import Evidence, ReferenceModel, losses
from touchline.registry.gates.refresh import check_difference, check_harm, check_recalibration
from touchline.registry.gates.report import GateReport, GateResult
from touchline.registry.gates.spec import Gate
from touchline.statistics import Comparison, paired_comparison

# The same comparison gives the same verdict, so the resamples are always the same.
_SEED: Final = 20


def check_gates(gates: Sequence[Gate], evidence: Evidence) -> GateReport:
    """Run every gate, also after one has failed.

    For a refresh, a gate that improves on Production asks for no evidence of harm instead, and predictions near
    Production's are a gate of their own. A recalibration moves predictions by design: its log loss on settled
    rows must not be higher than Production's, whether a gate is declared for it or not.
    """
    compared = [gate for gate in gates if gate.kind == "improves" and gate.over == "production"]
    if evidence.is_recalibration and all(gate.metric != "log_loss" for gate in compared):
        gates = [*gates, Gate.improves("log_loss")]
    results = [check_gate(gate, evidence) for gate in gates]
    if compared and evidence.refresh is not None and not evidence.is_recalibration:
        results.append(check_difference(compared, evidence, evidence.refresh))
    return GateReport(tuple(results))


def check_gate(gate: Gate, evidence: Evidence) -> GateResult:
    """One gate's verdict on a version."""
    if gate.kind == "improves":
        return _improves(gate, evidence)
    if gate.kind == "slice":
        return _slice(gate, evidence)
    if gate.kind == "approval":
        return _approval(gate, evidence)
    measured = (evidence.measured if gate.kind in ("latency", "size") else evidence.metrics).get(gate.metric)
    if measured is None:
        known = ", ".join(sorted(evidence.metrics)) or "none"
        return GateResult(gate.describe(), gate.kind, False, f"{gate.metric} was not measured (measured: {known})")
    return _limit(gate, measured, f"on {evidence.rows} {evidence.rows_name}" if gate.kind == "absolute" else "")


def _limit(gate: Gate, measured: float, where: str) -> GateResult:
    side, allowed = _broken_side(gate, measured)
    says = f"is {side} the gate's {_figure(allowed)}" if side else f"is within the gate's {_figure(allowed)}"
    message = f"{gate.metric} {_figure(measured)} {says} {where}".rstrip()
    return GateResult(gate.describe(), gate.kind, not side, message, number=measured, allowed=allowed)


def _broken_side(gate: Gate, measured: float) -> tuple[str, float]:
    """Which limit `found` breaks ("" for none), and the limit to name. A number that is no number breaks any."""
    if gate.at_least is not None and not measured >= gate.at_least:
        return "below", gate.at_least
    if gate.at_most is not None and not measured <= gate.at_most:
        return "above", gate.at_most
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    return "", float("nan") if limit is None else limit


def _figure(number: float) -> str:
    return f"{number:.3f}" if abs(number) < 100 else f"{number:.1f}"


def _slice(gate: Gate, evidence: Evidence) -> GateResult:
    column = gate.column or ""
    if column not in evidence.slices:
        known = ", ".join(sorted(evidence.slices)) or "none; declare slices=[...] in the task"
        return GateResult(
            gate.describe(), "slice", False, f"{column!r} is no slice of the evaluation (slices: {known})"
        )
    values = evidence.slices[column]
    worst: GateResult | None = None
    for value in sorted(set(values)):
        keep = [index for index, measured in enumerate(values) if measured == value]
        if len(keep) < gate.min_rows:
            continue
        measured = _slice_metric(gate.metric, evidence, keep)
        result = _limit(gate, measured, f"where {column} is {value!r} ({len(keep)} {evidence.rows_name})")
        worst = result if worst is None or _distance(gate, result) > _distance(gate, worst) else worst
    if worst is None:
        message = f"no {column} has the gate's {gate.min_rows} {evidence.rows_name}, so {gate.metric} was not evaluated"
        return GateResult(gate.describe(), "slice", False, message, is_comparable=False)
    return worst


def _slice_metric(metric: str, evidence: Evidence, keep: list[int]) -> float:
    cost = float(losses(metric, evidence.labels[keep], evidence.predictions[keep], threshold=evidence.threshold).mean())
    if metric == "accuracy":
        return 1 - cost
    return cost**0.5 if metric == "rmse" else cost


def _distance(gate: Gate, result: GateResult) -> float:
    """The distance of a slice beyond the limit; negative within it."""
    measured = result.number if result.number is not None else 0.0
    short = gate.at_least - measured if gate.at_least is not None else -float("inf")
    over = measured - gate.at_most if gate.at_most is not None else -float("inf")
    return max(short, over)


def _approval(gate: Gate, evidence: Evidence) -> GateResult:
    said_yes = [name for name in evidence.approvals if not gate.by or name in gate.by]
    if said_yes:
        message = f"approved by {', '.join(said_yes)}"
    else:
        who = " or ".join(gate.by) or "a person"
        command = f"touchline models approve {evidence.version} -p {evidence.project} --reason '...'"
        message = f"not approved by {who} yet: {command}"
    return GateResult(gate.describe(), "approval", bool(said_yes), message, number=len(said_yes), allowed=1)


def _reference_of(gate: Gate, evidence: Evidence) -> ReferenceModel | None:
    if gate.over not in ("production", "baseline"):
        return evidence.named.get(gate.over)
    return evidence.baseline if gate.over == "baseline" or evidence.production is None else evidence.production


def _improves(gate: Gate, evidence: Evidence) -> GateResult:
    if gate.over == "production" and evidence.not_comparable is not None:
        message = f"{gate.metric} was not compared: {evidence.not_comparable}"
        return GateResult(gate.describe(), "improves", False, message, is_comparable=False)
    if gate.over == "production" and evidence.refresh is not None:
        check = check_recalibration if evidence.is_recalibration and gate.metric == "log_loss" else check_harm
        return check(gate, evidence, evidence.refresh)
    reference = _reference_of(gate, evidence)
    if reference is None:
        return GateResult(gate.describe(), "improves", False, _nobody(gate, evidence))
    paired, unpaired = _paired(evidence, reference)
    if unpaired > paired.rows:
        return _unpaired(gate, paired, reference, unpaired)
    alpha = (1 - (gate.confidence or 0.95)) * evidence.look.alpha_share
    theirs = reference.predictions[_has_value(reference)]
    our_losses = losses(gate.metric, paired.labels, paired.predictions, threshold=evidence.threshold)
    their_losses = losses(gate.metric, paired.labels, theirs, threshold=reference.threshold)
    try:
        measured = paired_comparison(
            our_losses, their_losses, paired.clusters, alpha=alpha, seed=_SEED, dependence=evidence.dependence
        )
    except TooFewClusters as few:
        return replace(_too_few(gate, paired, few), unpaired=unpaired)
    message = _improvement(gate, paired, reference, measured)
    return GateResult(
        gate.describe(),
        "improves",
        measured.is_better,
        f"{message}; {reference.name} has no value for {unpaired} more" if unpaired else message,
        number=-measured.difference,
        allowed=0.0,
        low=-measured.high,
        high=-measured.low,
        look=evidence.look.number,
        clusters=measured.clusters,
        needed=measured.needed,
        rows=paired.rows,
        unpaired=unpaired,
    )


def _nobody(gate: Gate, evidence: Evidence) -> str:
    if gate.over in ("production", "baseline"):
        return f"{gate.metric} has nothing to be compared with"
    return (
        f"{gate.metric} was not evaluated: the evaluation of version {evidence.version} has no predictions of the "
        f"baseline {gate.over!r}; train again with it in `baselines`"
    )


def _has_value(reference: ReferenceModel) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(reference.predictions).all(axis=1))


def _paired(evidence: Evidence, reference: ReferenceModel) -> tuple[Evidence, int]:
    """The rows for which both have said something, and how many others there are."""
    has_value = _has_value(reference)
    if has_value.all():
        return evidence, 0
    kept = replace(
        evidence,
        labels=evidence.labels[has_value],
        predictions=evidence.predictions[has_value],
        clusters=evidence.clusters[has_value],
    )
    return kept, int((~has_value).sum())


def _unpaired(gate: Gate, paired: Evidence, reference: ReferenceModel, unpaired: int) -> GateResult:
    """Rows that are mostly left out may be left out for a reason that flatters one of the two."""
    message = (
        f"{gate.metric} was not evaluated: {reference.name} has a value for {paired.rows} of "
        f"{paired.rows + unpaired} {paired.rows_name}, at least half of them are needed"
    )
    return GateResult(
        gate.describe(), "improves", False, message, rows=paired.rows, unpaired=unpaired, is_comparable=False
    )


def _confidence(gate: Gate, evidence: Evidence, measured: Comparison) -> str:
    """The confidence of the bound, and why it is more than the gate's: a look spends a part of the gate's alpha."""
    declared = gate.confidence or 0.95
    text = f"{(1 - measured.alpha) * 100:.4g} % confidence, one-sided"
    if evidence.look.alpha_share >= 1:
        return text
    spent = f"{evidence.look.alpha_share * 100:.4g} % of the gate's {(1 - declared) * 100:.4g} % risk of error"
    return f"{text}: a look may spend {spent}"


def _too_few(gate: Gate, evidence: Evidence, few: TooFewClusters) -> GateResult:
    message = (
        f"{gate.metric} was not evaluated: {evidence.rows} {evidence.rows_name} in {few.actual} clusters are too few, "
        f"at least {few.needed - few.actual} clusters more are needed"
    )
    return GateResult(
        gate.describe(),
        "improves",
        False,
        message,
        clusters=few.actual,
        needed=few.needed,
        rows=evidence.rows,
        is_comparable=False,
    )


def _improvement(gate: Gate, evidence: Evidence, reference: ReferenceModel, measured: Comparison) -> str:
    verb = "is better than" if measured.is_better else "is not surely better than"
    way = "lower" if measured.difference <= 0 else "higher"
    cost = {"accuracy": "share of errors", "rmse": "mse"}.get(gate.metric, gate.metric)
    look = evidence.look
    looks = f", look {look.number} with {look.fresh_share:.0%} of the rows fresh" if look.number > 1 else ""
    message = (
        f"{gate.metric} {verb} that of {reference.name}: {cost} {way} by {abs(measured.difference):.4f}, "
        f"surely by {-measured.high:.4f} ({_confidence(gate, evidence, measured)}{looks}), "
        f"on {evidence.rows} {evidence.rows_name} in {measured.clusters} clusters"
    )
    if not measured.is_better:
        message += f"; would have seen a gain of {measured.detectable:.4f} in 80 %"
    if measured.is_better or not measured.missing:
        return message
    return f"{message}; a difference of this size needs about {measured.missing} clusters more"
