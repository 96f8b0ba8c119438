"""How far back a fit learns, on rows in which what a column says of the label turns round on a day, or never does."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, START, a_frame, a_regression, a_task, a_training_set
from touchline.training import Candidate, HeldOut, Recipe, Training, loss_rows, refit_forward, refit_without, train
from touchline.training.data.rows import labelled_rows
from touchline.training.fitting.recent_rows import recent_rows
from touchline.training.refit import parts_in_time

TASK = a_task()


def frame(*, rows: int = 900, turned: int = 0, seed: int = 1) -> pl.DataFrame:
    """Rows in time; of the newest `turned` the signal has the opposite sign."""
    place = pl.int_range(pl.len())
    return a_frame(rows, seed=seed).with_columns(
        signal=pl.when(place >= rows - turned).then(-pl.col("signal")).otherwise("signal")
    )


def chosen(data: pl.DataFrame) -> np.ndarray:
    rows = labelled_rows(TASK, a_training_set(data, ("signal",)), now=NOW)

    def predict(fit, held):  # type: ignore[no-untyped-def]
        """The probability by the side of the signal alone."""
        sides = [fit.labels[side(fit)].mean().clip(0.02, 0.98) for side in (lambda one: ~above(one), above)]
        positive = np.where(above(held), sides[1], sides[0])
        return np.column_stack([1 - positive, positive])

    def above(part):  # type: ignore[no-untyped-def]
        return part.vectors[:, 0] > 0

    return recent_rows(rows, predict)


@pytest.mark.parametrize("turned", [200, 300, 450])
def test_after_a_change_the_rows_before_it_are_left_out(turned: int) -> None:
    picked = chosen(frame(turned=turned))
    assert picked.max() == 899
    assert len(picked) <= turned * 1.15
    assert len(picked) >= turned / 2.5


def test_without_a_change_all_rows_are_learned_from() -> None:
    lengths = [len(chosen(frame(rows=600, seed=seed))) for seed in range(20)]
    assert lengths.count(600) >= 18


def test_rows_without_time_and_few_rows_are_all_learned_from() -> None:
    timeless = frame(turned=300).with_columns(cutoff=pl.lit(START, pl.Datetime("us", "UTC")))
    assert len(chosen(timeless)) == 900
    assert len(chosen(frame(rows=100, turned=40))) == 100


def test_a_label_that_came_late_counts_from_then() -> None:
    late = frame(turned=300).with_columns(label_timestamp=pl.lit(NOW, pl.Datetime("us", "UTC")))
    assert len(chosen(late)) == 900


def test_a_recent_candidate_wins_after_a_change_and_its_recipe_says_so() -> None:
    recent = Candidate(name="recent", family="logistic", recent=True)
    training = Training(candidates=("logistic", recent), test=0.1, calibration=("none",), blend=False)
    result = train(TASK, training, a_training_set(frame(turned=450)), now=NOW)
    assert result.best_candidate == "recent"
    assert Recipe.from_json(result.recipe.to_json()) == result.recipe
    assert result.recipe.is_recent
    steady = train(TASK, training, a_training_set(frame()), now=NOW)
    assert steady.best_candidate == "logistic"


def test_numbers_are_compared_by_their_squared_error() -> None:
    recent = Candidate(name="recent", family="ridge", recent=True)
    training = Training(candidates=("ridge", recent), test=0.1, blend=False)
    data = frame(turned=450)
    numbers = a_training_set(data.with_columns(label=a_frame(900)["signal"]))
    assert train(a_regression(), training, numbers, now=NOW).best_candidate == "recent"


def test_probabilities_are_corrected_by_rows_from_after_the_change() -> None:
    """Fits from before the change predict the other class after it: a correction learned there takes all sureness."""
    turned = 400
    data = frame(rows=2_000, turned=turned)
    recent = Candidate(name="recent", family="logistic", recent=True)
    training = Training(candidates=(recent,), test=0.1, calibration=("platt", "temperature"), blend=False)
    rows = labelled_rows(TASK, a_training_set(data, ("signal",)), now=NOW)
    result = train(TASK, training, a_training_set(data, ("signal",)), now=NOW)
    assert result.recipe.calibration != "none"
    newest = rows.at(np.arange(2_000 - 100, 2_000))
    losses = loss_rows("log_loss", newest.labels, result.model.predict(newest.vectors))
    assert losses.mean() < 0.55  # the base rate alone has 0.69


def test_fits_ahead_of_each_part_have_met_a_change_that_one_fit_without_the_rows_has_not() -> None:
    data = frame(turned=450)
    training_set = a_training_set(data, ("signal",))
    training = Training(candidates=("logistic",), test=0.1, calibration=("none",), blend=False)
    recipe = train(TASK, training, training_set, now=NOW).recipe
    held_out = HeldOut([f"e{place}" for place in range(450, 900)], training)
    recent = dataclasses.replace(recipe, is_recent=True)
    blind = refit_without(recent, TASK, training_set, held_out, now=NOW)
    ahead = refit_forward(recent, TASK, training_set, held_out, now=NOW)
    assert sorted(ahead["example_id"]) == sorted(blind["example_id"])
    newest = pl.col("example_id").is_in([f"e{place}" for place in range(750, 900)])
    wrong = (pl.col("p_yes") - (pl.col("label") == "yes").cast(pl.Float64)).abs().mean()
    first, second = (one.filter(newest).select(wrong).item() for one in (blind, ahead))
    assert first > 0.6
    assert second < 0.35


def test_the_newest_parts_are_the_shortest_and_each_row_is_in_one() -> None:
    cutoffs, clusters = np.arange(3_000), np.arange(3_000) // 10
    parts = parts_in_time(cutoffs, clusters)
    assert np.concatenate(parts).tolist() == cutoffs.tolist()
    sizes = [len(part) for part in parts]
    assert sizes[-1] <= 50 < sizes[1]
    assert len(parts) < 20
