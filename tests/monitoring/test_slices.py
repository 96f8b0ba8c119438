"""A slice has figures with intervals only, and is called worse only by a test that is corrected for all slices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import pytest

from touchline.errors import UnknownName
from touchline.monitoring import (
    CheckedRelease,
    LiveRows,
    LiveSlices,
    Performance,
    PerformanceVerdict,
    RowShape,
    TestWindow,
    check_performance,
)

SHAPE = RowShape("binary", ("no", "yes"), width=1, fields=("plan",))
NOW = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400.0


def rows_of(plans: Sequence[str | None], *, wrong: Sequence[float], labelled: Sequence[bool] | None = None) -> LiveRows:
    """A row for each plan: the model says 80 % yes, and it is no in the given share of the rows of a plan."""
    count = len(plans)
    rng = np.random.default_rng(3)
    labels = np.where(rng.random(count) < np.array(wrong), 0.0, 1.0)
    is_known = np.ones(count, dtype=bool) if labelled is None else np.array(labelled)
    answered = NOW.timestamp() - 100 * DAY + np.arange(count) * DAY / 20
    return LiveRows(
        predictions=np.tile([0.2, 0.8], (count, 1)),
        vectors=np.zeros((count, 1)),
        labels=np.where(is_known, labels, np.nan),
        answered=answered,
        received=np.where(is_known, answered + 3600, np.nan),
        days=(answered // DAY).astype(np.int64),
        clusters=tuple(f"row {place}" for place in range(count)),
        variants=("production",) * count,
        fields={"plan": tuple(plans)},
    )


def a_check(live: LiveRows, test: TestWindow | None = None) -> PerformanceVerdict:
    window = test or TestWindow({}, {}, np.full(100, 0.5), np.arange(100), "log_loss")
    return check_performance(live, CheckedRelease("shop", "one", SHAPE, window), rule=Performance(), now=NOW)


def test_a_slice_with_a_higher_loss_is_worse_and_stands_beside_the_test_rows_of_the_same_slice() -> None:
    live = rows_of(["free", "pro"] * 300, wrong=[0.6, 0.2] * 300)
    losses, days = np.tile([0.9, 0.4], 50), np.arange(100)
    test = TestWindow({}, {}, losses, days, "log_loss", fields={"plan": ("free", "pro") * 50})
    report = a_check(live, test).slices
    free, pro = report.find("plan=free"), report.find("plan=pro")
    wrong = float((live.labels[::2] == 0).mean())
    assert free.loss is not None
    assert free.loss.value == pytest.approx(-wrong * np.log(0.2) - (1 - wrong) * np.log(0.8))
    assert (free.rows, free.coverage, free.loss.test, free.is_worse, pro.is_worse) == (300, 1.0, 0.9, True, False)
    assert (free.others, pro.p_value) == (pytest.approx(pro.loss and pro.loss.value), 1.0)
    assert report.message.startswith("Higher log_loss than the other rows: plan = free (")
    assert "2 slices were compared with the other rows, corrected for as many comparisons" in report.message
    assert len(free.trend) == 30
    assert [one.predicted for one in free.calibration] == [pytest.approx(0.2), pytest.approx(0.8)]


def test_of_many_equal_slices_the_worst_is_not_called_worse() -> None:
    live = rows_of([f"plan {place % 20}" for place in range(1600)], wrong=[0.3] * 1600)
    report = a_check(live).slices
    lowest = min(one.p_value for one in report.slices if one.p_value is not None)
    # Without the correction some slice would be called worse: that is what it is for.
    assert lowest / report.comparisons < 0.05 < lowest
    assert report.comparisons == 20
    assert report.message.startswith("No slice is shown to have a higher log_loss than the other rows: 20 slices")


def test_a_slice_with_few_rows_or_without_outcomes_has_no_figure_and_says_so() -> None:
    plans = ["pro"] * 200 + ["free"] * 12 + ["trial"] * 40
    live = rows_of([*plans, None], wrong=[0.2] * 253, labelled=[*(plan != "trial" for plan in plans), True])
    report = a_check(live).slices
    free, trial = report.find("plan=free"), report.find("plan=trial")
    assert (free.loss, free.metrics, free.p_value) == (None, (), None)
    assert free.message.startswith("plan = free: 12 mature predictions with an outcome, on too few")
    assert trial.message == "plan = trial: none of its 40 predictions counts with an outcome yet."
    assert (trial.rows, trial.open, trial.coverage) == (0, 40, 0.0)
    assert report.find("plan=(missing)").rows == 1


def test_a_slice_that_is_not_there_names_its_neighbour_and_a_field_without_values_is_told() -> None:
    report = a_check(rows_of(["pro"] * 120, wrong=[0.2] * 120)).slices
    with pytest.raises(UnknownName, match=r"There is no slice 'plan=por'\. Did you mean 'plan=pro'"):
        report.find("plan=por")
    assert report.find("plan=pro").message.endswith("needs 30 clusters on both sides.")
    unsent = a_check(rows_of([None] * 120, wrong=[0.2] * 120)).slices
    assert unsent.message.endswith("No prediction has a value of plan.")


def test_the_stored_document_is_read_back_as_the_same_slices() -> None:
    report = a_check(rows_of(["free", "pro"] * 60, wrong=[0.6, 0.2] * 60)).slices
    assert LiveSlices.from_json(json.loads(json.dumps(asdict(report)))) == report
