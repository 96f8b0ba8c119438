"""An older recipe on a newer training set, evaluated on the same test rows, for gates that compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.features import TrainingSet
from touchline.statistics import cluster_codes
from touchline.training.data.rows import LabelledRows, labelled_rows
from touchline.training.data.splits import Split, latest_windows, make_split, split_method
from touchline.training.estimators.base import Family
from touchline.training.evaluation.evaluate import predictions_frame
from touchline.training.fitting.blend import find_family
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.model import Model
from touchline.training.fitting.recipe import Recipe
from touchline.training.result import TrainingResult
from touchline.training.spec import Task, Training

# Held out rows are predicted in parts: the rows of a part at least, and the number of parts that short.
_PART_ROWS: Final = 50
_NEWEST_PARTS: Final = 6


@dataclass(frozen=True)
class HeldOut:
    """Examples that a fit leaves out, by id, and the declared training, which divides the others into windows."""

    examples: Collection[str]
    training: Training

    def marked_in(self, rows: LabelledRows) -> NDArray[np.bool_]:
        """Which rows are left out."""
        names = set(self.examples)
        return np.array([name in names for name in rows.ids], dtype=np.bool_)


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
    is_held_out = held_out.marked_in(rows)
    learned, later = rows.at(np.flatnonzero(~is_held_out)), rows.at(np.flatnonzero(is_held_out))
    model = _fit_for_release(recipe, learned, held_out.training, families)
    return predictions_frame(later, model.predict(later.vectors), training_set.frame)


def is_released_fit(recipe: Recipe, training: Training, rows: LabelledRows) -> bool:
    """Whether `refit_without` fits on these learned rows what a training releases that has learned from them alone.

    A correction of the probabilities depends on windows, which are known where no search has divided the rows.
    """
    is_timed = split_method(rows, training) == "time"
    return recipe.calibration == "none" or (is_timed and not training.tune.is_on)


def refit_forward(
    recipe: Recipe,
    task: Task,
    training_set: TrainingSet,
    held_out: HeldOut,
    *,
    now: datetime,
    families: Mapping[str, Family] | None = None,
) -> pl.DataFrame:
    """Predictions of the held out rows, each by the recipe as it would have been released shortly before it.

    The rows are divided in time order, and a fit before each part learns all labels that were known by then, of held
    out rows too. So these fits meet a change of the world as releases do. The frame is that of `refit_without`.
    """
    rows = recipe.select(labelled_rows(task, training_set, now=now))
    later = np.flatnonzero(held_out.marked_in(rows))
    frames = []
    for part in parts_in_time(rows.cutoffs[later], rows.clusters[later]):
        held = rows.at(later[part])
        known = np.flatnonzero((rows.known_at <= held.cutoffs.min()) & (rows.cutoffs < held.cutoffs.min()))
        model = _fit_for_release(recipe, rows.at(known), held_out.training, families)
        frames.append(predictions_frame(held, model.predict(held.vectors), training_set.frame))
    return pl.concat(frames)


def parts_in_time(cutoffs: NDArray[np.int64], clusters: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The places of rows in parts of whole clusters, oldest first: the newest ones of 50 rows, older ones longer.

    The lengths double after the newest parts, so that many rows need few fits.
    """
    codes = cluster_codes(clusters, len(clusters), at=cutoffs)
    order, sizes = np.lexsort((cutoffs, codes)), np.bincount(codes)
    small, filled = [0], 0
    for place, size in enumerate(sizes.tolist()):
        if filled >= _PART_ROWS:
            small.append(place)
            filled = 0
        filled += size
    edges = np.concatenate([[0], np.cumsum(sizes)])[[*_spaced(small), len(sizes)]]
    return [order[begin:end] for begin, end in pairwise(edges.tolist())]


def _spaced(starts: list[int]) -> list[int]:
    """The first start, the newest ones, and ever fewer between them."""
    back, picked = 1, []
    while back < len(starts):
        picked.append(starts[-back])
        back += 1 if back < _NEWEST_PARTS else back // 2
    return [starts[0], *reversed(picked)]


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
