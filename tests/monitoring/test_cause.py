"""The cause of a risen loss is the column, source, slice or class share that was changed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from touchline.errors import InvalidSample
from touchline.monitoring import Cause, CauseModel, CauseReport, LossWindow, explain_loss

COLUMNS = ("a", "b", "c", "d", "place")
BLOCKS = {"one": ["a", "b"], "two": ["c", "d"]}
EFFECTS = np.array([2.0, 0.0, 1.0, 1.0, 0.0])


def predict(vectors: np.ndarray) -> np.ndarray:
    p = expit(np.nan_to_num(vectors) @ EFFECTS)
    return np.column_stack([1 - p, p])


def some_rows(seed: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    x[:, 4] = rng.integers(0, 4, rows)
    return x, (rng.random(rows) < predict(x)[:, 1]).astype(int)


def a_window(x: np.ndarray, y: np.ndarray) -> LossWindow:
    return LossWindow(x, predict(x), np.eye(2)[y])


def explained(x: np.ndarray, y: np.ndarray, *drifted: str) -> CauseReport:
    levels = {"place": ("north", "east", "south", "west")}
    model = CauseModel("log_loss", COLUMNS, predict, BLOCKS, levels, frozenset(drifted))
    return explain_loss(a_window(*some_rows(0)), a_window(x, y), model, project="shop")


def test_a_column_in_another_unit_is_the_cause() -> None:
    x, y = some_rows(1)
    x[:, 0] = x[:, 0] * 3 + 2
    report = explained(x, y, "a")
    assert (report.causes[0].kind, report.causes[0].name) == ("column", "a")
    assert report.causes[0].share > 0.8
    assert "column a explains" in report.message


def test_a_source_joined_to_other_rows_is_the_cause_without_any_drift() -> None:
    x, y = some_rows(1)
    x[:, 2:4] = x[np.random.default_rng(2).permutation(len(x)), 2:4]
    assert (explained(x, y).causes[0].kind, explained(x, y).causes[0].name) == ("block", "two")


def test_flipped_labels_of_a_slice_are_the_cause() -> None:
    x, y = some_rows(1)
    report = explained(x, np.where(x[:, 4] == 2, 1 - y, y))
    assert (report.causes[0].kind, report.causes[0].name) == ("slice", "place = south")


def test_new_class_shares_are_the_cause() -> None:
    x, y = some_rows(1, 6000)
    p = predict(x)[:, 1]
    hard = np.flatnonzero((y == 1) & (p < 2))[:300]
    chosen = np.concatenate([hard, np.flatnonzero(y == 0)[:1700]])
    old_x, old_y = some_rows(0, 6000)
    kept = np.concatenate([np.flatnonzero(old_y == 1)[:1700], np.flatnonzero(old_y == 0)[:300]])

    def leaning(vectors: np.ndarray) -> np.ndarray:
        """Calibrated for the shares of the reference, in which 85 % of rows are of the second class."""
        odds = predict(vectors) * np.array([0.3, 1.7])
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    model = CauseModel("log_loss", COLUMNS, leaning, BLOCKS, {}, frozenset(COLUMNS[:4]))
    windows = [
        LossWindow(part_x, leaning(part_x), np.eye(2)[part_y])
        for part_x, part_y in ((old_x[kept], old_y[kept]), (x[chosen], y[chosen]))
    ]
    report = explain_loss(*windows, model, project="shop")
    assert report.causes[0].kind == "class shares"
    assert report.causes[0].name == "15% → 85%, 85% → 15%"


def test_a_loss_that_did_not_rise_has_no_cause() -> None:
    x, y = some_rows(0)
    report = explained(x, y)
    assert report.causes == ()
    assert report.message.startswith("Nothing to explain")


def test_chance_names_no_cause() -> None:
    named = [explained(*some_rows(seed)).causes for seed in range(1, 21)]
    assert sum(bool(causes) for causes in named) <= 3


def test_a_drifted_column_is_named_although_chance_hides_its_rise() -> None:
    hidden = 0
    for seed in range(1, 21):
        x, y = some_rows(seed)
        x[: len(x) // 4, 2] = 0.0
        report = explained(x, y, "c")
        assert report.causes[0].name == "c"
        if report.after < report.before:
            hidden += 1
            assert "no rise, although column c adds to the loss" in report.message
    assert hidden


def test_windows_of_other_columns_are_refused() -> None:
    with pytest.raises(InvalidSample, match="rows of 5 columns in both windows"):
        explained(np.zeros((3, 5))[:0], np.zeros(0, dtype=int))


def test_causes_of_the_same_change_are_one_of_several_rather_than_each_all_of_it() -> None:
    shares = {"one": 1.0, "two": 1.0, "three": 0.95}
    same = [Cause("block", name, share, "wrong together") for name, share in shares.items()]
    report = CauseReport("shop", "log_loss", 0.5, 0.9, (*same, Cause("slice", "place = south", 0.2, "25% of the rows")))
    assert report.rivals == 3
    assert (
        "one of these three explains it, and they cannot be told apart, since each explains 100% by itself: block one, "
        "block two or block three. Then slice place = south (20%)."
    ) in report.message
    apart = CauseReport(
        "shop", "log_loss", 0.5, 0.9, (Cause("column", "a", 0.5, "wrong"), Cause("column", "b", 0.48, "wrong"))
    )
    assert (apart.rivals, "column a explains 50% of it" in apart.message) == (0, True)
