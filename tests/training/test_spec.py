"""What a project may declare, and how a mistake is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from tests.training.builders import a_task, some_examples
from touchline.features import Entity, FeatureView
from touchline.training import Candidate, Training, Tune, class_name, classification
from touchline.training.periods import before


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"candidates": ("lightgmb",)}, "no estimator 'lightgmb' is installed. Did you mean 'lightgbm'"),
        ({"candidates": ("logistic", "logistic")}, "candidate 'logistic' is named more than once"),
        ({"score": "logloss"}, "'logloss' is not a proper score.*Did you mean 'log_loss'"),
        ({"score": "roc_auc"}, "'roc_auc' is not a proper score, so choosing by it spoils the probabilities"),
        ({"test": "two years"}, "'two years' is not a length of time.*such as '2y'"),
        ({"test": 1.5}, "1.5 is not a share between 0 and 1"),
        ({"tests": 0.2}, "Extra inputs are not permitted"),
        ({"embargo": "1 fortnight"}, "is not a length of time"),
    ],
)
def test_a_mistake_in_training_is_told_with_what_is_valid(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Training.model_validate(wrong)


def test_a_mistyped_family_of_a_candidate_names_its_neighbour() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'ridge'"):
        Candidate(name="mine", family="rigde")


def test_a_task_without_features_or_inputs_is_refused() -> None:
    with pytest.raises(ValidationError, match="neither features nor inputs"):
        classification(examples=some_examples())


def test_a_view_alone_is_joined_by_its_own_entity_keys() -> None:
    rows = some_examples()
    keys = Entity(name="seat", join_keys=["row", "seat"])
    view = FeatureView(name="taken", entity=keys, sources=rows.sources, function=lambda rows: rows)
    task = classification(examples=rows, features=[view, view.on("line", "place", prefix="next")])
    assert [(join.example_columns, join.prefix) for join in task.features] == [
        (("row", "seat"), ""),
        (("line", "place"), "next"),
    ]
    assert task.entity_columns == ("row", "seat", "line", "place")


def test_one_class_is_no_classification() -> None:
    with pytest.raises(ValidationError, match="`classes` names only 'yes'"):
        a_task(("yes",))


def test_a_fixed_column_cannot_be_an_input() -> None:
    with pytest.raises(ValidationError, match="'label' is a column of its own in every training set"):
        classification(examples=some_examples(), inputs=["label"])


def test_the_number_of_classes_makes_the_kind() -> None:
    assert a_task(("no", "yes")).kind == "binary"
    assert a_task(("home", "draw", "away")).kind == "multiclass"


def test_labels_of_other_types_are_spelt_as_polars_casts_them() -> None:
    import polars as pl

    for values in ([True, False], [1, 0], ["a", "b"]):
        assert [class_name(value) for value in values] == pl.Series(values).cast(pl.String).to_list()


def test_periods_go_by_the_calendar() -> None:
    leap_day = datetime(2024, 2, 29, tzinfo=UTC)
    assert before(leap_day, "1y") == datetime(2023, 2, 28, tzinfo=UTC)
    assert before(leap_day, "2w") == datetime(2024, 2, 15, tzinfo=UTC)
    assert before(leap_day, timedelta(hours=1)).hour == 23


def test_a_regression_starts_with_a_linear_family_of_its_own() -> None:
    assert [c.name for c in Training().candidates_for("regression")] == ["ridge", "lightgbm", "catboost"]
    assert [c.name for c in Training().candidates_for("binary")] == ["logistic", "lightgbm", "catboost"]


def test_tuning_is_off_unless_it_has_a_budget() -> None:
    assert [Tune().is_on, Tune(trials=1).is_on, Tune(seconds=5).is_on] == [False, True, True]
