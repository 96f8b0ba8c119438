"""One fit of one recipe: prepare, balance, fit, and correct the probabilities.

Everything here is fitted on the rows it is given and on no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.data.balance import balanced_weights, fit_oversampled
from touchline.training.data.column_power import most_telling
from touchline.training.data.rows import LabelledRows
from touchline.training.data.splits import FitWindow
from touchline.training.estimators.base import Deadline, Family, FitRequest, FitRows, Fitted, ParamValue
from touchline.training.estimators.cores import library_threads, usable_cores
from touchline.training.fitting.blend import Blend, BlendFamily, Member, pool_of
from touchline.training.fitting.calibration import (
    NO_CALIBRATION,
    Calibrator,
    choose_calibration,
    fit_calibrator,
)
from touchline.training.fitting.category_means import CATEGORIES, SETTING, Categories, prepare_for_trees
from touchline.training.fitting.model import Model
from touchline.training.fitting.preparation import Preparation, fit_preparation, no_preparation
from touchline.training.fitting.recent_rows import newer_parts, recent_rows
from touchline.training.fitting.recipe import Recipe

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# So many validation rows hardly flatter the fit that they tell when to stop.
_ENOUGH_TO_STOP: Final = 500


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for validation rows by fits that have not seen them, and what those fits settled.

    `seconds` is what these fits would take again: the first one may have loaded its library.
    """

    rows: Index
    predictions: Array
    settled: Mapping[str, ParamValue]
    windows: tuple[Index, ...]
    seconds: float = 0.0


def fit_estimator(
    recipe: Recipe,
    family: Family,
    rows: LabelledRows,
    *,
    validation: LabelledRows | None = None,
    deadline: Deadline | None = None,
) -> tuple[Preparation, Fitted]:
    """Preparation and estimator of the recipe on these rows; early stopping looks at `validation` where given."""
    if recipe.looks_back:
        rows = rows.at(_learned_rows(recipe, family, rows, deadline))
        recipe = recipe.on_all_rows()
    if recipe.members:
        return no_preparation(rows.columns), _fit_members(recipe, family, rows)
    with library_threads(recipe.threads):
        return _fit_one(recipe, family, rows, validation, deadline)


def _learned_rows(recipe: Recipe, family: Family, rows: LabelledRows, deadline: Deadline | None = None) -> Index:
    """The rows that a recipe learns from which chooses how far back; of a blend its heaviest such member chooses."""
    recent = [
        (weight, member) for weight, member in zip(recipe.weights, recipe.members, strict=True) if member.is_recent
    ]
    chooser = max(recent, key=lambda one: one[0])[1] if recent else recipe
    own = family.family_of(chooser.family) if recent and isinstance(family, BlendFamily) else family

    def predict(fit: LabelledRows, held: LabelledRows) -> Array:
        preparation, fitted = fit_estimator(chooser.on_all_rows(), own, fit, deadline=deadline)
        return fitted.predict(preparation.transform(held.vectors))

    return recent_rows(rows, predict)


def _fit_one(
    recipe: Recipe, family: Family, rows: LabelledRows, validation: LabelledRows | None, deadline: Deadline | None
) -> tuple[Preparation, Fitted]:
    preparation, matrix = _prepared(recipe, family, rows)
    weights = balanced_weights(rows.labels) if recipe.class_weight == "balanced" else None
    held = FitRows(preparation.transform(validation.vectors), validation.labels) if validation is not None else None
    request = FitRequest(
        kind=rows.kind,
        classes=len(rows.classes),
        fit=FitRows(matrix, rows.labels, weights),
        validation=held,
        params=recipe.params if family.layout == "dense" else _own_params(recipe),
        seed=recipe.seed,
        threads=recipe.threads,
        categorical=preparation.categorical,
        names=preparation.names if preparation.layout == family.layout else (),
        deadline=deadline or Deadline(),
    )
    return preparation, fit_oversampled(family, request) if recipe.smote else family.fit(request)


def _prepared(recipe: Recipe, family: Family, rows: LabelledRows) -> tuple[Preparation, Array]:
    """The preparation and the matrix to fit on."""
    column_subset = most_telling(rows, recipe.most_columns) if recipe.most_columns else None
    # Oversampling draws lines between rows, which neither nulls nor codes have.
    if family.layout == "trees" and not recipe.smote:
        return prepare_for_trees(rows, _categories(recipe), seed=recipe.seed, column_subset=column_subset)
    preparation = fit_preparation("dense", rows.columns, rows.vectors, column_subset=column_subset)
    return preparation, preparation.transform(rows.vectors)


def _categories(recipe: Recipe) -> Categories:
    """The encoding of categories for trees; it is one of the settings, which are declared and searched."""
    asked = recipe.params.get(SETTING, "codes")
    found = next((known for known in CATEGORIES if known == asked), None)
    if found is None:
        raise ValueError(f"{SETTING} is {asked!r}; it may be {', '.join(CATEGORIES)}")
    return found


def _own_params(recipe: Recipe) -> dict[str, ParamValue]:
    """The settings that are the library's."""
    return {name: value for name, value in recipe.params.items() if name != SETTING}


