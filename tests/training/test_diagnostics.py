"""Tables, curves, slices and the learning curve of an evaluation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, QUICK, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.features import ColumnSpec
from touchline.training import Training, TrainingResult, train
from touchline.training.data.rows import LabelledRows
from touchline.training.evaluation.diagnostics import classification_tables


def trained(rows: int = 2000, **changes: object) -> TrainingResult:
    return train(a_task(**changes), QUICK, a_training_set(a_frame(rows)), now=NOW)


def test_the_confusion_matrix_and_the_report_are_scikit_learns() -> None:
    from sklearn.metrics import classification_report, confusion_matrix

    result = trained()
    said = result.evaluation.predictions
    decided = np.where(said["p_yes"] >= result.model.threshold, "yes", "no")
    labels = said["label"].to_numpy()
    assert np.array(result.diagnostics.confusion).tolist() == confusion_matrix(labels, decided).tolist()
    theirs = classification_report(labels, decided, output_dict=True)
    for report in result.diagnostics.classes:
        expected = [theirs[report.name][name] for name in ("precision", "recall", "f1-score", "support")]
        assert [report.precision, report.recall, report.f1, report.rows] == pytest.approx(expected)


def test_reliability_bins_cover_all_rows_and_hold_what_happened() -> None:
    result = trained()
    bins = result.diagnostics.reliability["yes"]
    assert sum(place.rows for place in bins) == result.evaluation.rows
    assert all(place.low <= place.observed <= place.high for place in bins)
    assert [place.predicted for place in bins] == sorted(place.predicted for place in bins)


def test_curves_end_where_they_must() -> None:
    curves = trained().diagnostics.curves
    assert (curves["roc yes"].x[0], curves["roc yes"].y[0]) == (0.0, 0.0)
    assert (curves["roc yes"].x[-1], curves["roc yes"].y[-1]) == (1.0, 1.0)
    assert curves["pr yes"].x[-1] == 1.0
    for end in (0, -1):
        assert (curves["gain yes"].x[end], curves["gain yes"].y[end]) == (float(end != 0), float(end != 0))


def test_a_gain_is_the_share_of_the_class_among_the_likeliest() -> None:
    """Four of ten happen; the three likeliest hold two of them, and two rows with one probability count together."""
    happened = np.array([1, 0, 1, 0, 1, 0, 0, 1, 0, 0])
    predicted = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1])
    numbers = np.arange(10)
    rows = LabelledRows(
        kind="binary",
        classes=("no", "yes"),
        columns=(ColumnSpec("score", "number"),),
        vectors=predicted[:, None],
        labels=happened,
        ids=tuple(map(str, numbers)),
        cutoffs=numbers,
        known_at=numbers,
        clusters=numbers,
        places=numbers,
        unlabelled=0,
    )
    curve = classification_tables(rows, np.stack([1 - predicted, predicted], axis=1), threshold=0.5).curves["gain yes"]
    found = dict(zip([round(share, 6) for share in curve.x], curve.y, strict=True))
    assert (found[0.1], found[0.3], found[0.6], found[1.0]) == (0.25, 0.5, 0.75, 1.0)
    assert 0.5 not in found


def test_slices_are_evaluated_apart() -> None:
    slices = trained(slices=("group",)).diagnostics.slices
    assert [(found.name, found.value) for found in slices] == [("group", "a"), ("group", "b"), ("group", "c")]
    assert sum(found.rows for found in slices) == 400
    assert all(found.metrics["log_loss"].low is not None for found in slices)


def test_a_long_test_window_is_shown_by_season() -> None:
    seasons = trained(5000).diagnostics.seasons
    assert [found.value for found in seasons] == ["2021 Q1", "2021 Q2"]


def test_more_rows_make_a_better_model() -> None:
    training = QUICK.model_copy(update={"candidates": ("lightgbm",)})
    points = train(a_regression(), training, a_number_set(1500), now=NOW).diagnostics.learning_curve
    assert [point.rows for point in points] == sorted(point.rows for point in points)
    assert points[-1].score < points[0].score
    assert len(points) == 4


def test_numbers_have_residuals_instead_of_tables() -> None:
    result = train(a_regression(), Training(candidates=("ridge", "lightgbm")), a_number_set(), now=NOW)
    assert result.diagnostics.confusion == ()
    assert all(found.low <= found.observed <= found.high for found in result.diagnostics.residuals)
    assert next(iter(result.diagnostics.importance)) == "signal"


def test_a_slice_with_few_rows_is_left_out() -> None:
    frame = a_frame(2000).with_columns(
        group=pl.when(pl.int_range(pl.len()) % 100 == 0).then(pl.lit("rare")).otherwise(pl.lit("common"))
    )
    result = train(a_task(slices=("group",)), QUICK, a_training_set(frame), now=NOW)
    assert [found.value for found in result.diagnostics.slices] == ["common"]
