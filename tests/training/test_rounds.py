"""The rounds of numbers in time lie between those of a stop on the newest rows and of one on rows among the others."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.training.builders import NOW, a_frame, a_regression, a_training_set
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.data.splits import FitWindow
from touchline.training.estimators.lightgbm import LIGHTGBM
from touchline.training.estimators.linear import RIDGE
from touchline.training.fitting.fit import fit_out_of_fold
from touchline.training.fitting.recipe import Recipe
from touchline.training.fitting.rounds import is_in_time, settle_rounds


def rows_that_jump() -> LabelledRows:
    """Rows whose level doubles in their newest fifth: no round of a fit before it comes nearer to that."""
    frame = a_frame(500, seed=2)
    labels = np.sin(3 * frame["signal"].to_numpy()) * np.where(np.arange(500) < 400, 1.0, -1.0)
    return labelled_rows(a_regression(), a_training_set(frame.with_columns(label=pl.Series(labels))), now=NOW)


WINDOW = FitWindow(np.arange(400), np.arange(400, 500))


def test_a_stop_on_rows_after_a_change_does_not_decide_alone() -> None:
    rows = rows_that_jump()
    columns = tuple(column.name for column in rows.columns)
    recipe = Recipe("lightgbm", "lightgbm", LIGHTGBM.defaults("regression"), columns, 7)
    early = fit_out_of_fold(recipe, LIGHTGBM, rows, [WINDOW]).settled
    settled = settle_rounds(recipe, LIGHTGBM, rows.at(WINDOW.fit), early)
    assert early["rounds"] == 1
    assert 3 <= int(settled["rounds"]) <= 100


def test_a_family_that_settles_no_rounds_is_not_fitted_again() -> None:
    rows = rows_that_jump()
    recipe = Recipe("ridge", "ridge", {"alpha": 1.0}, tuple(column.name for column in rows.columns), 7)
    assert settle_rounds(recipe, RIDGE, rows, {}) == {}


def test_windows_that_end_before_their_validation_rows_are_in_time() -> None:
    rows = rows_that_jump()
    assert is_in_time(rows, [WINDOW])
    assert not is_in_time(rows, [FitWindow(np.arange(1, 500, 2), np.arange(0, 500, 2))])
