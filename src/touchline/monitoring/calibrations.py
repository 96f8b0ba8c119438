"""Corrections of probabilities by labelled rows, each counted by how well it foretold later ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import estimate_prior_shift, with_prior
from touchline.training import loss_rows

Array = NDArray[np.float64]

_SMALLEST: Final = 1e-6
# The newest labelled rows are cut into at most so many blocks, each foretold by the rows before it.
_MOST_BLOCKS: Final = 10
_LEAST_BLOCK: Final = 30
# Labelled rows of three blocks lie before the first one foretold; the newest of these has no label yet, as it were.
_BLOCKS_BEFORE: Final = 3
# The half-life of the correction that follows slow changes, in blocks.
_HALF_LIFE: Final = 4.0
# A correction that counts less than this is not fitted.
_LEAST_SHARE: Final = 0.001


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled rows in order of time: probabilities [rows, classes] and class numbers [rows]."""

    probabilities: Array
    labels: Array

    def first(self, rows: int) -> Labelled:
        return Labelled(self.probabilities[:rows], self.labels[:rows])


@dataclass(frozen=True, eq=False)
class Calibration:
    """A mixture of three corrections of probabilities: none, one of the newest labelled rows, one of all of them.

    `shares` are their weights. `variance` is that of the errors which its estimates of the mean loss of past blocks had
    beyond the chance of sampling, and `blocks` the number of these; 0 and 0 where there were too few rows to try it.
    `takes_shares` is False where new class shares, found in past blocks, foretold their outcomes worse than the old
    ones: inputs that move probabilities look like new shares.
    """

    score: str
    shares: tuple[float, float, float]
    half_life: float
    variance: float = 0.0
    blocks: int = 0
    takes_shares: bool = True

    def calibrated(self, labelled: Labelled, probabilities: Array, weights: Array | float = 1.0) -> Array:
        """The corrected probabilities [rows, classes]; `weights` are those of the labelled rows."""
        as_is, newest, everything = self.shares
        mixed = as_is * probabilities
        if newest >= _LEAST_SHARE:
            mixed = mixed + newest * _of_newest(labelled, self.half_life, weights)(probabilities)
        if everything >= _LEAST_SHARE:
            mixed = mixed + everything * calibration(labelled, weights)(probabilities)
        corrected: Array = mixed / mixed.sum(axis=1, keepdims=True)
        return corrected


def tried_calibration(score: str, labelled: Labelled, *, size: int, design_effect: float = 1.0) -> Calibration:
    """The mixture that past labelled rows speak for, with the errors that it made on them.

    The newest labelled rows are cut into blocks of `size` rows or less. Each is foretold from the rows before it,
    except those of the last block, as outcomes come late. The shares are the Bayesian ones for three models of equal
    prior weight: proportional to the likelihood of the blocks, whose logarithm is divided by `design_effect`, since
    rows of one cluster repeat each other. Without three such blocks, all rows count in one correction.
    """
    rows = len(labelled.labels)
    length = min(size, rows // (_BLOCKS_BEFORE + 3))
    everything = Calibration(score, (0.0, 0.0, 1.0), _HALF_LIFE * max(length, 1))
    if length < _LEAST_BLOCK:
        return everything
    blocks = min(_MOST_BLOCKS, rows // length - _BLOCKS_BEFORE)
    likelihood, past, errors, gain_of_shares = np.zeros(3), [np.zeros(3)], [], 0.0
    for start in range(rows - blocks * length, rows, length):
        block = Labelled(*(part[start : start + length] for part in (labelled.probabilities, labelled.labels)))
        known_rows = labelled.first(start - length)
        by_newest, by_all = _of_newest(known_rows, everything.half_life), calibration(known_rows)
        each = np.array([block.probabilities, by_newest(block.probabilities), by_all(block.probabilities)])
        known = past[-2] if len(past) > 1 else past[-1]
        foretold = np.tensordot(_shares(known, design_effect), each, axes=1)
        with_shares = _with_new_shares(known_rows, by_all, foretold, design_effect)
        gain_of_shares += float(np.log(_of_labels(with_shares, block) / _of_labels(foretold, block)).sum())
        mean, variance = expected_loss(score, foretold, block.probabilities)
        measured = float(loss_rows(score, block.labels, block.probabilities).mean())
        errors.append((float(mean.mean()) - measured) ** 2 - float(variance.sum()) / length**2 * design_effect)
        likelihood = likelihood + [-float(loss_rows("log_loss", block.labels, one).sum()) for one in each]
        past.append(likelihood)
    first, second, third = _shares(likelihood, design_effect).tolist()
    variance_beyond = max(0.0, float(np.mean(errors)))
    takes_shares = gain_of_shares >= 0
    return Calibration(score, (first, second, third), everything.half_life, variance_beyond, blocks, takes_shares)


def calibration(labelled: Labelled, weights: Array | float = 1.0) -> Callable[[Array], Array]:
    """A multinomial logistic correction of the log probabilities; the probabilities as they are for one class."""
    from sklearn.linear_model import LogisticRegression

    labels = labelled.labels.astype(np.int64)
    if len(np.unique(labels)) < labelled.probabilities.shape[1]:
        return lambda probabilities: probabilities
    model: Any = LogisticRegression(C=10.0, max_iter=200)
    model.fit(
        _log_odds(labelled.probabilities),
        labels,
        sample_weight=np.broadcast_to(weights, labels.shape).astype(np.float64),
    )
    return lambda probabilities: np.asarray(model.predict_proba(_log_odds(probabilities)))


def expected_loss(score: str, calibrated: Array, predicted: Array) -> tuple[Array, Array]:
    """Mean and variance of the loss of each row, if classes come with their calibrated probabilities."""
    classes = predicted.shape[1]
    losses = np.column_stack([loss_rows(score, np.full(len(predicted), place), predicted) for place in range(classes)])
    mean = (calibrated * losses).sum(axis=1)
    return mean, (calibrated * losses**2).sum(axis=1) - mean**2


def _of_newest(labelled: Labelled, half_life: float, weights: Array | float = 1.0) -> Callable[[Array], Array]:
    """The correction in which a row counts half as much with each half-life of rows after it."""
    age = np.arange(len(labelled.labels))[::-1]
    return calibration(labelled, weights * np.exp2(-age / half_life))


def _with_new_shares(
    labelled: Labelled, by_all: Callable[[Array], Array], probabilities: Array, design_effect: float
) -> Array:
    """The probabilities under the class shares behind them, where these are shown to be others."""
    if len(np.unique(labelled.labels)) < probabilities.shape[1]:
        return probabilities
    reference = by_all(labelled.probabilities)
    prior = estimate_prior_shift(probabilities, reference, labelled.labels, design_effect=design_effect)
    return with_prior(probabilities, prior.before, prior.now) if prior.is_shift() else probabilities


def _of_labels(probabilities: Array, block: Labelled) -> Array:
    chosen: Array = probabilities[np.arange(len(block.labels)), block.labels.astype(np.int64)]
    return np.clip(chosen, _SMALLEST, 1.0)


def _shares(likelihood: Array, design_effect: float) -> Array:
    relative = np.exp((likelihood - likelihood.max()) / design_effect)
    return np.asarray(relative / relative.sum())


def _log_odds(probabilities: Array) -> Array:
    """The log of each probability relative to the last one: [rows, classes - 1]."""
    logs = np.log(np.clip(probabilities, _SMALLEST, 1.0))
    return np.asarray(logs[:, :-1] - logs[:, -1:])
