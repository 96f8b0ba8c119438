"""Windows and references that can say little: the answer says what is missing, and nothing breaks."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.monitoring.test_cause import COLUMNS, a_window, explained, predict
from tests.monitoring.test_cause import some_rows as cause_rows
from tests.monitoring.test_drift import NAMES, NOW, a_check, a_profile, some_rows
from tests.monitoring.test_performance import a_check as performance_of
from tests.monitoring.test_performance import day, log
from touchline.errors import InvalidSample
from touchline.monitoring import (
    CauseModel,
    CurrentRows,
    Drift,
    LabelledSample,
    OpenSample,
    Window,
    check_drift,
    estimate_loss,
    explain_loss,
)
from touchline.predictions import Outcome, OutcomeRecords
from touchline.statistics import build_profile
from touchline.storage import Database


def test_a_window_of_one_row_says_how_many_more_are_needed(database: Database) -> None:
    drift = a_check(some_rows(1, 1))
    assert (drift.state, drift.missing) == ("not_enough_data", 199)
    assert "199" in drift.message
    log(database, [0])
    performance = performance_of(database, day(0.2) + timedelta(days=5))
    assert performance.state == "not_enough_data"
    assert performance.message.startswith("Not enough data: 20 of 100 mature predictions with an outcome.")


def test_a_cause_of_one_row_against_one_row_is_a_number_and_no_error() -> None:
    x, y = cause_rows(1, 1)
    report = explained(x, 1 - y)
    assert np.isfinite([report.before, report.after]).all()
    model = CauseModel("log_loss", COLUMNS, predict, {}, {})
    with pytest.raises(InvalidSample, match="rows of 5 columns in both windows"):
        explain_loss(a_window(x, y), a_window(x[:0], y[:0]), model, project="shop")


@pytest.mark.parametrize("value", [5.0, 7.0])
def test_a_reference_with_one_value_is_stable_beside_itself_and_differs_beside_others(value: float) -> None:
    profile = build_profile(np.full((300, 1), 5.0), names=["price"], outputs={"p": np.linspace(0, 1, 300)})
    rows = np.column_stack([np.full(250, value), np.linspace(0, 1, 250)])
    verdict = check_drift(profile, CurrentRows(rows, Window("0", "1")), project="shop", rule=Drift(windows=1), now=NOW)
    assert [column.name for column in verdict.drifted] == ([] if value == 5.0 else ["price"])
    assert all(np.isfinite([column.psi, column.p_adjusted]).all() for column in verdict.columns)


def test_a_feature_that_vanished_is_named_with_its_missing_share() -> None:
    rows = some_rows(1, 400)
    rows[:, 1] = np.nan
    verdict = a_check(rows, windows=1)
    assert [column.name for column in verdict.drifted] == ["form"]
    assert verdict.drifted[0].facts == "missing 0.0% → 100.0%"
    x, y = cause_rows(2)
    x[:, 0] = np.nan
    report = explained(x, y, "a")
    assert (report.causes[0].kind, report.causes[0].name) == ("column", "a")


def test_a_profile_whose_feature_was_never_there_checks_the_others() -> None:
    rows = some_rows(0, 2000)
    rows[:, 1] = np.nan
    profile = build_profile(
        rows[:, :3], names=NAMES, levels={"ground": ["home", "away"]}, outputs={"p_win": rows[:, 3]}
    )
    current = CurrentRows(some_rows(1, 400), Window("0", "1"))
    verdict = check_drift(profile, current, project="shop", rule=Drift(windows=1), now=NOW)
    assert [column.name for column in verdict.drifted] == ["form"]
    assert len(a_profile().columns) == len(verdict.columns)


def test_an_estimate_from_labels_of_one_class_is_refused_by_name() -> None:
    p = np.column_stack([np.linspace(0.1, 0.9, 100), np.linspace(0.9, 0.1, 100)])
    with pytest.raises(InvalidSample, match="reference without class 0"):
        estimate_loss("log_loss", LabelledSample(p, np.ones(100), np.arange(100)), OpenSample(p, np.arange(100)))


def test_outcomes_twice_and_changed_ones_count_once_with_the_newest_label(database: Database) -> None:
    log(database, range(10))
    before = performance_of(database, day(20))
    records = OutcomeRecords(database, "shop")
    for label in ("yes", "yes", "no", "yes"):
        records.record([Outcome(label, "e0-0")] * 2, source="api", now=day(11))
    after = performance_of(database, day(20))
    assert (after.rows, after.repeats) == (before.rows, before.repeats)


def test_a_check_before_the_newest_predictions_sees_only_what_was_there(database: Database) -> None:
    """A clock that goes back, such as after a restore, hides later rows and breaks nothing."""
    log(database, range(10))
    later, earlier = performance_of(database, day(20)), performance_of(database, day(6.5))
    assert earlier.rows < later.rows
    assert performance_of(database, day(-1)).rows == 0
