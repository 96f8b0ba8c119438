"""With few rows, what chooses a model must not flatter it: the moment of a stop, and the weights of a blend."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.data.splits import FitWindow
from touchline.training.estimators.lightgbm import LIGHTGBM
from touchline.training.fitting.blend import Pool, blend_weights, pool_for, pooled
from touchline.training.fitting.calibration import NO_CALIBRATION
from touchline.training.fitting.fit import Array, OutOfFold, fit_out_of_fold
from touchline.training.fitting.recipe import Recipe
from touchline.training.metrics.losses import log_loss_rows
from touchline.training.search.candidates import CandidateReport, Contender, first_of_the_best


def of_noise(rows: int) -> LabelledRows:
    random = np.random.default_rng(5)
    names = ("a", "b", "c", "d")
    frame = a_frame(rows).with_columns(pl.Series(name, random.normal(size=rows)) for name in names)
    mixed = pl.Series(random.permutation(rows) % 2)
    frame = frame.with_columns(label=pl.when(mixed == 1).then(pl.lit("yes")).otherwise(pl.lit("no")))
    return labelled_rows(a_task(), a_training_set(frame, names), now=NOW)


def test_noise_does_not_look_better_than_the_base_rate_by_the_moment_of_the_stop() -> None:
    rows = of_noise(120)
    places = np.random.default_rng(1).permutation(len(rows))
    windows = [FitWindow(np.setdiff1d(places, part), part) for part in np.array_split(places, 5)]
    recipe = Recipe("lightgbm", "lightgbm", {**LIGHTGBM.defaults("binary")}, tuple(c.name for c in rows.columns), 7)
    found = fit_out_of_fold(recipe, LIGHTGBM, rows, windows)
    losses = log_loss_rows(np.asarray(rows.labels)[found.rows].astype(np.int64), found.predictions)
    assert losses.mean() >= np.log(2)


def test_weights_of_a_blend_are_drawn_towards_equal_ones_or_the_first_where_rows_are_few() -> None:
    def weights(rows: int, pool: Pool) -> list[float]:
        labels = np.arange(rows) % 2
        good = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
        return [round(float(weight), 3) for weight in blend_weights("log_loss", labels, [good[:, ::-1], good], pool)]

    assert (weights(100, "mean"), weights(2000, "mean")) == ([0.25, 0.75], [0.0, 1.0])
    assert (weights(100, "log"), weights(2000, "log")) == ([0.5, 0.5], [0.0, 1.0])


def test_a_model_that_is_sure_and_has_met_no_surprise_counts_one_where_rows_are_few() -> None:
    def best(rows: int) -> int:
        labels = np.arange(rows) % 2
        cautious, sure = (np.where(labels[:, None] == [0, 1], share, 1 - share) for share in (0.9, 0.9999))
        return int(np.argmax(blend_weights("log_loss", labels, [cautious, sure])))

    assert (best(20), best(2000)) == (0, 1)


def a_contender(name: str, losses: Array, *members: Recipe, pool: str = "mean") -> Contender:
    recipe = Recipe(name, name, {"pool": pool}, ("x",), 7, members=members)
    out_of_fold = OutOfFold(np.arange(len(losses)), losses, {}, ())
    report = CandidateReport(name, {}, {}, 0.0, None)
    return Contender(recipe, LIGHTGBM, float(losses.mean()), NO_CALIBRATION, out_of_fold, losses, report)


def test_a_blend_of_few_rows_loses_no_more_than_its_members_on_average_and_is_sharper_than_their_mean() -> None:
    random = np.random.default_rng(4)
    labels = random.integers(3, size=60)
    members = [random.dirichlet((0.3, 0.3, 0.3), size=60) for _ in range(3)]
    weights = [0.5, 0.3, 0.2]
    blend = pooled(members, weights, pool_for("log_loss", 60))
    losses = np.array([log_loss_rows(labels, each) for each in members])
    assert (log_loss_rows(labels, blend) <= np.array(weights) @ losses + 1e-12).all()
    odds = np.log(blend[:, 0] / blend[:, 1])
    np.testing.assert_allclose(odds, sum(w * np.log(m[:, 0] / m[:, 1]) for w, m in zip(weights, members, strict=True)))
    assert blend.max(axis=1).mean() > pooled(members, weights, "mean").max(axis=1).mean()
    assert (pool_for("log_loss", 2000), pool_for("mse", 60)) == ("mean", "mean")


def test_a_blend_of_probabilities_comes_first_unless_it_is_clearly_beaten() -> None:
    losses = np.random.default_rng(2).random(100)
    noise = np.random.default_rng(3).normal(size=100)
    first = a_contender("logistic", losses)
    close = a_contender("blend", losses + 0.01 + 0.3 * noise - 0.3 * noise.mean(), first.recipe, pool="log")
    worse = a_contender("blend", losses + 0.3, first.recipe, pool="log")
    assert first_of_the_best([first, close]) is close
    assert first_of_the_best([first, worse]) is first


def test_the_first_declared_wins_unless_it_is_clearly_beaten_and_a_blend_comes_second() -> None:
    losses = np.random.default_rng(2).random(100)
    noise = np.random.default_rng(3).normal(size=100)
    first = a_contender("logistic", losses)
    lucky = a_contender("lightgbm", losses - 0.01 + 0.3 * noise - 0.3 * noise.mean())
    better = a_contender("lightgbm", losses - 0.3)
    blend = a_contender("blend", losses - 0.29 + 0.3 * noise - 0.3 * noise.mean(), first.recipe)
    assert first_of_the_best([first, lucky]) is first
    assert first_of_the_best([first, better]) is better
    assert first_of_the_best([first, better, blend]) is blend
