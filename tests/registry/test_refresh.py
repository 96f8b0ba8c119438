"""A refresh need not be better, only not shown worse; a change must be better with confidence."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.registry.builders import a_frame, a_task, a_training_set
from tests.registry.test_gates import an_evidence
from touchline.errors import GateFailed, NotComparable, NotEvaluated
from touchline.registry import (
    Decision,
    Evidence,
    Gate,
    GateInputs,
    Material,
    ModelVersion,
    ReferenceModel,
    RefreshEvidence,
    Registry,
    ServedRows,
    Trained,
    check_gates,
    predict_as_served,
    promote,
    read_recipe,
    read_version,
    recipe_changes,
    record_version,
)
from touchline.registry.gates.evidence import NO_LOOK
from touchline.training import Training, labelled_rows, train

ANN = Decision("ann")
GATES = (Gate("accuracy", at_least=0.52), Gate.improves("log_loss"))
DAILY = Training(candidates=("logistic",), calibration=("none",), test=0.4, validation=0.2)


def a_refresh(*, worse_by: float = 0.0, shift: float = 0.0, rows: int = 400, **changes: object) -> Evidence:
    """A refresh whose probabilities of what happened are lower than Production's, and moved on the newest rows."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, rows).astype(float)
    theirs = rng.uniform(0.4, 0.6, rows)
    ours = theirs + rng.normal(0, 0.01, rows) - worse_by * (labels - 0.5)
    newest = rng.uniform(0.3, 0.5, 100)
    refresh = RefreshEvidence(
        labels=labels,
        predictions=two_classes(ours),
        production=ReferenceModel("Production version 3", two_classes(theirs)),
        clusters=np.arange(rows),
        newest=two_classes(newest + shift),
        newest_production=two_classes(newest),
    )
    return an_evidence(metrics={"accuracy": 0.6}, look=NO_LOOK, refresh=dataclasses.replace(refresh, **changes))


def two_classes(positive: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - positive, positive])


def test_a_refresh_that_is_as_good_passes_where_a_change_would_not() -> None:
    report = check_gates(GATES, a_refresh())
    assert [result.kind for result in report.results] == ["absolute", "refresh", "difference"]
    assert report.passed
    assert "log_loss is not shown worse than that of Production version 3 as served" in report.results[1].message
    assert "would have seen a loss of 0.0" in report.results[1].message


def test_a_refresh_that_is_surely_worse_by_more_than_the_margin_is_refused() -> None:
    result = check_gates(GATES, a_refresh(worse_by=0.2)).results[1]
    assert not result.passed
    assert result.low is not None
    assert result.low > 0.01
    assert "is worse than that of Production version 3 as served: higher by" in result.message
    assert "more than the gate's margin 0.01" in result.message
    assert check_gates([Gate.improves("log_loss", margin=0.5)], a_refresh(worse_by=0.2)).passed


def test_the_absolute_gates_hold_for_a_refresh_too() -> None:
    report = check_gates([Gate("accuracy", at_least=0.9), *GATES], a_refresh())
    assert [result.passed for result in report.results] == [False, True, True, True]


def test_predictions_far_from_productions_ask_for_a_person() -> None:
    report = check_gates(GATES, a_refresh(shift=0.2))
    assert not report.passed
    assert report.can_be_overruled
    assert (
        "predictions differ from those of Production version 3 by 0.200 on average on the newest 100 matches, more"
        in (report.failures[0])
    )
    assert check_gates([Gate.improves("log_loss", difference=0.3)], a_refresh(shift=0.2)).passed


def test_values_are_compared_in_standard_deviations_of_the_labels() -> None:
    newest = np.linspace(0, 100, 50)[:, None]
    refresh = a_refresh(newest=newest + 3.0, newest_production=newest, spread=10.0)
    result = check_gates(GATES, refresh).results[2]
    assert result.number == pytest.approx(0.3)
    assert "standard deviations of the labels" in result.message


