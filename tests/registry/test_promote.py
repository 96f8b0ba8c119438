"""Up through the gates, back in one step, and never past a gate that said no."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tests.damage import damage_file
from tests.registry.builders import NOW, a_frame, a_task, a_trained, a_training_set
from touchline.errors import (
    GateFailed,
    IllegalStageChange,
    NotComparable,
    NotEvaluated,
    ReasonMissing,
    ReleaseTampered,
    StoredFileDamaged,
    VersionNotFound,
)
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    ModelVersion,
    Registry,
    Releases,
    Trained,
    approve,
    demote,
    project_aliases,
    promote,
    read_recipe,
    read_version,
    record_version,
    reject,
    rollback,
)
from touchline.training import Recipe, Training, refit, train

pytestmark = pytest.mark.services

ANN = Decision("ann")
NOW_BECAUSE = Decision("ann", reason="no traffic yet", now=True)
GATES = (Gate("accuracy", at_least=0.52), Gate.improves("log_loss"))


def in_production(two: Registry) -> None:
    """Version 2 in Production, version 1 before it."""
    promote(two, "p", 1, ANN)
    promote(two, "p", 2, NOW_BECAUSE)


def aliases(registry: Registry) -> dict[str, int]:
    found = registry.tracking.client.get_registered_model("p").aliases
    return {name: int(version) for name, version in found.items()}


def stage_tags(registry: Registry) -> dict[int, str]:
    versions = registry.tracking.client.search_model_versions("name = 'p'")
    return {int(version.version): version.tags["touchline.stage"] for version in versions}


def test_the_first_version_reaches_production_in_one_step_through_its_gates(two: Registry) -> None:
    done = promote(two, "p", 1, ANN, inputs=GateInputs(GATES))
    assert [(c.from_stage, c.to_stage) for c in done.changes] == [("None", "Staging"), ("Staging", "Production")]
    assert done.report is not None
    assert [result.passed for result in done.report.results] == [True, True]
    assert "the constant baseline" in done.report.results[1].message
    assert (aliases(two), stage_tags(two)) == ({"production": 1}, {1: "Production", 2: "None"})
    assert done.version.release_id == done.release.id  # type: ignore[union-attr]


def test_a_failed_gate_stops_the_promotion_and_is_on_record(two: Registry) -> None:
    with pytest.raises(GateFailed, match=r"p version 1 stays in None: accuracy 0.771 is below the gate's 0.990 on 240"):
        promote(two, "p", 1, ANN, inputs=GateInputs((Gate("accuracy", at_least=0.99), Gate.improves("log_loss"))))
    (entry,) = two.journal.history("p")
    assert (entry.from_stage, entry.to_stage, entry.reason) == ("None", "None", "gates said no")
    assert entry.gate_report is not None
    assert [gate["passed"] for gate in entry.gate_report["gates"]] == [False, True]
    assert read_version(two, "p", 1).release_id is None


def test_the_next_version_waits_in_staging_for_its_rollout(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    assert promote(two, "p", 2, ANN).version.stage == "Staging"
    with pytest.raises(IllegalStageChange, match="touchline models promote 2 -p p --now"):
        promote(two, "p", 2, ANN)
    with pytest.raises(ReasonMissing, match=r"Skipping the rollout \(--now\) needs a reason"):
        promote(two, "p", 2, Decision("ann", now=True))
    with pytest.raises(ReasonMissing):
        promote(two, "p", 2, Decision("ann", "  \n", now=True))
    promote(two, "p", 2, NOW_BECAUSE)
    assert aliases(two) == {"production": 2, "rollback": 1}
    assert stage_tags(two) == {1: "Archived", 2: "Production"}


def test_promoting_what_is_in_production_changes_nothing(two: Registry) -> None:
    in_production(two)
    assert promote(two, "p", 2, ANN).changes == ()


def test_a_uri_of_another_project_means_no_version_here(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    assert read_version(two, "p", "models:/p/Production").version == 1
    with pytest.raises(VersionNotFound, match="p has no version 'models:/q/Production'"):
        read_version(two, "p", "models:/q/Production")


def test_the_ticket_of_the_last_change_is_on_the_version_and_in_mlflow(two: Registry) -> None:
    promote(two, "p", 1, Decision("ann", ticket="OPS-7"))
    assert read_version(two, "p", 1).ticket == "OPS-7"
    assert two.tracking.client.get_model_version("p", "1").tags["touchline.ticket"] == "OPS-7"


def test_a_newer_version_takes_the_place_in_staging(two: Registry) -> None:
    record_version(two, a_trained(seed=3))
    for version in (1, 2, 3):
        promote(two, "p", version, ANN)
    assert two.journal.stages("p") == {1: "Production", 2: "Archived", 3: "Staging"}


def test_rollback_returns_to_the_release_before_in_one_step(two: Registry) -> None:
    in_production(two)
    before = two.journal.at("p", NOW).releases[1]
    back = rollback(two, "p", Decision("bob", reason="complaints"))
    assert (back.version.version, back.version.release_id) == (1, before)
    assert [(c.version, c.to_stage) for c in back.changes] == [(1, "Production"), (2, "Archived")]
    assert aliases(two) == {"production": 1}


def test_there_may_be_nothing_to_roll_back_to(two: Registry) -> None:
    with pytest.raises(IllegalStageChange, match="p: no stage was changed: nothing is in Production, and nothing was"):
        rollback(two, "p", ANN)
    with pytest.raises(VersionNotFound, match=r"has no version 'Staging'.*touchline models promote VERSION -p p"):
        promote(two, "p", "Staging", ANN)
    promote(two, "p", 1, ANN)
    with pytest.raises(IllegalStageChange, match="nothing to roll back to"):
        rollback(two, "p", ANN)


def test_an_archived_version_comes_back_without_its_gates_but_with_a_reason(two: Registry) -> None:
    in_production(two)
    strict = GateInputs((Gate("accuracy", at_least=0.99),))
    with pytest.raises(ReasonMissing, match="Bringing version 1 back from Archived"):
        promote(two, "p", 1, ANN, inputs=strict)
    done = promote(two, "p", 1, NOW_BECAUSE, inputs=strict)
    assert (done.version.stage, aliases(two)) == ("Production", {"production": 1, "rollback": 2})


def test_a_tampered_release_never_takes_over(two: Registry) -> None:
    in_production(two)
    release = Releases(two).find(two.journal.state("p").releases[1])
    assert release is not None
    (release.path / "lineage.json").write_text("{}")
    with pytest.raises(ReleaseTampered, match="The running release stays"):
        rollback(two, "p", NOW_BECAUSE)
    assert two.journal.state("p").production == 2


def test_a_rejected_version_is_archived_and_judged_again_if_it_returns(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    reject(two, "p", 2, Decision("bob", reason="wrong season"))
    assert stage_tags(two)[2] == "Archived"
    with pytest.raises(GateFailed, match="stays in Archived"):
        promote(two, "p", 2, NOW_BECAUSE, inputs=GateInputs((Gate("accuracy", at_least=0.99),)))


def test_rejecting_needs_a_reason_and_never_hits_production(two: Registry) -> None:
    in_production(two)
    with pytest.raises(IllegalStageChange, match="only a version in None or Staging can be rejected"):
        reject(two, "p", 2, Decision("bob", reason="x"))
    with pytest.raises(ReasonMissing):
        demote(two, "p", 2, ANN)


def test_demoting_production_leaves_nothing_served_and_its_predecessor_at_hand(two: Registry) -> None:
    in_production(two)
    demote(two, "p", 2, Decision("bob", reason="law"))
    assert aliases(two) == {"rollback": 1}
    with pytest.raises(ReasonMissing, match="Rolling back needs a reason"):
        rollback(two, "p", ANN)
    assert rollback(two, "p", NOW_BECAUSE).version.version == 1


def test_an_approval_gate_waits_for_a_person(two: Registry) -> None:
    context = GateInputs((Gate.approval(),))
    with pytest.raises(GateFailed, match="not approved by a person yet: touchline models approve 1"):
        promote(two, "p", 1, ANN, inputs=context)
    with pytest.raises(ReasonMissing, match="Approving a version needs a reason"):
        approve(two, "p", 1, Decision("eve"))
    approve(two, "p", 1, Decision("eve", "reviewed"))
    assert promote(two, "p", 1, ANN, inputs=context).version.stage == "Production"


def test_size_and_latency_are_measured(two: Registry) -> None:
    done = promote(two, "p", 1, ANN, inputs=GateInputs((Gate.size(at_most_mb=1), Gate.latency(at_most_ms=1000))))
    assert done.report is not None
    assert all(result.number is not None and result.number > 0 for result in done.report.results)


def a_change(seed: int) -> Trained:
    """A version whose training is declared otherwise than that of the versions 1 and 2."""
    return a_trained(seed=seed, now=NOW + timedelta(days=seed), training=Training(candidates=("logistic",)))


def refitted(seed: int) -> tuple[GateInputs, list[Recipe]]:
    trained = a_trained(seed=seed, now=NOW + timedelta(days=seed))
    asked: list[Recipe] = []

    def again(_: ModelVersion, recipe: Recipe) -> pl.DataFrame:
        asked.append(recipe)
        return refit(recipe, trained.task, a_training_set(a_frame(seed=seed)), trained.result)

    return GateInputs((Gate.improves("log_loss"),), refit=again), asked


def test_production_is_refitted_on_the_candidates_rows_once(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    record_version(two, a_change(2))
    context, asked = refitted(2)
    for _ in range(2):
        # The same recipe on the same rows: a tie is never an improvement.
        with pytest.raises(GateFailed, match="is not surely better than that of Production version 1"):
            promote(two, "p", 3, ANN, inputs=context)
    assert asked == [read_recipe(two, read_version(two, "p", 1))]


def test_a_gate_that_cannot_compare_says_no_and_a_person_may_overrule_it(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    record_version(two, a_change(2))

    def impossible(production: ModelVersion, _: Recipe) -> pl.DataFrame:
        raise NotComparable(3, production.version, "its examples have no column 'odds'")

    context = GateInputs((Gate.improves("log_loss"),), refit=impossible)
    with pytest.raises(
        GateFailed, match=r"cannot be compared with Production version 1: .*'odds'\. To promote it .* 3 -p p --now"
    ):
        promote(two, "p", 3, ANN, inputs=context)
    with pytest.raises(ReasonMissing):
        promote(two, "p", 3, Decision("ann", now=True), inputs=context)
    done = promote(two, "p", 3, Decision("ann", "the odds are gone", now=True), inputs=context)
    assert done.version.stage == "Production"
    worse = GateInputs((Gate.improves("log_loss"), Gate("accuracy", at_least=2.0)), refit=impossible)
    record_version(two, a_trained(seed=3, now=NOW + timedelta(days=3)))
    with pytest.raises(GateFailed, match="below the gate's"):
        promote(two, "p", 4, Decision("ann", "whatever", now=True), inputs=worse)


def test_a_first_version_that_could_not_be_measured_is_promoted_by_a_person(two: Registry) -> None:
    unmeasured = GateInputs(
        (Gate("accuracy", at_least=0.52), Gate.slice("accuracy", "group", at_least=0.9, min_rows=999))
    )
    with pytest.raises(
        GateFailed, match=r"no group has .* To promote it all the same: touchline models promote 1 -p p --now --reason"
    ):
        promote(two, "p", 1, ANN, inputs=unmeasured)
    done = promote(two, "p", 1, NOW_BECAUSE, inputs=unmeasured)
    assert (done.version.stage, done.changes[-1].reason) == ("Production", "no traffic yet")


def test_a_measured_no_on_a_first_version_names_the_next_step_and_is_not_overruled(two: Registry) -> None:
    strict = GateInputs((Gate("accuracy", at_least=0.99),))
    for decision in (ANN, NOW_BECAUSE):
        with pytest.raises(
            GateFailed, match=r"--now does not overrule .* change the gates .*: touchline models promote 1 -p p$"
        ):
            promote(two, "p", 1, decision, inputs=strict)
    assert two.journal.state("p").production is None


def test_a_refit_that_lacks_a_test_row_is_no_comparison(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    record_version(two, a_change(2))
    context, _ = refitted(2)
    assert context.refit is not None
    short = GateInputs(context.gates, refit=lambda *given: context.refit(*given)[1:])  # type: ignore[misc]
    with pytest.raises(NotEvaluated, match=r"no prediction of Production version 1 for 1 of 240 test rows \(first: e"):
        promote(two, "p", 3, ANN, inputs=short)
    assert two.journal.state("p").production == 1


def test_a_comparison_without_a_way_to_refit_is_no_pass(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    with pytest.raises(NotEvaluated, match="has no predictions of Production version 1 on its test rows"):
        promote(two, "p", 2, ANN, inputs=GateInputs((Gate.improves("log_loss"),)))


def test_what_was_never_evaluated_is_never_promoted(two: Registry) -> None:
    version = read_version(two, "p", 1)
    two.objects.delete(f"{version.object_key}/predictions.parquet")
    with pytest.raises(NotEvaluated, match="cannot be evaluated: its record has no predictions"):
        promote(two, "p", 1, ANN)


def test_aliases_are_repaired_from_the_journal(two: Registry) -> None:
    in_production(two)
    client = two.tracking.client
    client.set_registered_model_alias("p", "production", "1")
    client.set_registered_model_alias("p", "staging", "1")
    client.set_model_version_tag("p", "2", "touchline.stage", "None")
    changed = project_aliases(two, "p")
    assert sorted(changed) == ["production -> 2", "staging removed", "version 2: touchline.stage=Production"]
    assert project_aliases(two, "p") == []


def test_a_lagging_mlflow_does_not_undo_a_promotion(two: Registry) -> None:
    away = replace(two, open_tracking=lambda: type(two.tracking)("http://127.0.0.1:9", patience=()))
    done = promote(away, "p", 1, ANN)
    assert done.version.stage == "Production"
    assert "did not answer" in str(done.unmirrored)
    assert promote(two, "p", 1, ANN).unmirrored is None
    assert aliases(two) == {"production": 1}


def test_a_version_is_held_against_a_named_baseline_by_what_its_evaluation_kept(registry: Registry) -> None:
    frame = a_frame().with_columns(m_no=pl.when(pl.int_range(pl.len()) % 5 > 0).then(0.5), m_yes=pl.lit(0.5))
    training = Training(
        candidates=("logistic",),
        calibration=("none",),
        smote=False,
        test=0.4,
        baselines={"market": ("m_no", "m_yes")},
    )
    training_set = a_training_set(frame, "with-market")
    result = train(a_task(), training, training_set, now=NOW)
    record_version(registry, Trained("p", a_task(), training_set, result))
    promoted = promote(registry, "p", 1, ANN, inputs=GateInputs([Gate.improves("log_loss", over="market")]))
    assert promoted.report is not None
    (found,) = promoted.report.results
    assert (found.passed, found.rows, found.unpaired) == (True, 192, 48)
    assert "is better than that of the baseline 'market'" in found.message


def test_no_gate_reads_a_damaged_file_of_a_run(two: Registry) -> None:
    version = read_version(two, "p", 1)
    damage_file(two.objects.local_path(f"{version.object_key}/predictions.parquet"), "flip")
    with pytest.raises(StoredFileDamaged, match=r"predictions\.parquet is damaged"):
        promote(two, "p", 1, Decision("tests"))
    assert read_version(two, "p", 1).stage == "None"
