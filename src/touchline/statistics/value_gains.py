"""The gain of a new model over the old one where both predict numbers, with its range as known before the outcome."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.gains import Gains
from touchline.statistics.samples import FloatArray, finite_sample

ValueLoss = Literal["mse", "mae"]
_STATISTIC = "Gains of predicted numbers"


def value_gains(
    new: ArrayLike, old: ArrayLike, outcomes: ArrayLike, *, bounds: tuple[float, float], spread: float, loss: ValueLoss
) -> Gains:
    """The gains of two models that predicted the same numbers, one an event.

    Outcomes are clipped to `bounds`, so that the gain of an event has a range; a rare outcome beyond them counts as if
    it lay there. `spread` is the standard deviation of an outcome around a good prediction, for the sizes of the bets
    alone: a wrong one costs power and no validity.

    >>> value_gains([2.0], [4.0], [1.0], bounds=(0.0, 10.0), spread=1.0, loss="mse").values.tolist()
    [8.0]
    """
    ours, theirs, observed = (finite_sample(_STATISTIC, values, least=0) for values in (new, old, outcomes))
    if not ours.shape == theirs.shape == observed.shape:
        shapes = f"{ours.shape}, {theirs.shape} and {observed.shape}"
        raise InvalidSample(_STATISTIC, f"values of shapes {shapes}", "one prediction of each model an outcome")
    low, high = bounds
    if not (low < high and spread > 0):
        raise InvalidSample(_STATISTIC, f"bounds {low:g} to {high:g} and a spread of {spread:g}", "low < high, above 0")
    ends = [_gains(ours, theirs, np.full(len(ours), end), loss) for end in bounds]
    apart = ours - theirs
    # The absolute loss is linear in the outcome beyond both predictions, the squared one everywhere.
    square = 4 * (apart * spread) ** 2 if loss == "mse" else apart**2
    expected = apart**2 if loss == "mse" else apart**2 / (spread * np.sqrt(2 * np.pi))
    return Gains(
        values=_gains(ours, theirs, observed.clip(low, high), loss),
        least=np.minimum(*ends),
        most=np.maximum(*ends),
        expected_if_new=expected,
        expected_if_old=-expected,
        square=square,
        fourth=3 * square**2,
    )


def value_losses(predictions: ArrayLike, outcomes: ArrayLike, loss: ValueLoss) -> FloatArray:
    """The loss of every prediction.

    >>> value_losses([1.0, 4.0], [3.0, 3.0], "mae").tolist()
    [2.0, 1.0]
    """
    predicted, observed = (finite_sample(_STATISTIC, values, least=0) for values in (predictions, outcomes))
    if predicted.shape != observed.shape:
        shapes = f"{predicted.shape} and {observed.shape}"
        raise InvalidSample(_STATISTIC, f"values of shapes {shapes}", "one prediction an outcome")
    apart = observed - predicted
    return np.asarray(apart**2 if loss == "mse" else np.abs(apart))


def _gains(new: FloatArray, old: FloatArray, outcomes: FloatArray, loss: ValueLoss) -> FloatArray:
    return value_losses(old, outcomes, loss) - value_losses(new, outcomes, loss)
