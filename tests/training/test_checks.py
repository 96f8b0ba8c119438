"""Leaks are found before anything is learned."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, QUICK, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.errors import LeakageFound
from touchline.training import train
from touchline.training.data.checks import Finding, check_rows
from touchline.training.data.rows import labelled_rows
from touchline.training.data.splits import make_split

LABEL = pl.col("label") == "yes"


def findings(frame: pl.DataFrame, inputs: tuple[str, ...]) -> tuple[Finding, ...]:
    rows = labelled_rows(a_task(), a_training_set(frame, inputs), now=NOW)
    return check_rows(rows, make_split(rows, QUICK), frame)


def leaks(frame: pl.DataFrame, *inputs: str) -> list[str]:
    return [f"{found.check}: {found.column}" for found in findings(frame, inputs) if found.level == "leak"]


def test_an_honest_training_set_has_no_leak() -> None:
    assert leaks(a_frame(), "signal", "noise", "group") == []


@pytest.mark.parametrize(
    "future",
    [
        pytest.param(LABEL.cast(pl.Int8), id="a copy of the label"),
        pytest.param(pl.col("label") + "!", id="a copy in other words"),
        pytest.param(LABEL * 100.0 + pl.col("noise"), id="a number that goes with it"),
        pytest.param(pl.when(LABEL).then(pl.col("noise")), id="filled in only for one class"),
        pytest.param(pl.when(LABEL).then(pl.col("noise").abs()).otherwise(-pl.col("noise").abs()), id="a sign"),
    ],
)
def test_a_column_that_tells_the_label_by_itself_is_a_leak(future: pl.Expr) -> None:
    assert leaks(a_frame().with_columns(future=future), "signal", "future") == ["suspected leak: future"]


def test_a_future_feature_stops_the_training_and_names_the_column() -> None:
    frame = a_frame().with_columns(future=LABEL.cast(pl.Float64))
    with pytest.raises(LeakageFound, match=r"'future' alone separates the classes with an AUC of 1.000"):
        train(a_task(), QUICK, a_training_set(frame, ("signal", "future")), now=NOW)


def test_a_trusted_column_may_be_that_strong() -> None:
    frame = a_frame().with_columns(strong=LABEL.cast(pl.Float64))
    training = QUICK.model_copy(update={"trusted": ("strong",)})
    result = train(a_task(), training, a_training_set(frame, ("signal", "strong")), now=NOW)
    assert result.findings[0].level == "leak"


def test_a_copied_number_is_found_in_any_unit() -> None:
    training_set = a_number_set()
    frame = training_set.frame.with_columns(signal=np.exp(pl.col("label") / 3) * 1000)
    with pytest.raises(LeakageFound, match=r"'signal' alone explains 100\.00% of the label's order"):
        train(a_regression(), QUICK.model_copy(update={"candidates": ("ridge",)}), a_training_set(frame), now=NOW)


def test_the_time_of_the_prediction_is_no_leak_of_a_label_that_grows() -> None:
    frame = a_number_set().frame.sort("cutoff")
    grown = frame.with_columns(label=pl.int_range(pl.len()).cast(pl.Float64), made_at=pl.col("cutoff"))
    training_set = a_training_set(grown, ("noise", "made_at"))
    rows = labelled_rows(a_regression(), training_set, now=NOW)
    found = check_rows(rows, make_split(rows, QUICK), training_set.frame)
    assert not [finding for finding in found if finding.check == "suspected leak"]


def test_one_class_of_several_that_is_easy_to_tell_is_no_leak() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(300) % 3
    width = np.where(labels == 0, 0.0, 9.0) + random.normal(size=300) + np.where(labels == 2, 1.0, 0.0)
    frame = a_frame(300).with_columns(label=pl.Series(labels).cast(pl.String), width=width)
    task = a_task().model_copy(update={"classes": ("0", "1", "2")})
    rows = labelled_rows(task, a_training_set(frame, ("width",)), now=NOW)
    assert not [f for f in check_rows(rows, make_split(rows, QUICK), frame) if f.level == "leak"]


def test_columns_of_noise_are_seldom_warned_of() -> None:
    warned = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        frame = a_frame(40).with_columns(pl.Series(f"c{n}", random.normal(size=40)) for n in range(10))
        found = findings(frame, tuple(f"c{n}" for n in range(10)))
        warned += any(finding.check == "suspected leak" for finding in found)
    assert warned <= 1


def test_an_instant_after_the_cutoff_is_a_leak() -> None:
    frame = a_frame().with_columns(paid_at=pl.col("cutoff") + timedelta(hours=1))
    assert leaks(frame, "signal", "paid_at") == ["later than the cutoff: paid_at"]


def test_an_example_that_occurs_twice_is_a_leak() -> None:
    frame = a_frame()
    assert leaks(pl.concat([frame, frame[:3]]), "signal") == ["example twice: None"]


def test_rows_that_train_and_test_share_are_warned_of() -> None:
    frame = a_frame(300)
    later = pl.col("cutoff", "label_timestamp") + timedelta(days=40)
    repeated = pl.concat([frame, frame.with_columns(pl.col("example_id") + "x", later)])
    checks = [finding.check for finding in findings(repeated, ("signal",))]
    assert "rows shared by train and test" in checks


def test_odd_columns_are_told_by_name() -> None:
    frame = a_frame().with_columns(
        constant=pl.lit(3.0),
        sparse=pl.when(pl.int_range(pl.len()) % 5 == 0).then("noise"),
        wild=pl.when(pl.int_range(pl.len()) == 9).then(float("inf")).otherwise("noise"),
        many=pl.format("l{}", pl.int_range(pl.len())),
    )
    told = {(found.check, found.column) for found in findings(frame, ("signal", "constant", "sparse", "wild", "many"))}
    assert {("constant", "constant"), ("nulls", "sparse"), ("infinite", "wild"), ("many levels", "many")} <= told
