"""Which rows a fit may see, and which it is evaluated on."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.builders import NOW, START, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.errors import LabelsUnusable, OneClassOnly, TooFewExamples
from touchline.training import Training
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.data.splits import further_deals, make_split


def rows_of(frame: pl.DataFrame) -> LabelledRows:
    return labelled_rows(a_task(), a_training_set(frame), now=NOW)


@given(st.integers(0, 24), st.floats(0.1, 0.4), st.integers(1, 4))
def test_no_fit_knows_a_label_that_was_known_only_after_its_window_began(lag: int, share: float, windows: int) -> None:
    late = a_frame(400).with_columns(label_timestamp=pl.col("cutoff") + timedelta(hours=lag * 6))
    rows = rows_of(late)
    split = make_split(rows, Training(test=share), windows=windows)
    assert rows.known_at[split.train].max() <= rows.cutoffs[split.test].min()
    assert rows.cutoffs[split.train].max() < rows.cutoffs[split.test].min()
    for window in split.windows:
        assert rows.known_at[window.fit].max() <= rows.cutoffs[window.validation].min()
        assert set(window.validation.tolist()) <= set(split.train.tolist())


def test_examples_whose_label_came_too_late_are_counted() -> None:
    late = a_frame(300).with_columns(label_timestamp=pl.col("cutoff") + timedelta(days=3))
    split = make_split(rows_of(late), Training(test=0.2))
    # 30 days of ten examples, the test window begins with day 24: days 22 and 23 were not settled.
    assert (len(split.train), len(split.test), split.report.held_back) == (220, 60, 20)


def test_equal_cutoffs_stay_on_one_side() -> None:
    rows = rows_of(a_frame(305))
    split = make_split(rows, Training(test=0.33))
    assert not set(rows.cutoffs[split.train]) & set(rows.cutoffs[split.test])


def test_a_test_window_in_time_ends_with_the_newest_example() -> None:
    split = make_split(rows_of(a_frame(600)), Training(test="10d"))
    test = split.report.part("test")
    assert test.first_cutoff == START + timedelta(days=50)
    assert test.last_cutoff == START + timedelta(days=59)


def test_an_embargo_keeps_fits_away_from_their_windows() -> None:
    rows = rows_of(a_frame(600))
    split = make_split(rows, Training(test="10d", embargo="5d"), windows=2)
    gap = 5 * 24 * 3600 * 10**6
    assert rows.cutoffs[split.train].max() < rows.cutoffs[split.test].min() - gap
    assert all(rows.cutoffs[w.fit].max() < rows.cutoffs[w.validation].min() - gap for w in split.windows)
    assert split.report.embargo == timedelta(days=5)


def test_rolling_windows_expand_and_do_not_overlap() -> None:
    split = make_split(rows_of(a_frame(800)), Training(test=0.2, validation=0.5), windows=3)
    seen = np.concatenate([window.validation for window in split.windows])
    assert len(split.windows) == 3
    assert len(np.unique(seen)) == len(seen)
    assert [len(w.fit) for w in split.windows] == sorted(len(w.fit) for w in split.windows)


def test_candidates_of_numbers_in_time_are_compared_over_the_newest_two_fifths() -> None:
    rows = labelled_rows(a_regression(), a_number_set(2000), now=NOW)
    assert [len(window.fit) for window in make_split(rows, Training()).windows] == [960, 1120, 1280, 1440]
    assert [len(window.fit) for window in make_split(rows, Training(validation=0.25)).windows] == [1200]


def test_without_time_parts_hold_the_classes_in_equal_shares() -> None:
    frame = a_frame(1000, timed=False).with_columns(
        label=pl.Series(["yes" if i % 17 == 0 else "no" for i in range(1000)])
    )
    rows = rows_of(frame)
    split = make_split(rows, Training(test=0.3))
    assert split.report.method == "stratified"
    assert {(part.first_cutoff, part.last_cutoff) for part in split.report.parts} == {(None, None)}
    assert rows.labels[split.test].mean() == pytest.approx(rows.labels.mean(), abs=0.003)
    assert len(split.test) == pytest.approx(300, abs=2)


def test_grouped_parts_never_share_a_cluster() -> None:
    frame = a_frame(600, timed=False).with_columns(cluster=pl.Series([f"c{i % 60}" for i in range(600)]))
    rows = rows_of(frame)
    split = make_split(rows, Training(test=0.25, split="grouped"), windows=3)
    for fit, held in [(split.train, split.test), *((w.fit, w.validation) for w in split.windows)]:
        assert not set(rows.clusters[fit]) & set(rows.clusters[held])


def test_labels_not_known_yet_are_counted_and_left_out() -> None:
    frame = a_frame(100).with_columns(label=pl.when(pl.col("example_id") != "e7").then("label"))
    rows = labelled_rows(a_task(), a_training_set(frame), now=START + timedelta(days=9))
    assert (len(rows), rows.unlabelled) == (89, 11)


def test_five_rows_are_too_few() -> None:
    with pytest.raises(TooFewExamples, match="There are 5 labelled examples; training needs 25"):
        make_split(rows_of(a_frame(5)), Training())


def test_one_class_alone_cannot_be_learned() -> None:
    with pytest.raises(OneClassOnly, match="All 100 known labels are 'no'"):
        rows_of(a_frame(100).with_columns(label=pl.lit("no")))


def test_a_label_outside_the_declared_classes_is_shown() -> None:
    frame = a_frame(100).with_columns(
        label=pl.when(pl.col("example_id") == "e3").then(pl.lit("maybe")).otherwise("label")
    )
    with pytest.raises(LabelsUnusable, match=r"1 labels are not one of no, yes \(first: example e3, 'maybe'\)"):
        rows_of(frame)


def test_rows_whose_values_occur_with_both_classes_are_examples_of_their_own() -> None:
    frame = a_frame(1000, timed=False).with_row_index("place")
    # Half of the leads left no trace: all their values are equal, and a fifth of them buys.
    is_blank, buys = pl.col("place") % 2 == 0, pl.col("place") % 10 == 0
    blank = {"signal": pl.lit(0.0), "noise": pl.lit(0.0), "group": pl.lit("a")}
    blank["label"] = pl.when(buys).then(pl.lit("yes")).otherwise(pl.lit("no"))
    made = [pl.when(is_blank).then(value).otherwise(name).alias(name) for name, value in blank.items()]
    rows = rows_of(frame.with_columns(made).drop("place"))
    split = make_split(rows, Training())
    for part in (split.train, split.test):
        labels = rows.labels[part][rows.vectors[part][:, 0] == 0.0]
        assert 0.1 < labels.mean() < 0.3


@given(st.integers(2, 5), st.integers(0, 20))
def test_equal_rows_stay_on_one_side_of_a_random_split(copies: int, seed: int) -> None:
    frame = a_frame(120, timed=False)
    repeated = pl.concat([frame.with_columns(pl.col("example_id") + f"-{copy}") for copy in range(copies)])
    rows = rows_of(repeated)
    split = make_split(rows, Training(seed=seed))
    for fit, held in [(split.train, split.test), *((w.fit, w.validation) for w in split.windows)]:
        assert not {v.tobytes() for v in rows.vectors[fit]} & {v.tobytes() for v in rows.vectors[held]}


@pytest.mark.parametrize(("rows", "positives", "folds"), [(300, 150, 5), (3000, 100, 5), (3000, 1500, 1)])
def test_candidates_are_cross_validated_where_rows_or_positives_are_few(rows: int, positives: int, folds: int) -> None:
    labels = pl.Series(["yes" if i < positives else "no" for i in range(rows)])
    split = make_split(rows_of(a_frame(rows, timed=False).with_columns(label=labels)), Training())
    assert len(split.windows) == folds
    validated = np.concatenate([window.validation for window in split.windows])
    assert len(np.unique(validated)) == len(validated)
    if folds > 1:
        assert set(validated.tolist()) == set(split.train.tolist())


def test_few_rows_without_time_are_dealt_into_folds_several_times() -> None:
    rows = labelled_rows(a_task(), a_training_set(a_frame(300, timed=False)), now=NOW)
    split = make_split(rows, Training())
    deals = further_deals(rows, Training(), split)
    assert len(split.windows) == 5
    assert [len(deal) for deal in deals] == [5, 5]
    for deal in deals:
        validated = np.concatenate([window.validation for window in deal])
        assert np.array_equal(np.sort(validated), split.train)
        assert all(not set(window.fit) & set(window.validation) for window in deal)
    assert not np.array_equal(deals[0][0].validation, deals[1][0].validation)


def test_few_rows_in_time_are_validated_on_their_newer_half_in_five_steps() -> None:
    rows = labelled_rows(a_task(), a_training_set(a_frame(400)), now=NOW)
    split = make_split(rows, Training())
    validated = np.concatenate([window.validation for window in split.windows])
    assert len(split.windows) == 5
    assert len(validated) == pytest.approx(len(split.train) / 2, abs=12)
    assert all(rows.known_at[w.fit].max() <= rows.cutoffs[w.validation].min() for w in split.windows)
    declared = make_split(rows, Training(validation=0.2))
    assert len(declared.windows) == 1
    assert further_deals(rows, Training(), split) == ()
