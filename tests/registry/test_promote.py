"""Up through the gates, back in one step, and never past a gate that said no."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.registry.builders import NOW, a_frame, a_trained, a_training_set
from touchline.errors import GateFailed, IllegalStageChange, NotEvaluated, ReasonMissing, ReleaseTampered
from touchline.registry import (
    Decision,
    Gate,
    Judges,
    Registry,
    approve,
    demote,
    find_release,
    project_aliases,
    promote,
    read_recipe,
    read_version,
    record_version,
    reject,
    rollback,
)
from touchline.training import Recipe, refit

ANN = Decision("ann")
NOW_BECAUSE = Decision("ann", reason="no traffic yet", now=True)
GATES = (Gate("accuracy", at_least=0.52), Gate.improves("log_loss"))


def two_versions(registry: Registry) -> None:
    record_version(registry, a_trained())
    record_version(registry, a_trained(seed=2))


def in_production(registry: Registry) -> None:
    """Version 2 in Production, version 1 before it."""
    two_versions(registry)
    promote(registry, "p", 1, ANN)
    promote(registry, "p", 2, NOW_BECAUSE)


def aliases(registry: Registry) -> dict[str, int]:
    found = registry.tracking.client.get_registered_model("p").aliases
    return {name: int(version) for name, version in found.items()}


def stage_tags(registry: Registry) -> dict[int, str]:
    versions = registry.tracking.client.search_model_versions("name = 'p'")
    return {int(version.version): version.tags["touchline.stage"] for version in versions}


def test_the_first_version_reaches_production_in_one_step_through_its_gates(registry: Registry) -> None:
    record_version(registry, a_trained())
    done = promote(registry, "p", "latest", ANN, judges=Judges(GATES))
    assert [(c.from_stage, c.to_stage) for c in done.changes] == [("None", "Staging"), ("Staging", "Production")]
    assert done.report is not None
    assert [result.passed for result in done.report.results] == [True, True]
    assert "the constant baseline" in done.report.results[1].message
    assert (aliases(registry), stage_tags(registry)) == ({"production": 1}, {1: "Production"})
    assert done.version.release_id == done.release.id  # type: ignore[union-attr]


def test_a_failed_gate_stops_the_promotion_and_is_on_record(registry: Registry) -> None:
    record_version(registry, a_trained())
    with pytest.raises(GateFailed, match=r"p version 1 stays in None: accuracy 0.771 is below the gate's 0.990 on 240"):
        promote(registry, "p", 1, ANN, judges=Judges((Gate("accuracy", at_least=0.99), Gate.improves("log_loss"))))
    (entry,) = registry.journal.history("p")
    assert (entry.from_stage, entry.to_stage, entry.reason) == ("None", "None", "gates said no")
    assert entry.gate_report is not None
    assert [gate["passed"] for gate in entry.gate_report["gates"]] == [False, True]
    assert read_version(registry, "p", 1).release_id is None


def test_the_next_version_waits_in_staging_for_its_rollout(registry: Registry) -> None:
    two_versions(registry)
    promote(registry, "p", 1, ANN)
    assert promote(registry, "p", 2, ANN).version.stage == "Staging"
    with pytest.raises(IllegalStageChange, match="the way to Production is a rollout"):
        promote(registry, "p", 2, ANN)
    with pytest.raises(ReasonMissing, match=r"Skipping the rollout \(--now\) needs a reason"):
        promote(registry, "p", 2, Decision("ann", now=True))
    promote(registry, "p", 2, NOW_BECAUSE)
    assert aliases(registry) == {"production": 2, "rollback": 1}
    assert stage_tags(registry) == {1: "Archived", 2: "Production"}


def test_promoting_what_is_in_production_changes_nothing(registry: Registry) -> None:
    in_production(registry)
    assert promote(registry, "p", 2, ANN).changes == ()


def test_a_newer_version_takes_the_place_in_staging(registry: Registry) -> None:
    two_versions(registry)
    record_version(registry, a_trained(seed=3))
    for version in (1, 2, 3):
        promote(registry, "p", version, ANN)
    assert registry.journal.stages("p") == {1: "Production", 2: "Archived", 3: "Staging"}


def test_rollback_returns_to_the_release_before_in_one_step(registry: Registry) -> None:
    in_production(registry)
    before = registry.journal.at("p", NOW).releases[1]
    back = rollback(registry, "p", Decision("bob", reason="complaints"))
    assert (back.version.version, back.version.release_id) == (1, before)
    assert [(c.version, c.to_stage) for c in back.changes] == [(1, "Production"), (2, "Archived")]
    assert aliases(registry) == {"production": 1}


def test_there_may_be_nothing_to_roll_back_to(registry: Registry) -> None:
    record_version(registry, a_trained())
    promote(registry, "p", 1, ANN)
    with pytest.raises(IllegalStageChange, match="nothing to roll back to"):
        rollback(registry, "p", ANN)


def test_an_archived_version_comes_back_without_its_gates_but_with_a_reason(registry: Registry) -> None:
    in_production(registry)
    strict = Judges((Gate("accuracy", at_least=0.99),))
    with pytest.raises(ReasonMissing, match="Bringing version 1 back from Archived"):
        promote(registry, "p", 1, ANN, judges=strict)
    done = promote(registry, "p", 1, NOW_BECAUSE, judges=strict)
    assert (done.version.stage, aliases(registry)) == ("Production", {"production": 1, "rollback": 2})


def test_a_tampered_release_never_takes_over(registry: Registry) -> None:
    in_production(registry)
    release = find_release(registry, registry.journal.state("p").releases[1])
    assert release is not None
    (release.path / "lineage.json").write_text("{}")
    with pytest.raises(ReleaseTampered, match="The running release stays"):
        rollback(registry, "p", ANN)
    assert registry.journal.state("p").production == 2


def test_a_rejected_version_is_archived_and_judged_again_if_it_returns(registry: Registry) -> None:
    two_versions(registry)
    promote(registry, "p", 1, ANN)
    reject(registry, "p", 2, Decision("bob", reason="wrong season"))
    assert stage_tags(registry)[2] == "Archived"
    with pytest.raises(GateFailed, match="stays in Archived"):
        promote(registry, "p", 2, NOW_BECAUSE, judges=Judges((Gate("accuracy", at_least=0.99),)))


def test_rejecting_needs_a_reason_and_never_hits_production(registry: Registry) -> None:
    in_production(registry)
    with pytest.raises(IllegalStageChange, match="only a version in None or Staging can be rejected"):
        reject(registry, "p", 2, Decision("bob", reason="x"))
    with pytest.raises(ReasonMissing):
        demote(registry, "p", 2, ANN)


def test_demoting_production_leaves_nothing_served_and_its_predecessor_at_hand(registry: Registry) -> None:
    in_production(registry)
    demote(registry, "p", 2, Decision("bob", reason="law"))
    assert aliases(registry) == {"rollback": 1}
    assert rollback(registry, "p", ANN).version.version == 1


def test_an_approval_gate_waits_for_a_person(registry: Registry) -> None:
    record_version(registry, a_trained())
    judges = Judges((Gate.approval(),))
    with pytest.raises(GateFailed, match="not approved by a person yet: touchline models approve 1"):
        promote(registry, "p", 1, ANN, judges=judges)
    approve(registry, "p", 1, Decision("eve"))
    assert promote(registry, "p", 1, ANN, judges=judges).version.stage == "Production"


def test_size_and_latency_are_measured(registry: Registry) -> None:
    record_version(registry, a_trained())
    done = promote(registry, "p", 1, ANN, judges=Judges((Gate.size(at_most_mb=1), Gate.latency(at_most_ms=1000))))
    assert done.report is not None
    assert all(result.number is not None and result.number > 0 for result in done.report.results)


def refitted(seed: int) -> tuple[Judges, list[Recipe]]:
    trained = a_trained(seed=seed, now=NOW + timedelta(days=seed))
    asked: list[Recipe] = []

    def again(recipe: Recipe) -> pl.DataFrame:
        asked.append(recipe)
        return refit(recipe, trained.task, a_training_set(a_frame(seed=seed)), trained.result)

    return Judges((Gate.improves("log_loss"),), refit=again), asked


def test_production_is_refitted_on_the_candidates_rows_once(registry: Registry) -> None:
    record_version(registry, a_trained(now=NOW + timedelta(days=1)))
    promote(registry, "p", 1, ANN)
    record_version(registry, a_trained(seed=2, now=NOW + timedelta(days=2)))
    judges, asked = refitted(2)
    for _ in range(2):
        # The same recipe on the same rows: a tie is never an improvement.
        with pytest.raises(GateFailed, match="is not surely better than that of Production version 1"):
            promote(registry, "p", 2, ANN, judges=judges)
    assert asked == [read_recipe(registry, read_version(registry, "p", 1))]


def test_a_comparison_without_a_way_to_refit_is_no_pass(registry: Registry) -> None:
    two_versions(registry)
    promote(registry, "p", 1, ANN)
    with pytest.raises(NotEvaluated, match="has no predictions of Production version 1 on its test rows"):
        promote(registry, "p", 2, ANN, judges=Judges((Gate.improves("log_loss"),)))


def test_what_was_never_evaluated_is_never_promoted(registry: Registry) -> None:
    version = record_version(registry, a_trained()).version
    registry.objects.delete(f"{version.object_key}/predictions.parquet")
    with pytest.raises(NotEvaluated, match="cannot be judged: its record has no predictions"):
        promote(registry, "p", 1, ANN)


def test_aliases_are_repaired_from_the_journal(registry: Registry) -> None:
    in_production(registry)
    client = registry.tracking.client
    client.set_registered_model_alias("p", "production", "1")
    client.set_registered_model_alias("p", "staging", "1")
    client.set_model_version_tag("p", "2", "touchline.stage", "None")
    changed = project_aliases(registry, "p")
    assert sorted(changed) == ["production -> 2", "staging removed", "version 2: touchline.stage=Production"]
    assert project_aliases(registry, "p") == []


def test_a_lagging_mlflow_does_not_undo_a_promotion(registry: Registry) -> None:
    record_version(registry, a_trained())
    away = type(registry)(
        registry.database,
        registry.objects,
        type(registry.tracking)("http://127.0.0.1:9", patience=()),
        registry.clock,
    )
    done = promote(away, "p", 1, ANN)
    assert done.version.stage == "Production"
    assert "did not answer" in str(done.unmirrored)
    assert promote(registry, "p", 1, ANN).unmirrored is None
    assert aliases(registry) == {"production": 1}
