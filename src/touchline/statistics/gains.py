"""The gain of a new model over the old one per unit, with its range as known before the outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.samples import FloatArray, open_probability

Loss = Literal["log_loss", "brier", "rps"]
# Probabilities are clipped before a log loss, so that one event can lose at most log(0.995 / 0.005) = 5.3.
CLIP = 0.005
# A variance up to a quarter above that of independent rows counts as uncorrelated: a z of 1.64 is then 1.47.
_ALLOWED_INFLATION = 1.25


@dataclass(frozen=True)
class Gains:
    """Loss of the old model minus loss of the new one, per unit in time order: positive where the new one is better.

    All but `values` are known before the outcomes. `least` and `most` are the smallest and largest possible gain.
    `expected_if_new` and `expected_if_old` are the expected gains where that model's probabilities are right;
    `square` and `fourth` are the expected second and fourth powers of the gain.
    """

    values: FloatArray
    least: FloatArray
    most: FloatArray
    expected_if_new: FloatArray
    expected_if_old: FloatArray
    square: FloatArray
    fourth: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, first: int, end: int) -> Gains:
        """The gains of a run of units, such as one batch."""
        return Gains(**{name: array[first:end] for name, array in vars(self).items()})


@dataclass(frozen=True)
class WithinDayCorrelation:
    """The correlation of gains within a day, and the factor by which it inflates the variance of their mean.

    `highest_inflation` is an upper 95 % bound; `is_uncorrelated` asks for at most 1.25 there.
    """

    correlation: float
    inflation: float
    highest_inflation: float
    days: int

    @property
    def is_uncorrelated(self) -> bool:
        return self.highest_inflation <= _ALLOWED_INFLATION


def paired_gains(
    new: ArrayLike, old: ArrayLike, outcomes: ArrayLike, *, loss: Loss = "log_loss", clip: float = CLIP
) -> Gains:
    """The gains of two models that predicted the same events.

    `new` and `old` are probabilities of class 1, or a row of probabilities per event and a column per class;
    `outcomes` are class numbers. Raises `InvalidSample` for values that are no probabilities or classes.

    >>> paired_gains([0.8], [0.5], [1]).values.round(3).tolist()
    [0.47]
    """
    new_probabilities, old_probabilities = _probability_rows(new), _probability_rows(old)
    if new_probabilities.shape != old_probabilities.shape:
        shapes = f"{new_probabilities.shape} and {old_probabilities.shape}"
        raise InvalidSample(
            "Gains of paired predictions", f"predictions of shapes {shapes}", "one shape for both models"
        )
    open_probability("Gains of paired predictions", "clip", clip)
    classes = _class_numbers(outcomes, new_probabilities.shape)
    by_class = _losses(old_probabilities, loss, clip) - _losses(new_probabilities, loss, clip)
    middle = (new_probabilities + old_probabilities) / 2
    return Gains(
        values=by_class[np.arange(len(classes)), classes],
        least=by_class.min(axis=1),
        most=by_class.max(axis=1),
        expected_if_new=(new_probabilities * by_class).sum(axis=1),
        expected_if_old=(old_probabilities * by_class).sum(axis=1),
        square=(middle * by_class**2).sum(axis=1),
        fourth=(middle * by_class**4).sum(axis=1),
    )


def day_gains(gains: Gains, days: ArrayLike) -> Gains:
    """The mean gain of each day, days in time order: the unit where matches of one day are dependent.

    >>> gains = paired_gains([0.8, 0.7, 0.6], [0.5, 0.5, 0.5], [1, 0, 1])
    >>> len(day_gains(gains, ["sat", "sat", "sun"]))
    2
    """
    codes = cluster_codes(days, len(gains))
    sizes = np.bincount(codes)
    means = Gains(**{name: cluster_sums(array, codes) / sizes for name, array in vars(gains).items()})
    # Expected as for independent matches: a wrong guess costs power, while the bets rest on `least` alone.
    square = means.square / sizes
    pairs = square**2 - cluster_sums(gains.square**2, codes) / sizes**4
    return replace(means, square=square, fourth=means.fourth / sizes**3 + 3 * pairs)


def within_day_correlation(gains: Gains, days: ArrayLike) -> WithinDayCorrelation:
    """Whether gains of one day are uncorrelated, as counting match by match needs.

    The inflation is the squared sum of each day's centred gains over the sum of their squares (the design effect of
    cluster sampling, Kish 1965), with a standard error over days.
    """
    codes = cluster_codes(days, len(gains))
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        return WithinDayCorrelation(float("nan"), float("nan"), float("inf"), len(sizes))
    centred = gains.values - gains.values.mean()
    together, apart = cluster_sums(centred, codes) ** 2, cluster_sums(centred**2, codes)
    if not apart.sum():
        return WithinDayCorrelation(0.0, 1.0, 1.0, len(sizes))
    inflation = float(together.sum() / apart.sum())
    error = sqrt(float(((together - inflation * apart) ** 2).sum())) / float(apart.sum())
    pairs = float((sizes * (sizes - 1)).sum() / sizes.sum())
    return WithinDayCorrelation(
        correlation=(inflation - 1) / pairs if pairs else 0.0,
        inflation=inflation,
        highest_inflation=inflation + NormalDist().inv_cdf(0.95) * error if pairs else 1.0,
        days=len(sizes),
    )


def class_losses(probabilities: ArrayLike, loss: Loss, clip: float = CLIP) -> FloatArray:
    """The loss of every event for every class that could happen, as [events, classes].

    >>> class_losses([[0.2, 0.8]], "brier").round(2).tolist()
    [[0.64, 0.04]]
    """
    return _losses(_probability_rows(probabilities), loss, clip)


def largest_loss(loss: Loss, classes: int, clip: float = CLIP) -> float:
    """The largest loss of one event.

    >>> round(largest_loss("log_loss", 2), 2), largest_loss("brier", 3)
    (5.3, 2.0)
    """
    if classes < 2:
        raise InvalidSample("The largest loss", f"{classes} class", "2 classes or more")
    open_probability("The largest loss", "clip", clip)
    if loss == "log_loss":
        return -log(clip)
    return 2.0 if loss == "brier" and classes > 2 else 1.0


def _losses(probabilities: FloatArray, loss: Loss, clip: float) -> FloatArray:
    """The loss of every event for every class that could happen."""
    if loss == "log_loss":
        return np.asarray(-np.log(probabilities.clip(clip, 1 - clip)))
    if loss == "rps":
        classes = np.arange(probabilities.shape[1])
        is_reached = classes[:, None] <= classes[:-1]  # for each class: the cumulative outcome at each cut
        gaps = np.cumsum(probabilities, axis=1)[:, None, :-1] - is_reached
        return np.asarray((gaps**2).sum(axis=2) / len(classes[:-1]))
    # Σ_j (p_j - [j = k])² = Σ_j p_j² - 2 p_k + 1
    multiclass = (probabilities**2).sum(axis=1, keepdims=True) - 2 * probabilities + 1
    return np.asarray(multiclass / 2 if probabilities.shape[1] == 2 else multiclass)


def _probability_rows(values: ArrayLike) -> FloatArray:
    numbers = np.asarray(values, dtype=np.float64)
    rows = np.stack([1 - numbers, numbers], axis=1) if numbers.ndim == 1 else numbers
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InvalidSample("Gains of paired predictions", f"predictions of shape {numbers.shape}", "rows of classes")
    if not (np.isfinite(rows).all() and (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-6)):
        raise InvalidSample(
            "Gains of paired predictions", "rows that are no probabilities", "numbers from 0 to 1 that sum to 1"
        )
    return rows


def _class_numbers(outcomes: ArrayLike, shape: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    numbers = np.asarray(outcomes, dtype=np.float64)
    allowed = f"{shape[0]} class numbers from 0 to {shape[1] - 1}"
    if numbers.shape != (shape[0],):
        raise InvalidSample("Gains of paired predictions", f"outcomes of shape {numbers.shape}", allowed)
    if not np.isin(numbers, np.arange(shape[1])).all():
        raise InvalidSample("Gains of paired predictions", "outcomes that are no class numbers", allowed)
    return numbers.astype(np.int64)