def test_too_few_rows_show_no_harm_and_say_so() -> None:
    result = check_gates(GATES, a_refresh(worse_by=0.9, clusters=np.arange(400) // 20)).results[1]
    assert result.passed
    assert "in 20 clusters, are too few to show harm (30 clusters are needed)" in result.message


@pytest.mark.parametrize(
    ("worse_by", "rows", "passes", "part"),
    [
        (0.006, 400, False, "log_loss on 400 settled matches is higher by"),  # a refresh may be worse by this much
        (-0.05, 400, True, "log_loss on 400 settled matches is lower by"),
        (0.006, 20, True, "20 settled matches, 30 are needed"),
    ],
)
def test_a_recalibration_whose_loss_rises_on_settled_rows_is_refused_within_the_margin_of_a_refresh(
    worse_by: float, rows: int, passes: bool, part: str
) -> None:
    refresh = a_refresh(worse_by=worse_by, rows=rows)
    assert check_gates([Gate.improves("log_loss")], refresh).passed
    recalibration = dataclasses.replace(refresh, is_recalibration=True)
    for declared in ([Gate.improves("log_loss")], [Gate.improves("accuracy")], []):
        report = check_gates(declared, recalibration)
        assert report.passed == passes
        assert part in report.results[-1].message


def test_a_recalibration_that_chance_may_refuse_says_how_many_rows_decide() -> None:
    """49 of 100 happened: 0.5 is 1.4 times as likely as 0.45, and a row is expected to tell 0.005 of log 20."""
    labels = np.repeat([1.0, 0.0], [49, 51])
    production = ReferenceModel("Production version 3", two_classes(np.full(100, 0.5)))
    changes = {"rows": 100, "labels": labels, "production": production, "predictions": two_classes(np.full(100, 0.45))}
    recalibration = dataclasses.replace(a_refresh(**changes), is_recalibration=True)  # type: ignore[arg-type]
    result = check_gates([], recalibration).results[-1]
    assert not result.passed
    assert "which chance explains as well: about 599 settled ones decide, so check it again then" in result.message


def test_few_clusters_after_a_change_show_a_gain_but_not_where_there_is_none() -> None:
    """Ten days of twenty rows, on which Production says less than the refresh, or as much."""
    days = np.arange(200) // 20
    report = check_gates(GATES, a_refresh(worse_by=-0.6, shift=0.2, rows=200, clusters=days))
    assert report.passed
    assert "shown better on the newest 120 matches in 6 clusters that neither has learned" in report.results[2].message
    assert not check_gates(GATES, a_refresh(shift=0.2, rows=200, clusters=days)).passed


def test_predictions_may_leave_a_production_that_is_worse_than_the_constant_baseline() -> None:
    """Ten days of twenty rows: the refresh has not learned what happens either, and is as sure and wrong."""
    labels = np.random.default_rng(3).integers(0, 2, 200).astype(float)
    wrong = two_classes(np.where(labels > 0, 0.1, 0.9))
    production = ReferenceModel("Production version 3", wrong)
    changes = {"rows": 200, "clusters": np.arange(200) // 20, "production": production, "predictions": wrong}
    constant = np.array([[0.5, 0.5]])
    report = check_gates(GATES, a_refresh(shift=0.2, constant=constant, **changes))  # type: ignore[arg-type]
    assert report.passed
    assert (
        "Production version 3 is shown worse than the constant baseline on the newest 120" in report.results[2].message
    )
    sound = a_refresh(shift=0.2, constant=constant, rows=200, clusters=np.arange(200) // 20)
    assert not check_gates(GATES, sound).passed


def test_a_refresh_meets_the_baseline_at_the_full_alpha() -> None:
    over = Gate.improves("log_loss", over="baseline")
    result = check_gates([over], dataclasses.replace(an_evidence(skill=0.2, look=NO_LOOK), refresh=a_refresh().refresh))
    assert "(95 % confidence, one-sided)" in result.results[0].message


# --- recorded versions -------------------------------------------------------------------------------


def record(registry: Registry, rows: int, *, training: Training = DAILY, days: int = 0) -> ModelVersion:
    """A version trained on the first rows of one stream of examples, at the instant when the last label was known."""
    frame = a_frame(900).head(rows)
    training_set = a_training_set(frame, f"first-{rows}")
    now = frame["label_timestamp"].max() + timedelta(days=days)  # type: ignore[operator]
    result = train(a_task(), training, training_set, now=now)  # type: ignore[arg-type]
    return record_version(registry, Trained("p", a_task(), training_set, result, training=training)).version


def inputs(registry: Registry, version: ModelVersion, rows: int, *, learned: int | None = None) -> GateInputs:
    training_set = a_training_set(a_frame(900).head(rows), f"first-{rows}")

    def as_served(production: ModelVersion) -> ServedRows:
        before = None if learned is None else a_training_set(a_frame(900).head(learned), f"first-{learned}")
        material = Material(a_task(), DAILY, training_set)
        return predict_as_served(registry, version, production, material, learned=before)

    return GateInputs(GATES, as_served=as_served)


def changes_between(registry: Registry, version: ModelVersion, production: ModelVersion) -> tuple[str, ...]:
    return recipe_changes(version, production, read_recipe(registry, version), read_recipe(registry, production))


@pytest.mark.services
def test_newer_data_makes_a_refresh_and_another_declaration_a_change(registry: Registry) -> None:
    first = record(registry, 600)
    assert changes_between(registry, record(registry, 700), first) == ()
    assert (
        changes_between(registry, record(registry, 710, training=DAILY.model_copy(update={"threads": 1})), first) == ()
    )
    other = record(registry, 720, training=DAILY.model_copy(update={"validation": 0.3}))
    assert changes_between(registry, other, first) == ("another declaration",)
    family = record(registry, 730, training=DAILY.model_copy(update={"candidates": ("lightgbm",)}))
    assert changes_between(registry, family, first) == (
        "another declaration",
        "candidate lightgbm in place of logistic",
    )


@pytest.mark.services
def test_versions_without_a_hash_of_their_declaration_compare_by_their_code(registry: Registry) -> None:
    first, second = record(registry, 600), record(registry, 700)
    old = dataclasses.replace(first, hashes={k: v for k, v in first.hashes.items() if k != "declaration"})
    assert changes_between(registry, second, old) == ()
    edited = dataclasses.replace(old, hashes={**old.hashes, "code": "another"})
    assert changes_between(registry, second, edited) == ("another code",)


@pytest.mark.services
def test_a_weekly_retraining_passes_and_spends_no_look(registry: Registry) -> None:
    record(registry, 600)
    promote(registry, "p", 1, ANN)
    refresh = record(registry, 800)
    done = promote(registry, "p", 2, ANN, inputs=inputs(registry, refresh, 800))
    assert done.version.stage == "Staging"
    assert done.report is not None
    kinds = [(result.kind, result.passed, result.look) for result in done.report.results]
    assert kinds == [("absolute", True, None), ("refresh", True, None), ("difference", True, None)]
    # 600 rows are five a day for 120 days; the 200 newer ones are what Production could not know.
    assert (done.report.results[1].rows, done.report.results[1].clusters) == (200, 40)


@pytest.mark.services
def test_neither_model_has_learned_from_the_rows_of_a_refresh(registry: Registry) -> None:
    first = record(registry, 600)
    promote(registry, "p", 1, ANN)
    first = read_version(registry, "p", 1)
    refresh = record(registry, 800)
    rows = inputs(registry, refresh, 800).as_served(first)  # type: ignore[misc]
    assert rows.fresh["example_id"].to_list() == [f"e{i}" for i in range(600, 800)]
    # Without the fresh rows the recipe is fitted on Production's own rows: the same model.
    ours, theirs = (rows.fresh[f"{prefix}p_yes"].to_numpy() for prefix in ("", "production_"))
    assert ours == pytest.approx(theirs, abs=1e-6)
    # Where its training set is there, that model is not fitted again.
    served = inputs(registry, refresh, 800, learned=600).as_served(first)  # type: ignore[misc]
    assert served.fresh["p_yes"].to_list() == served.fresh["production_p_yes"].to_list()
    assert served.fresh.drop("p_yes").equals(rows.fresh.drop("p_yes"))
    assert rows.newest.height == 500
    assert not np.allclose(rows.newest["p_yes"], rows.newest["production_p_yes"])


def test_rows_are_the_same_to_a_fit_only_with_every_value_label_and_time() -> None:
    rows = labelled_rows(a_task(), a_training_set(a_frame(90), "all"), now=datetime(2099, 1, 1, tzinfo=UTC))
    first = rows.at(np.arange(60))
    shorter = labelled_rows(
        a_task(), a_training_set(a_frame(90).head(60), "first"), now=datetime(2099, 1, 1, tzinfo=UTC)
    )
    assert first.has_content_of(shorter)
    assert not first.has_content_of(rows)
    vectors, labels, known_at = first.vectors.copy(), first.labels.copy(), first.known_at.copy()
    vectors[7, 0] += 1e-9
    labels[7] = 1 - labels[7]
    known_at[7] += 1
    for changes in ({"vectors": vectors}, {"labels": labels}, {"known_at": known_at}, {"ids": ("x", *first.ids[1:])}):
        assert not first.has_content_of(dataclasses.replace(first, **changes))


@pytest.mark.services
def test_rows_that_came_late_are_fresh_whatever_their_time(registry: Registry) -> None:
    record(registry, 700)
    promote(registry, "p", 1, ANN)
    refresh = record(registry, 800)
    as_served = inputs(registry, refresh, 800, learned=650).as_served
    assert as_served is not None
    rows = as_served(read_version(registry, "p", 1))
    assert rows.fresh["example_id"].to_list() == [f"e{i}" for i in range(650, 800)]


@pytest.mark.services
def test_a_stale_production_is_compared_with_the_evaluation_fit(registry: Registry) -> None:
    record(registry, 300)
    promote(registry, "p", 1, ANN)
    refresh = record(registry, 900)  # its test window, the newest 40 %, begins after Production's last row
    as_served = inputs(registry, refresh, 900).as_served
    assert as_served is not None
    rows = as_served(read_version(registry, "p", 1))
    assert rows.fresh.height == refresh.rows == 360


@pytest.mark.services
def test_a_refresh_that_cannot_be_compared_needs_a_person(registry: Registry) -> None:
    record(registry, 600)
    promote(registry, "p", 1, ANN)
    record(registry, 800)

    def impossible(production: ModelVersion) -> ServedRows:
        raise NotComparable(2, production.version, "its release is gone")

    with pytest.raises(NotEvaluated, match="has no predictions of Production version 1"):
        promote(registry, "p", 2, ANN, inputs=GateInputs(GATES))
    with pytest.raises(GateFailed, match=r"cannot be compared with Production version 1: its release is gone.*--now"):
        promote(registry, "p", 2, ANN, inputs=GateInputs(GATES, as_served=impossible))


def test_predictions_far_from_productions_pass_where_the_refresh_is_shown_better() -> None:
    report = check_gates(GATES, a_refresh(worse_by=-0.2, shift=0.2))
    assert report.passed
    assert "it is shown better on 400 matches that neither has learned from" in report.results[2].message
    few = check_gates(GATES, a_refresh(worse_by=-0.2, shift=0.2, rows=20))
    assert not few.passed
