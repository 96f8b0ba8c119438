"""Gates need evidence, and say their numbers."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from pydantic import ValidationError

from touchline.registry import (
    Evidence,
    Gate,
    GateReport,
    Look,
    ReferenceModel,
    Registry,
    check_gate,
    check_gates,
    read_predictions,
    read_version,
)
from touchline.registry.gates.stored_predictions import dependence_of


def an_evidence(*, rows: int = 400, skill: float = 0.0, clusters: int | None = None, **changes: object) -> Evidence:
    """A version whose probabilities are those of its reference plus `skill` towards what happened."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, rows).astype(float)
    theirs = rng.uniform(0.3, 0.7, rows)
    ours = theirs + skill * (labels - 0.5)
    evidence = Evidence(
        project="p",
        version=7,
        metrics={"log_loss": 0.982, "accuracy": 0.5},
        labels=labels,
        predictions=np.column_stack([1 - ours, ours]),
        clusters=np.arange(rows) * (clusters or rows) // rows,
        baseline=ReferenceModel("the constant baseline", np.column_stack([1 - theirs, theirs])),
        rows_name="matches",
    )
    return dataclasses.replace(evidence, **changes)


def test_a_broken_limit_says_number_limit_and_rows() -> None:
    result = check_gate(Gate("log_loss", at_most=0.975), an_evidence(rows=380))
    assert (result.passed, result.message) == (False, "log_loss 0.982 is above the gate's 0.975 on 380 matches")


def test_a_number_on_the_limit_passes() -> None:
    assert check_gate(Gate("accuracy", at_least=0.5), an_evidence()).passed


def test_a_metric_that_is_no_number_passes_no_limit() -> None:
    evidence = an_evidence(metrics={"roc_auc": float("nan")})
    assert not check_gate(Gate("roc_auc", at_least=0.1), evidence).passed


def test_an_unknown_metric_names_those_measured() -> None:
    result = check_gate(Gate("f1", at_least=0.8), an_evidence())
    assert (result.passed, result.message) == (False, "f1 was not measured (measured: accuracy, log_loss)")


def test_all_gates_run_after_one_has_failed() -> None:
    gates = [Gate("accuracy", at_least=0.9), Gate("log_loss", at_most=1.0), Gate.approval()]
    report = check_gates(gates, an_evidence())
    assert ([result.passed for result in report.results], report.passed) == ([False, True, False], False)


def test_real_skill_passes_and_none_does_not() -> None:
    gate = Gate.improves("log_loss")
    good, none = check_gate(gate, an_evidence(skill=0.2)), check_gate(gate, an_evidence(skill=0.0))
    assert good.passed
    assert good.low is not None
    assert good.low > 0
    assert not none.passed
    assert "is not surely better than that of the constant baseline" in none.message


def test_a_worse_version_never_passes_and_the_message_says_higher() -> None:
    result = check_gate(Gate.improves("brier"), an_evidence(skill=-0.2))
    assert not result.passed
    assert "brier higher by" in result.message


def test_too_few_clusters_refuse_and_say_how_many_more() -> None:
    result = check_gate(Gate.improves("log_loss"), an_evidence(skill=0.3, clusters=22))
    assert not result.passed
    assert not result.is_comparable
    assert "22 clusters are too few, at least 8 clusters more are needed" in result.message


def test_a_second_look_at_a_window_needs_more_evidence() -> None:
    looks = [
        check_gate(Gate.improves("log_loss"), an_evidence(skill=0.2, look=Look(k, 0.5**k, 0.1))) for k in (1, 2, 3)
    ]
    lows = [result.low for result in looks]
    assert lows == sorted(lows, reverse=True)
    assert "look 3 with 10% of the rows fresh" in looks[2].message
    assert "99.38 % confidence, one-sided: a look may spend 12.5 % of the gate's 5 % risk of error" in looks[2].message


def test_production_is_the_opponent_where_there_is_one() -> None:
    evidence = an_evidence(skill=0.2)
    rival = ReferenceModel("Production version 3", evidence.predictions)
    assert not check_gate(Gate.improves("log_loss"), dataclasses.replace(evidence, production=rival)).passed
    over = Gate.improves("log_loss", over="baseline")
    assert check_gate(over, dataclasses.replace(evidence, production=rival)).passed


def test_improving_accuracy_compares_hits() -> None:
    result = check_gate(Gate.improves("accuracy"), an_evidence(skill=0.5))
    assert result.passed
    assert "share of errors lower by" in result.message


