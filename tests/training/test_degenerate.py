"""Tables that leave nothing to learn from still train: the prediction is the base rate, in every family."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, START, a_frame, a_regression, a_task, a_training_set
from touchline import plugins
from touchline.errors import NothingVaries, OneClassOnly, TooFewExamples
from touchline.training import CardFacts, Recipe, Training, build_card, plots, train
from touchline.training.data.rows import labelled_rows
from touchline.training.fitting.fit import fit_recipe

FAMILIES = ("logistic", "lightgbm", "forest", "xgboost")
NUMBER_FAMILIES = ("ridge", "lightgbm", "forest", "xgboost")


def _varies_late(frame: pl.DataFrame, until: int = 170) -> pl.DataFrame:
    """The columns do not vary before the last rows, which no fit but the last one sees."""
    is_early = pl.int_range(pl.len()) < until
    return frame.with_columns(
        signal=pl.when(is_early).then(1.0).otherwise("signal"),
        noise=pl.when(is_early).then(None).otherwise("noise"),
        group=pl.when(is_early).then(pl.lit("a")).otherwise("group"),
    )


def _infinite(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(signal=pl.lit(float("inf")), noise=pl.lit(float("-inf")), group=pl.lit(None, pl.String))


def _one_column(frame: pl.DataFrame) -> pl.DataFrame:
    return _varies_late(frame).with_columns(noise=pl.lit(0.0), group=pl.lit("a"))


@pytest.mark.parametrize("change", [_varies_late, _one_column])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_fit_without_a_column_that_varies_predicts_the_base_rate(
    change: Callable[[pl.DataFrame], pl.DataFrame], kind: str
) -> None:
    frame = a_frame(200)
    if kind == "numbers":
        task, families = a_regression(), NUMBER_FAMILIES
        data = a_training_set(change(frame.with_columns(label=frame["signal"] * 3 + 10)))
    else:
        task, families, data = a_task(), FAMILIES, a_training_set(change(frame))
    result = train(task, Training(candidates=families, blend=True), data, now=NOW)
    assert [report.error for report in result.candidates if report.error] == []
    outputs = result.evaluation_model.predict(data.vectors())[:, -1]
    expected = [metric.value for metric in result.evaluation.baseline.values()]
    assert np.isfinite(outputs).all()
    assert np.isfinite(expected).any()
    assert outputs.std() < 0.02 * (1 + abs(outputs.mean()))
    build_card(result, CardFacts("degenerate"), plots(result)).to_html()


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_fitted_on_columns_that_do_not_vary_gives_the_share_of_each_class(family: str) -> None:
    data = a_training_set(_infinite(a_frame(100)))
    rows = labelled_rows(a_task(), data, now=NOW)
    chosen = plugins.load("touchline.estimators", family)
    model = fit_recipe(
        Recipe(family, family, chosen.defaults("binary"), tuple(c.name for c in data.columns), 7, 1), chosen, rows, ()
    )
    share = float(np.mean(rows.labels == 1))
    assert model.predict(data.vectors())[:, 1] == pytest.approx(np.full(100, share), abs=0.02)
    assert model.predict(data.vectors()[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_infinite, NothingVaries, "None of the 3 columns varies"),
        (lambda frame: frame[:12], TooFewExamples, "There are 12 labelled examples"),
        (lambda frame: frame.with_columns(label=pl.lit("no")), OneClassOnly, "no"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused_with_a_reason(
    change: Callable[[pl.DataFrame], pl.DataFrame], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(a_task(), Training(candidates=("logistic",)), a_training_set(change(a_frame(200))), now=NOW)


@pytest.mark.parametrize("known", [("a",), ("a", "c"), ("b", "c")])
def test_a_fit_on_rows_that_lack_a_class_gives_it_a_small_probability(known: tuple[str, ...]) -> None:
    classes = ("a", "b", "c")
    rows = labelled_rows(a_task(classes), a_training_set(a_frame(300, classes=classes)), now=NOW)
    rows = rows.at(np.flatnonzero(np.isin(np.array(classes)[rows.labels.astype(int)], known)))
    family = plugins.load("touchline.estimators", "logistic")
    recipe = Recipe("logistic", "logistic", family.defaults("multiclass"), tuple(c.name for c in rows.columns), 7, 1)
    probabilities = fit_recipe(recipe, family, rows, ()).predict(rows.vectors)
    absent = [place for place, name in enumerate(classes) if name not in known]
    assert 0 < probabilities[:, absent].mean() < 2 / len(rows)
    shares = [float(np.mean(rows.labels == place)) for place in range(3)]
    assert probabilities.mean(axis=0) == pytest.approx(shares, abs=0.02)


def test_a_class_that_only_the_test_window_lacks_is_named_in_the_card() -> None:
    classes = ("a", "b", "c")
    frame = a_frame(400, classes=classes)
    late = pl.col("cutoff") >= START + timedelta(days=30)
    frame = frame.with_columns(label=pl.when(late & (pl.col("label") == "b")).then(pl.lit("a")).otherwise("label"))
    result = train(a_task(classes), Training(candidates=("logistic",)), a_training_set(frame), now=NOW)
    assert result.evaluation.absent == ("b",)
    assert np.isfinite(result.evaluation.metrics["roc_auc"].value)
    assert "No test example is b" in build_card(result, CardFacts("p"), plots(result)).to_markdown()
