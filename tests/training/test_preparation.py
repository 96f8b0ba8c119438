"""Preparation: fitted on a fit's own rows, and the same as scikit-learn's."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.features import ColumnSpec
from touchline.training.data.rows import labelled_rows
from touchline.training.estimators.linear import LOGISTIC
from touchline.training.fitting.fit import fit_estimator
from touchline.training.fitting.preparation import Preparation, fit_preparation
from touchline.training.fitting.recipe import Recipe

Array = NDArray[np.float64]
COLUMNS = (
    ColumnSpec("age", "number"),
    ColumnSpec("city", "category", ("bonn", "kiel", "ulm")),
    ColumnSpec("flat", "number"),
)


def some_vectors(rows: int = 200) -> Array:
    random = np.random.default_rng(2)
    age = np.where(random.random(rows) < 0.1, np.nan, random.normal(40, 9, rows))
    return np.stack([age, random.integers(0, 3, rows).astype(float), np.full(rows, 3.0)], axis=1)


def test_the_dense_layout_equals_a_column_transformer() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    vectors = some_vectors()
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    theirs = ColumnTransformer([("age", numbers, [0]), ("city", OneHotEncoder(sparse_output=False), [1])])
    expected = theirs.fit_transform(vectors)
    ours = fit_preparation("dense", COLUMNS, vectors)
    assert ours.names == ("age", "age is null", "city=bonn", "city=kiel", "city=ulm", "city=other")
    found = ours.transform(vectors)
    np.testing.assert_allclose(found[:, [0, 2, 3, 4]], expected)
    np.testing.assert_array_equal(found[:, 1], np.isnan(vectors[:, 0]))


def test_a_column_that_does_not_vary_is_dropped_by_name() -> None:
    assert fit_preparation("dense", COLUMNS, some_vectors()).dropped == ("flat",)
    assert fit_preparation("trees", COLUMNS, some_vectors()).dropped == ("flat",)


def test_the_chosen_columns_are_those_that_tell_most_on_the_rows_of_the_fit() -> None:
    frame = a_frame(400).with_columns(
        late=pl.when(pl.int_range(pl.len()) < 200).then("noise").otherwise((pl.col("label") == "yes").cast(pl.Float64))
    )
    rows = labelled_rows(a_task(), a_training_set(frame, ("noise", "group", "signal", "late")), now=NOW)
    recipe = Recipe("own", "logistic", {"strength": 1.0}, (), seed=1, most_columns=1)
    early = fit_estimator(recipe, LOGISTIC, rows.at(np.arange(200)))[0]
    late = fit_estimator(recipe, LOGISTIC, rows.at(np.arange(200, 400)))[0]
    assert early.names == ("signal",)
    assert late.names == ("late",)
    assert set(early.dropped) == {"noise", "group", "late"}


def test_infinite_numbers_count_as_nulls() -> None:
    vectors = some_vectors()
    preparation = fit_preparation("dense", COLUMNS, vectors)
    strange, missing = vectors[:2].copy(), vectors[:2].copy()
    strange[:, 0], missing[:, 0] = [np.inf, -np.inf], np.nan
    np.testing.assert_array_equal(preparation.transform(strange), preparation.transform(missing))


@pytest.mark.parametrize("layout", ["dense", "trees"])
def test_rare_levels_share_the_place_of_unseen_ones(layout: str) -> None:
    vectors = some_vectors()
    vectors[:, 1] = np.where(np.arange(200) < 4, 2.0, vectors[:, 1] % 2)  # ulm: four times
    preparation = fit_preparation("dense" if layout == "dense" else "trees", COLUMNS, vectors)
    rows = np.repeat(vectors[5:6], 3, axis=0)
    rows[:, 1] = [2.0, -1.0, 7.0]
    found = preparation.transform(rows)
    assert (found == found[0]).all()
    assert not (preparation.transform(vectors[5:6]) == found[:1]).all()


def test_trees_keep_nulls_and_codes() -> None:
    vectors = some_vectors()
    preparation = fit_preparation("trees", COLUMNS, vectors)
    row = np.array([[np.nan, np.nan, 3.0], [41.0, 1.0, 3.0]])
    np.testing.assert_array_equal(preparation.transform(row), [[np.nan, np.nan], [41.0, 1.0]])
    assert preparation.categorical == (1,)


def test_three_thousand_levels_keep_the_hundred_commonest() -> None:
    random = np.random.default_rng(1)
    levels = tuple(f"l{i}" for i in range(3000))
    codes = np.r_[np.repeat(np.arange(150), 20), random.integers(150, 3000, 3000)].astype(float)
    preparation = fit_preparation("dense", (ColumnSpec("code", "category", levels),), codes[:, None])
    assert len(preparation.names) == 101
    assert preparation.transform(np.array([[2999.0], [-1.0]]))[:, -1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("layout", ["dense", "trees"])
def test_what_is_written_is_what_is_read(layout: str) -> None:
    preparation = fit_preparation("dense" if layout == "dense" else "trees", COLUMNS, some_vectors())
    assert Preparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation


def test_one_row_is_prepared_as_it_is_among_others() -> None:
    vectors = some_vectors()
    preparation = fit_preparation("dense", COLUMNS, vectors)
    together = preparation.transform(vectors)
    alone = np.concatenate([preparation.transform(vectors[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(alone, together[:20])