def test_the_worst_slice_decides_and_small_slices_do_not() -> None:
    evidence = an_evidence(skill=0.6, slices={"league": ["A"] * 200 + ["B"] * 190 + ["C"] * 10})
    labels = evidence.labels.copy()
    labels[200:390] = 1 - labels[200:390]
    broken = dataclasses.replace(evidence, labels=labels)
    result = check_gate(Gate.slice("accuracy", "league", at_least=0.5), broken)
    assert not result.passed
    assert "where league is 'B' (190 matches)" in result.message
    assert check_gate(Gate.slice("accuracy", "league", at_least=0.5), evidence).passed


def test_a_slice_gate_that_could_judge_nothing_does_not_pass() -> None:
    evidence = an_evidence(rows=20, slices={"league": ["A"] * 20})
    result = check_gate(Gate.slice("accuracy", "league", at_least=0.0), evidence)
    assert not result.passed
    assert "no league has the gate's 30 matches" in result.message


def test_approval_asks_for_the_named_person() -> None:
    gate = Gate.approval("ann", "bob")
    assert "not approved by ann or bob yet" in check_gate(gate, an_evidence(approvals=["eve"])).message
    assert check_gate(gate, an_evidence(approvals=["bob"])).passed


def test_measured_gates_read_what_was_measured() -> None:
    evidence = an_evidence(measured={"latency_ms": 2.5, "size_mb": 0.4})
    slow = check_gate(Gate.latency(at_most_ms=1), evidence)
    assert (slow.passed, slow.message) == (False, "latency_ms 2.500 is above the gate's 1.000")
    assert check_gate(Gate.size(at_most_mb=1), evidence).passed


def test_a_report_survives_the_journal() -> None:
    report = check_gates([Gate("accuracy", at_least=0.9), Gate.improves("log_loss")], an_evidence())
    assert GateReport.from_json(report.to_json()) == report


def test_a_gate_without_a_limit_is_refused_at_load() -> None:
    with pytest.raises(ValidationError, match="has no limit; give at_least= or at_most="):
        Gate("accuracy")


def test_improves_refuses_what_is_no_mean_over_rows() -> None:
    with pytest.raises(ValidationError, match="'roc_auc' is no mean over rows"):
        Gate.improves("roc_auc")


def with_market(evidence: Evidence, *, known: int) -> Evidence:
    """The same beside a market that is as good as the constant and has a value for the last so many rows."""
    assert evidence.baseline is not None
    said = evidence.baseline.predictions.copy()
    said[: evidence.rows - known] = np.nan
    return dataclasses.replace(evidence, named={"market": ReferenceModel("the baseline 'market'", said)})


def test_a_named_baseline_is_compared_where_it_has_a_value() -> None:
    gate = Gate.improves("log_loss", over="market")
    found = check_gate(gate, with_market(an_evidence(rows=400, skill=0.2), known=300))
    assert found.passed
    assert (found.rows, found.unpaired, found.clusters) == (300, 100, 300)
    assert found.message.endswith("on 300 matches in 300 clusters; the baseline 'market' has no value for 100 more")
    assert not check_gate(gate, with_market(an_evidence(rows=400, skill=0.0), known=300)).passed


def test_a_named_baseline_is_compared_beside_production_by_the_same_numbers() -> None:
    evidence = with_market(an_evidence(skill=0.2, look=Look(2, 0.25)), known=400)
    over_market = check_gate(Gate.improves("log_loss", over="market"), evidence)
    over_constant = check_gate(Gate.improves("log_loss", over="baseline"), evidence)
    assert (over_market.low, over_market.high, over_market.look) == (over_constant.low, over_constant.high, 2)


def test_a_baseline_that_mostly_says_nothing_or_in_too_few_clusters_is_refused() -> None:
    gate = Gate.improves("log_loss", over="market")
    mostly = check_gate(gate, with_market(an_evidence(rows=400, skill=0.3), known=150))
    assert not mostly.passed
    assert "has a value for 150 of 400 matches, at least half of them are needed" in mostly.message
    few = check_gate(gate, with_market(an_evidence(rows=400, skill=0.3, clusters=50), known=220))
    assert not few.passed
    assert "220 matches in 28 clusters are too few, at least 2 clusters more are needed" in few.message


def test_a_baseline_that_the_evaluation_has_not_kept_is_named() -> None:
    found = check_gate(Gate.improves("log_loss", over="market"), an_evidence(skill=0.3))
    assert not found.passed
    assert "version 7 has no predictions of the baseline 'market'; train again" in found.message


