"""How long labels take to arrive, from those that have arrived so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, open_probability, paired_samples


def maturity_age(delays: ArrayLike, ages: ArrayLike, *, share: float = 0.95) -> float:
    """The age at which `share` of the labels that ever arrive have arrived.

    `delays` are those of labels that are there, `ages` the ages of the same predictions now; both in one unit. A label
    is only seen if its delay is at most the age, so young predictions show short delays only: the distribution is
    corrected for this right truncation (Kalbfleisch and Lawless 1989). It is conditional on the longest age.

    >>> maturity_age([1.0, 1.0, 2.0, 5.0], [10.0, 10.0, 10.0, 10.0], share=0.75)
    2.0
    """
    times, shares = delay_distribution(delays, ages)
    return float(times[np.searchsorted(shares, open_probability("A maturity", "share", share) - 1e-12)])


def delay_distribution(delays: ArrayLike, ages: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The distinct delays in order, and the share of labels that arrive within each, corrected for right truncation.

    >>> [part.tolist() for part in delay_distribution([1.0, 3.0], [2.0, 4.0])]
    [[1.0, 3.0], [0.0, 1.0]]
    """
    delay, age = paired_samples("A distribution of delays", delays, ages)
    if (delay > age).any():
        first = int((delay > age).argmax())
        actual = f"the delay {delay[first]:g} of a prediction of age {age[first]:g}"
        raise InvalidSample("A distribution of delays", actual, "delays up to the age")
    times, events = np.unique(delay, return_counts=True)
    # Predictions that could have shown this delay and whose own delay is no longer.
    at_risk = np.searchsorted(np.sort(delay), times, side="right") - np.searchsorted(np.sort(age), times, side="left")
    stays_below = 1 - events / at_risk
    shares = np.append(np.cumprod(stays_below[:0:-1])[::-1], 1.0)
    return times, shares
