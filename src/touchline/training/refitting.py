"""An older recipe on a newer training set, judged on the same test rows: what a comparative gate compares."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from touchline.features import TrainingSet
from touchline.training.blend import find_family
from touchline.training.estimators.base import Family
from touchline.training.evaluate import predictions_frame
from touchline.training.fit import fit_recipe
from touchline.training.recipe import Recipe
from touchline.training.result import TrainingResult
from touchline.training.rows import labelled_rows
from touchline.training.spec import Task


def refit(
    recipe: Recipe,
    task: Task,
    training_set: TrainingSet,
    result: TrainingResult,
    *,
    families: Mapping[str, Family] | None = None,
) -> pl.DataFrame:
    """The recipe fitted on the training rows of `result`, and what it says about the test rows of `result`.

    The frame is that of `evaluation.predictions`, row for row. Raises `ModelMismatch` where the training set lacks
    a column of the recipe.
    """
    rows = recipe.select(labelled_rows(task, training_set, now=result.trained_at))
    split = result.rows
    model = fit_recipe(recipe, find_family(recipe.family, families), rows, split.windows, on=split.train)
    test = rows.at(split.test)
    return predictions_frame(test, model.predict(test.vectors), training_set.frame)