def test_the_order_of_rows_without_a_time_decides_nothing() -> None:
    evidence = an_evidence(rows=60, skill=0.4, dependence="none")
    by_class = np.argsort(evidence.labels, kind="stable")
    baseline = evidence.baseline
    assert baseline is not None
    sorted_file = dataclasses.replace(
        evidence,
        labels=evidence.labels[by_class],
        predictions=evidence.predictions[by_class],
        baseline=ReferenceModel(baseline.name, baseline.predictions[by_class]),
    )
    gate = Gate.improves("log_loss")
    one, other = check_gate(gate, evidence), check_gate(gate, sorted_file)
    assert one.passed
    assert (one.passed, one.low, one.number) == pytest.approx((other.passed, other.low, other.number))


def test_rows_of_one_cutoff_have_no_time(two: Registry) -> None:
    version = read_version(two, "p", 1)
    frame = read_predictions(two, version)
    assert dependence_of(frame) == "serial"
    assert dependence_of(frame.with_columns(cutoff=frame["cutoff"][0])) == "none"


def test_accuracy_is_decided_at_the_threshold_of_each_model() -> None:
    """Of 400 rows 40 are positive, and each model finds them from its own threshold on."""
    labels = (np.arange(400) % 10 == 0).astype(float)
    ours, theirs = np.where(labels == 1, 0.3, 0.1), np.where(labels == 1, 0.2, 0.1)
    evidence = an_evidence(
        labels=labels,
        predictions=np.column_stack([1 - ours, ours]),
        baseline=ReferenceModel("the constant baseline", np.column_stack([1 - theirs, theirs])),
        threshold=0.25,
        slices={"place": ["a"] * 400},
    )
    worst = check_gate(Gate.slice("accuracy", "place", at_least=0.99), evidence)
    assert (worst.passed, worst.number) == (True, 1.0)
    found = check_gate(Gate.improves("accuracy", over="baseline", confidence=0.95), evidence)
    assert found.number == pytest.approx(0.1)
    same = dataclasses.replace(evidence.baseline, threshold=0.15) if evidence.baseline else None
    again = check_gate(Gate.improves("accuracy", over="baseline"), dataclasses.replace(evidence, baseline=same))
    assert again.number == 0.0


def test_a_gate_that_says_no_names_the_gain_that_it_would_have_seen() -> None:
    evidence = an_evidence(rows=4000)
    moved = evidence.predictions[:, 1] + np.random.default_rng(2).normal(0, 0.03, 4000)
    evidence = dataclasses.replace(evidence, predictions=np.column_stack([1 - moved, moved]))
    result = check_gate(Gate.improves("log_loss"), evidence)
    assert not result.passed
    gain = float(result.message.partition("would have seen a gain of ")[2].split()[0])
    assert result.number is not None
    assert result.low is not None
    # At alpha/2 and 80 %: (1.96 + 0.84) standard errors, of which 1.96 lie between the number and its lower bound.
    assert gain == pytest.approx((result.number - result.low) * 2.8 / 1.96, rel=0.05)


def test_a_slice_that_is_not_evaluated_names_those_that_are() -> None:
    evidence = an_evidence(slices={"league": ["A"] * 400})
    result = check_gate(Gate.slice("accuracy", "country", at_least=0.5), evidence)
    assert (result.passed, result.message) == (False, "'country' is no slice of the evaluation (slices: league)")


def test_a_slice_may_be_limited_by_its_loss() -> None:
    evidence = an_evidence(skill=0.6, slices={"league": ["A"] * 400})
    assert check_gate(Gate.slice("log_loss", "league", at_most=0.6), evidence).passed
    assert not check_gate(Gate.slice("log_loss", "league", at_most=0.1), evidence).passed


def test_what_cannot_be_compared_is_refused_with_the_reason() -> None:
    result = check_gate(Gate.improves("log_loss"), an_evidence(not_comparable="Production predicts other classes"))
    assert (result.passed, result.is_comparable) == (False, False)
    assert result.message == "log_loss was not compared: Production predicts other classes"
    alone = check_gate(Gate.improves("log_loss"), an_evidence(baseline=None))
    assert (alone.passed, alone.message) == (False, "log_loss has nothing to be compared with")


def test_a_look_that_spends_nothing_has_the_confidence_of_the_gate() -> None:
    result = check_gate(Gate.improves("log_loss"), an_evidence(skill=0.5, look=Look(0, 1.0)))
    assert "(95 % confidence, one-sided)" in result.message


def test_a_small_gain_says_how_many_clusters_would_show_it() -> None:
    """A gain on three rows of five, a loss on the others."""
    evidence = an_evidence(rows=60, skill=0.3)
    mixed = np.where(np.arange(60)[:, None] % 5 < 3, evidence.predictions, evidence.predictions[:, ::-1])
    result = check_gate(Gate.improves("log_loss"), dataclasses.replace(evidence, predictions=mixed))
    assert not result.passed
    assert re.search(r"a difference of this size needs about \d+ clusters more$", result.message), result.message
