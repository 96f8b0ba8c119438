"""The world of a simulated year: rows of every week, logistic models that are fitted to them, and true losses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Columns = tuple[int, ...]
WEEKS, WINDOW, TEST = 52, 40, 10
_COMMON = np.array([0.2, 0.6, -0.5, 0.4, 0.3])  # an intercept and the features that every recipe has
PLAIN: Columns = (0, 1, 2, 3, 4)
FULL: Columns = (*PLAIN, 5)
RIVAL: Columns = (*PLAIN, 6)


@dataclass(frozen=True)
class World:
    """Rows a week, the log loss that feature 5 is worth, and how fast the weights turn.

    `has_rival`: feature 6 is worth as much as feature 5. `is_skewed`: feature 5 is random when a model is served, as
    where a training set holds what serving does not know.
    """

    rows: int = 120
    worth: float = 0.01
    drift: float = 0.0
    has_rival: bool = False
    is_skewed: bool = False


class Stream:
    """The rows of all weeks, the fits on parts of them and the true losses."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng
        weeks = WINDOW + WEEKS
        self.week = np.repeat(np.arange(weeks), world.rows)
        self.x = np.column_stack([np.ones(len(self.week)), rng.normal(size=(len(self.week), len(RIVAL)))])
        self.served = self.x.copy()
        if world.is_skewed:
            self.served[:, 5] = rng.normal(size=len(self.week))
        self.weights = np.array([self._weights(week) for week in range(weeks + 1)])
        truth = expit((self.x * self.weights[self.week]).sum(axis=1))
        self.y = (rng.random(len(truth)) < truth).astype(np.float64)

    def _weights(self, week: int) -> Array:
        angle = self.world.drift * max(0, week - WINDOW)
        turned = _COMMON.copy()
        turned[1] = _COMMON[1] * np.cos(angle) - _COMMON[2] * np.sin(angle)
        turned[2] = _COMMON[1] * np.sin(angle) + _COMMON[2] * np.cos(angle)
        worth = weight_worth(self.world.worth)
        return np.append(turned, [worth, worth if self.world.has_rival else 0.0])

    def between(self, first: int, end: int) -> NDArray[np.bool_]:
        return (self.week >= first) & (self.week < end)

    def fit(self, rows: NDArray[np.bool_], columns: Columns, *, shuffled: bool = False) -> Array:
        """Weights of the recipe that reads these columns; `shuffled` spoils the labels of every second row."""
        y = self.y[rows].copy()
        if shuffled:
            y[::2] = self.rng.permutation(y[::2])
        weights = np.zeros(self.x.shape[1])
        weights[list(columns)] = _fit(self.x[rows][:, columns], y)
        return weights

    def predict(self, model: Array, rows: NDArray[np.bool_]) -> Array:
        """Predictions of both classes from the columns of the training set."""
        return _both(expit(self.x[rows] @ model))

    def serve(self, model: Array, week: int) -> Array:
        """Predictions of class 1 for the rows of a week as they are served."""
        return np.asarray(expit(self.served[self.between(week, week + 1)] @ model))

    def true_loss(self, model: Array, week: int) -> float:
        """The expected loss of a model that is served in a week."""
        served = _population()
        if self.world.is_skewed:
            served = served.copy()
            served[:, 5] = np.roll(served[:, 5], 1)
        return _expected_loss(expit(_population() @ self.weights[week]), served @ model)


@cache
def weight_worth(gain: float) -> float:
    """The weight of a feature without which the best model loses this much log loss."""
    low, high, rows = 0.0, 2.0, _population()[:, :6]
    for _ in range(30):
        middle = (low + high) / 2
        weights = np.append(_COMMON, middle)
        truth = expit(rows @ weights)
        without = rows[:, :-1] @ _fit(rows[:, :-1], truth)
        loss = _expected_loss(truth, without) - _expected_loss(truth, rows @ weights)
        low, high = (middle, high) if loss < gain else (low, middle)
    return low


@cache
def _population() -> Array:
    rng = np.random.default_rng(0)
    return np.column_stack([np.ones(20_000), rng.normal(size=(20_000, len(RIVAL)))])


def _both(positive: Array) -> Array:
    return np.column_stack([1 - positive, positive])


def _expected_loss(truth: Array, logits: Array) -> float:
    return float((np.logaddexp(0, logits) - truth * logits).mean())


def _fit(x: Array, y: Array) -> Array:
    """Logistic regression by Newton's method, with a ridge of 1."""
    weights = np.zeros(x.shape[1])
    for _ in range(7):
        p = expit(x @ weights)
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + np.eye(x.shape[1])
        weights = weights + np.linalg.solve(curvature, x.T @ (y - p) - weights)
    return weights