def _fit_members(recipe: Recipe, family: Family, rows: LabelledRows) -> Fitted:
    def fitted(member: Recipe, weight: float) -> Member:
        own = family.family_of(member.family) if isinstance(family, BlendFamily) else family
        return Member(member.family, *fit_estimator(member, own, rows), weight)

    with ThreadPoolExecutor(max(1, usable_cores() // recipe.threads)) as pool:
        return Blend(tuple(pool.map(fitted, recipe.members, recipe.weights)), pool_of(recipe.params))


def fit_out_of_fold(
    recipe: Recipe,
    family: Family,
    rows: LabelledRows,
    windows: Sequence[FitWindow],
    *,
    deadline: Deadline | None = None,
    watch: Callable[[LabelledRows, Array], None] | None = None,
) -> OutOfFold:
    """Predictions for every window's validation rows, each by a fit on what was known before it.

    A fit that stops early is flattered by the rows that tell it when. Where those are few, the predictions come from a
    second fit, with the settings that the other windows settled. `watch` sees each window's rows and predictions, and
    may raise to end it.
    """
    outputs, settled, took = [], [], []
    for window in windows:
        began = time.perf_counter()
        (deadline or Deadline()).validate(recipe.candidate)
        held = rows.at(window.validation)
        preparation, fitted = fit_estimator(recipe, family, rows.at(window.fit), validation=held, deadline=deadline)
        outputs.append(fitted.predict(preparation.transform(held.vectors)))
        settled.append(fitted.settled)
        took.append(time.perf_counter() - began)
        if watch:
            watch(held, outputs[-1])
    if len(windows) > 1 and _stopped_early(settled):
        for place, window in enumerate(windows):
            if len(window.validation) < _ENOUGH_TO_STOP:
                params = {**recipe.params, **_middle(settled[:place] + settled[place + 1 :])}
                outputs[place] = _predicted(replace(recipe, params=params), family, rows, window)
    places = tuple(window.validation for window in windows)
    seconds = float(np.median(took)) * len(took)
    return OutOfFold(np.concatenate(places), np.concatenate(outputs), _middle(settled), places, seconds)


def _stopped_early(settled: Sequence[Mapping[str, ParamValue]]) -> bool:
    return all(any(isinstance(value, int) for value in each.values()) for each in settled)


def _predicted(recipe: Recipe, family: Family, rows: LabelledRows, window: FitWindow) -> Array:
    preparation, fitted = fit_estimator(recipe, family, rows.at(window.fit))
    return fitted.predict(preparation.transform(rows.vectors[window.validation]))


def _middle(settled: Sequence[Mapping[str, ParamValue]]) -> dict[str, ParamValue]:
    """The median of what each window's fit settled; the last word where it is no number."""
    merged: dict[str, ParamValue] = {}
    for name in settled[-1] if settled else ():
        values = [each[name] for each in settled if name in each]
        numbers = [value for value in values if isinstance(value, int | float)]
        middle = float(np.median(numbers)) if numbers else None
        merged[name] = values[-1] if middle is None else round(middle) if isinstance(values[-1], int) else middle
    return merged


def fit_recipe(
    recipe: Recipe,
    family: Family,
    rows: LabelledRows,
    windows: Sequence[FitWindow],
    *,
    on: Index | None = None,
    calibrator: Calibrator | None = None,
) -> Model:
    """The recipe's model on all rows, or on those that `on` numbers.

    Where the recipe corrects probabilities, the correction is fitted on predictions for the validation rows of
    `windows`, unless one is given. Where it learns from the newest rows alone, the correction comes from these: in the
    windows, fits from before a change predict rows from after it.
    """
    learned = rows if on is None else rows.at(on)
    stretch = _learned_rows(recipe, family, learned) if recipe.looks_back else None
    if stretch is not None and len(stretch) < len(learned):
        recipe, learned = recipe.on_all_rows(), learned.at(stretch)
        calibrator = _correction_within(recipe, family, learned)
    elif calibrator is None:
        calibrator = _fit_correction(recipe, family, rows, windows)
    preparation, fitted = fit_estimator(recipe.on_all_rows(), family, learned)
    return Model(
        kind=rows.kind,
        classes=rows.classes,
        columns=rows.columns,
        family=recipe.family,
        preparation=preparation,
        estimator=fitted,
        calibrator=calibrator,
        threshold=recipe.threshold,
    )


def _correction_within(recipe: Recipe, family: Family, rows: LabelledRows) -> Calibrator:
    """The correction from a stretch of rows: each part of its newer half, predicted by a fit on the rows before.

    Whether it is worth correcting is decided here again, since these rows are fewer.
    """
    if recipe.calibration == "none":
        return NO_CALIBRATION
    windows = newer_parts(rows)
    if not windows:
        return NO_CALIBRATION
    outputs = np.concatenate([_predicted(recipe, family, rows, window) for window in windows])
    labels = np.concatenate([rows.labels[window.validation] for window in windows]).astype(np.int64)
    method = choose_calibration(labels, outputs, (recipe.calibration,), seed=recipe.seed)
    return fit_calibrator(method, labels, outputs)


def _fit_correction(recipe: Recipe, family: Family, rows: LabelledRows, windows: Sequence[FitWindow]) -> Calibrator:
    if recipe.calibration == "none":
        return NO_CALIBRATION
    outputs = np.concatenate([_predicted(recipe, family, rows, window) for window in windows])
    labels = np.concatenate([rows.labels[window.validation] for window in windows])
    return fit_calibrator(recipe.calibration, labels.astype(np.int64), outputs)
