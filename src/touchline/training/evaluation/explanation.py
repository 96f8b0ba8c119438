"""Why a model says what it says: what each column adds to a prediction, exactly additive.

Trees and linear models are explained by their own arithmetic, in scores (log-odds); every other model, and every
isotonic correction, by walking from background rows to the explained one, column by column, in the output itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import sigmoid, softmax, two_columns
from touchline.training.estimators.base import Fitted
from touchline.training.estimators.catboost import Catboost
from touchline.training.estimators.lightgbm import Lightgbm
from touchline.training.estimators.linear import Linear
from touchline.training.fitting.linear_base import OnLinearBase
from touchline.training.fitting.model import Model

Array = NDArray[np.float64]
Space = Literal["output", "score"]

_WALKS: Final = 8
# Rows predicted at once while walking.
_BATCH: Final = 20_000


@dataclass(frozen=True)
class ColumnContributions:
    """`base` [outputs] plus the sum of `contributions` [rows, columns, outputs] over the columns is the prediction.

    In the space `output` that is what `Model.predict` returns. In the space `score` a logistic function (one output,
    for the second class) or a softmax lies between: `outputs()` applies it.
    """

    method: Literal["tree", "linear", "permutation"]
    space: Space
    columns: tuple[str, ...]
    base: Array
    contributions: Array

    def outputs(self) -> Array:
        """The predictions that the explanation adds up to, as `Model.predict` returns them."""
        total = self.base + self.contributions.sum(axis=1)
        if self.space == "output":
            return np.asarray(total)
        return two_columns(sigmoid(total[:, 0])) if total.shape[1] == 1 else softmax(total)

    def importance(self) -> dict[str, float]:
        """The mean size of each column's contribution, largest first."""
        sizes = np.abs(self.contributions).mean(axis=(0, 2))
        order = np.argsort(-sizes, kind="stable")
        return {self.columns[place]: float(sizes[place]) for place in order}


def explain(model: Model, vectors: Array, background: Array, *, seed: int = 0) -> ColumnContributions:
    """The explanation of each vector, against background vectors that stand for the usual."""
    columns = tuple(column.name for column in model.columns)
    if not has_exact_explanation(model):
        base, contributions = _walked(model, vectors, background, seed)
        return ColumnContributions("permutation", "output", columns, base, contributions)
    method, base, by_matrix = _exact(model, vectors, background)
    contributions = np.zeros((len(vectors), len(columns), by_matrix.shape[2]))
    for place, origin in enumerate(model.preparation.origins):
        contributions[:, origin] += by_matrix[:, place]
    if model.kind == "regression":
        return ColumnContributions(method, "output", columns, base, contributions)
    slope, offset = _correction(model)
    return ColumnContributions(method, "score", columns, base * slope + offset, contributions * slope)


def has_exact_explanation(model: Model) -> bool:
    """Whether the model's own arithmetic explains it; walking costs a hundred predictions and more per row."""
    corrections = {"none", "temperature", "platt"} if model.kind == "binary" else {"none", "temperature"}
    estimator = model.estimator.estimator if isinstance(model.estimator, OnLinearBase) else model.estimator
    return isinstance(estimator, Catboost | Lightgbm | Linear) and model.calibrator.method in corrections


def _correction(model: Model) -> tuple[float, Array]:
    """The effect of the corrections on the scores (log-odds where there are two classes): a slope and offsets."""
    calibrator, shares = model.calibrator, model.shares
    slope, offset = 1.0, 0.0
    if calibrator.method == "temperature":
        slope = 1.0 / float(calibrator.arrays["temperature"][0])
    if calibrator.method == "platt":
        slope, offset = float(calibrator.arrays["slopes"][0]), float(calibrator.arrays["offsets"][0])
    ratios = np.zeros(len(model.classes)) if shares is None else shares.log_ratios
    return slope, offset + (ratios[1:] - ratios[0] if model.kind == "binary" else ratios)


def _exact(model: Model, vectors: Array, background: Array) -> tuple[Literal["tree", "linear"], Array, Array]:
    matrix, usual = model.preparation.transform(vectors), model.preparation.transform(background)
    if isinstance(model.estimator, OnLinearBase):
        method, base, found = _exact_parts(model.estimator.estimator, matrix, usual)
        line, middle = model.estimator.base, model.estimator.base.parts(usual).mean(axis=0)
        return method, base + line.intercept + middle.sum(), found + (line.parts(matrix) - middle)[:, :, None]
    return _exact_parts(model.estimator, matrix, usual)


def _exact_parts(estimator: Fitted, matrix: Array, usual: Array) -> tuple[Literal["tree", "linear"], Array, Array]:
    if isinstance(estimator, Catboost | Lightgbm):
        found = estimator.contributions(matrix)
        return "tree", found[0, :, -1], found[:, :, :-1].transpose(0, 2, 1)
    assert isinstance(estimator, Linear)
    middle = usual.mean(axis=0)
    weights = estimator.coefficients
    base = weights @ middle + estimator.intercepts
    return "linear", base, (matrix - middle)[:, :, None] * weights.T[None]


def _walked(model: Model, vectors: Array, background: Array, seed: int) -> tuple[Array, Array]:
    """Shapley values by walks in random order and back (antithetic), each from a background row of its own."""
    random = np.random.default_rng(seed)
    width = vectors.shape[1]
    starts = background[random.choice(len(background), _WALKS, replace=len(background) < _WALKS)]
    forward = np.stack([random.permutation(width) for _ in range(_WALKS)])
    orders = np.concatenate([forward, forward[:, ::-1]])
    starts = np.concatenate([starts, starts])
    # Where each column's turn comes; at step s the columns with a turn before s have the explained row's value.
    turns = np.argsort(orders, axis=1)
    taken = turns[:, None, :] < np.arange(width + 1)[None, :, None]
    found = np.zeros((len(vectors), width, len(model.outputs)))
    at_once = max(1, _BATCH // taken[..., 0].size)
    for first in range(0, len(vectors), at_once):
        rows = vectors[first : first + at_once]
        mixed = np.where(taken[None], rows[:, None, None, :], starts[None, :, None, :])
        said = model.predict(mixed.reshape(-1, width)).reshape(*mixed.shape[:3], -1)
        steps = np.diff(said, axis=2)
        by_column = np.take_along_axis(steps, turns[None, :, :, None], axis=2)
        found[first : first + at_once] = by_column.mean(axis=1)
    return model.predict(starts).mean(axis=0), found
