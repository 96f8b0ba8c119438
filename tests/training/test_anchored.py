"""A logistic regression that is drawn to a forecast: it is the forecast until the rows say otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from touchline.training import AnchoredLogistic, FitRequest, loss_rows
from touchline.training.estimators.arrays import softmax
from touchline.training.estimators.base import FitRows

Array = NDArray[np.float64]
FAMILY = AnchoredLogistic(["forecast_home", None, "forecast_away"])
NAMES = ("noise", "forecast_home", "forecast_away", "news")


def some_matches(news: float, rows: int = 3000, seed: int = 3) -> FitRows:
    """Three outcomes drawn from a forecast's log-odds plus what the news are worth."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 4))
    odds = np.stack([matrix[:, 1] + news * matrix[:, 3], np.zeros(rows), matrix[:, 2]], axis=1)
    drawn = (random.random((rows, 1)) > np.cumsum(softmax(odds), axis=1)).sum(axis=1)
    return FitRows(matrix, drawn.astype(np.int64))


def forecast_of(rows: FitRows) -> Array:
    return softmax(np.stack([rows.matrix[:, 1], np.zeros(len(rows.matrix)), rows.matrix[:, 2]], axis=1))


def a_request(rows: FitRows, **changes: object) -> FitRequest:
    settings = {"params": FAMILY.defaults("multiclass"), "seed": 1, "names": NAMES, **changes}
    return FitRequest("multiclass", 3, rows, None, **settings)  # type: ignore[arg-type]  # as named


def test_columns_that_add_nothing_leave_the_forecast_as_it_is() -> None:
    fitted, later = FAMILY.fit(a_request(some_matches(news=0.0))), some_matches(news=0.0, seed=4)
    np.testing.assert_allclose(fitted.predict(later.matrix), forecast_of(later), atol=0.005)


def test_news_that_the_forecast_does_not_know_are_learned() -> None:
    fitted, later = FAMILY.fit(a_request(some_matches(news=0.7))), some_matches(news=0.7, seed=4)
    own, other = (
        loss_rows("log_loss", later.labels, each).mean() for each in (fitted.predict(later.matrix), forecast_of(later))
    )
    assert own < other - 0.03


def test_a_row_without_the_forecast_is_predicted_from_the_other_columns() -> None:
    rows, later = some_matches(news=1.5), some_matches(news=1.5, seed=4)
    rows.matrix[::2, 1] = np.nan
    later.matrix[:, 1] = np.nan
    own = loss_rows("log_loss", later.labels, FAMILY.fit(a_request(rows)).predict(later.matrix)).mean()
    shares = np.bincount(rows.labels, minlength=3) / len(rows.labels)
    assert own < loss_rows("log_loss", later.labels, np.tile(shares, (len(later.labels), 1))).mean() - 0.05


def test_a_pull_that_was_chosen_once_is_used_again() -> None:
    rows = some_matches(news=0.7)
    first = FAMILY.fit(a_request(rows))
    again = FAMILY.fit(a_request(rows, params={**FAMILY.defaults("multiclass"), **first.settled}))
    np.testing.assert_array_equal(first.predict(rows.matrix), again.predict(rows.matrix))


def test_what_is_written_predicts_the_same_and_a_row_alone_as_among_others(tmp_path: Path) -> None:
    rows = some_matches(news=0.7, rows=200)
    fitted = FAMILY.fit(a_request(rows))
    fitted.export(tmp_path)
    together = FAMILY.restore(tmp_path).predict(rows.matrix)
    np.testing.assert_array_equal(together, fitted.predict(rows.matrix))
    alone = np.concatenate([fitted.predict(row[None]) for row in rows.matrix[:20]])
    np.testing.assert_array_equal(alone, together[:20])


@pytest.mark.parametrize(
    ("family", "names", "message"),
    [
        (FAMILY, ("noise", "other"), "'forecast_home', which is no number column of this fit: noise, other"),
        (AnchoredLogistic(["forecast_home"]), NAMES, "1 entries, and there are 3 classes"),
    ],
)
def test_an_anchor_that_does_not_fit_is_refused(family: AnchoredLogistic, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family.fit(a_request(some_matches(news=0.0, rows=50), names=names))
