"""An older recipe on a newer training set, evaluated on the same test rows, for gates that compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from touchline.features import TrainingSet
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.data.splits import Split, latest_windows, make_split
from touchline.training.estimators.base import Family
from touchline.training.evaluation.evaluate import predictions_frame
from touchline.training.fitting.blend import find_family
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.model import Model
from touchline.training.fitting.recipe import Recipe
from touchline.training.result import TrainingResult
from touchline.training.spec import Task, Training


@dataclass(frozen=True)
class HeldOut:
    """Examples that a fit leaves out, by id, and the declared training, which divides the others into windows."""

    examples: Collection[str]
    training: Training


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
    return refit_on(recipe, task, training_set, result.rows, now=result.trained_at, families=families)


def refit_on(
    recipe: Recipe,
    task: Task,
    training_set: TrainingSet,
    split: Split,
    *,
    now: datetime,
    families: Mapping[str, Family] | None = None,
) -> pl.DataFrame:
    """`refit` on a split that `split_again` has made, for a training whose result is no longer at hand."""
    rows = recipe.select(labelled_rows(task, training_set, now=now))
    model = fit_recipe(recipe, find_family(recipe.family, families), rows, split.windows, on=split.train)
    test = rows.at(split.test)
    return predictions_frame(test, model.predict(test.vectors), training_set.frame)


def split_again(task: Task, training: Training, training_set: TrainingSet, *, now: datetime) -> Split:
    """The division that `train` makes of the same training set at the same instant."""
    rows = labelled_rows(task, training_set, now=now)
    return make_split(rows, training, windows=training.tune.windows if training.tune.is_on else 1)


def refit_without(
    recipe: Recipe,
    task: Task,
    training_set: TrainingSet,
    held_out: HeldOut,
    *,
    now: datetime,
    families: Mapping[str, Family] | None = None,
) -> pl.DataFrame:
    """The recipe fitted as for a release, on all labelled rows but the held out ones, and its predictions of those.

    The frame is that of `evaluation.predictions`, for the labelled examples of `held_out`, in the order of the
    training set.
    """
    rows = recipe.select(labelled_rows(task, training_set, now=now))
    names = set(held_out.examples)
    is_held_out = np.array([name in names for name in rows.ids], dtype=np.bool_)
    learned, later = rows.at(np.flatnonzero(~is_held_out)), rows.at(np.flatnonzero(is_held_out))
    model = _fit_for_release(recipe, learned, held_out.training, families)
    return predictions_frame(later, model.predict(later.vectors), training_set.frame)


def fit_as_known(
    recipe: Recipe,
    task: Task,
    training: Training,
    training_set: TrainingSet,
    *,
    now: datetime,
    families: Mapping[str, Family] | None = None,
) -> Model:
    """The recipe fitted as for a release on the labels that are known at `now`."""
    rows = recipe.select(labelled_rows(task, training_set, now=now))
    return _fit_for_release(recipe, rows, training, families)


def _fit_for_release(
    recipe: Recipe, rows: LabelledRows, training: Training, families: Mapping[str, Family] | None
) -> Model:
    windows = latest_windows(rows, training, windows=training.tune.windows if training.tune.is_on else 1)
    return fit_recipe(recipe, find_family(recipe.family, families), rows, windows)
