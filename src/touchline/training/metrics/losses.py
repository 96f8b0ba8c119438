"""Losses per row, so that two models can be compared row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import UnknownScore

Array = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]

# A probability of exactly 0 for what happened would cost infinity; scikit-learn clips at the same place.
_SMALLEST: Final = float(np.finfo(np.float64).eps)

FEW_ROWS: Final = 1000
"""Below so many evaluated rows, chance decides much of what a comparison of models sees."""


def one_hot(labels: Labels, classes: int) -> Array:
    """Rows of zeros with a one at the label's place."""
    return np.eye(classes, dtype=np.float64)[np.asarray(labels, dtype=np.int64)]


def log_loss_rows(labels: Labels, probabilities: Array) -> Array:
    """Minus the log of the probability given to what happened.

    >>> log_loss_rows(np.array([1]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    chosen = probabilities[np.arange(len(labels)), np.asarray(labels, dtype=np.int64)]
    return np.asarray(-np.log(np.clip(chosen, _SMALLEST, 1.0)))


def brier_rows(labels: Labels, probabilities: Array) -> Array:
    """Squared error of the probabilities: of the second class when there are two, else summed over all."""
    if probabilities.shape[1] == 2:
        return np.asarray((probabilities[:, 1] - labels) ** 2)
    return np.asarray(((probabilities - one_hot(labels, probabilities.shape[1])) ** 2).sum(axis=1))


def rps_rows(labels: Labels, probabilities: Array) -> Array:
    """Ranked probability score: squared error of the cumulative probabilities, for classes that have an order."""
    classes = probabilities.shape[1]
    gap = np.cumsum(probabilities - one_hot(labels, classes), axis=1)[:, :-1]
    return np.asarray((gap**2).sum(axis=1) / (classes - 1))


def squared_error_rows(labels: Labels, values: Array) -> Array:
    return np.asarray((values[:, 0] - labels) ** 2)


def absolute_error_rows(labels: Labels, values: Array) -> Array:
    return np.asarray(np.abs(values[:, 0] - labels))


CLASSIFICATION_LOSSES: Final[dict[str, Callable[[Labels, Array], Array]]] = {
    "log_loss": log_loss_rows,
    "brier": brier_rows,
    "rps": rps_rows,
}
REGRESSION_LOSSES: Final[dict[str, Callable[[Labels, Array], Array]]] = {
    "mse": squared_error_rows,
    "mae": absolute_error_rows,
}


def loss_rows(name: str, labels: Labels, predictions: Array) -> Array:
    """The loss of each row under a proper score, by the score's name."""
    known = CLASSIFICATION_LOSSES | REGRESSION_LOSSES
    if name not in known:
        raise UnknownScore(name, sorted(known))
    return known[name](labels, predictions)


def surprise_loss(name: str, probabilities: Array) -> float:
    """The mean loss of these rows if each had another class than the likeliest, by the model's own probabilities.

    One more such row is added to those that were seen, as in Laplace's rule of succession: on few rows a model that is
    sure and has met no surprise yet looks better than it is, and its next surprise costs it this much.
    """
    likeliest = probabilities.argmax(axis=1)
    others = np.where(one_hot(likeliest, probabilities.shape[1]) > 0, 0.0, np.clip(probabilities, _SMALLEST, 1.0))
    shares = others / others.sum(axis=1, keepdims=True)
    losses = [loss_rows(name, np.full(len(probabilities), c), probabilities) for c in range(probabilities.shape[1])]
    return float((shares * np.stack(losses, axis=1)).sum(axis=1).mean())
