"""Checked inputs of statistics: arrays of finite numbers, probabilities and counts, or `InvalidSample`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample

FloatArray = NDArray[np.float64]


def finite_sample(statistic: str, values: ArrayLike, *, least: int = 1) -> FloatArray:
    """The values as a one-dimensional float array; raises `InvalidSample` for NaN, infinity or too few values.

    >>> finite_sample("A mean", [1, 2]).tolist()
    [1.0, 2.0]
    """
    numbers = number_array(statistic, values)
    if len(numbers) < least:
        raise InvalidSample(statistic, f"{len(numbers)} values", f"finite numbers, at least {least}")
    if count := int((~np.isfinite(numbers)).sum()):
        raise InvalidSample(statistic, f"{len(numbers)} values of which {count} are NaN or infinite")
    return numbers


def number_array(statistic: str, values: ArrayLike) -> FloatArray:
    """The values as a one-dimensional float array, NaN and infinity included; it may be empty."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as unreadable:
        raise InvalidSample(statistic, f"values that are no numbers ({unreadable})") from unreadable
    if numbers.ndim != 1:
        raise InvalidSample(statistic, f"an array of shape {numbers.shape}", "one dimension")
    return numbers


def paired_samples(statistic: str, first: ArrayLike, second: ArrayLike, *, least: int = 1) -> tuple[FloatArray, ...]:
    """Two checked samples of the same length."""
    one, other = finite_sample(statistic, first, least=least), finite_sample(statistic, second, least=least)
    if len(one) != len(other):
        raise InvalidSample(statistic, f"{len(one)} and {len(other)} values", "as many values in both samples")
    return one, other


def counts(statistic: str, values: ArrayLike) -> FloatArray:
    """Counts per level: finite and not negative; zeros are allowed."""
    numbers = finite_sample(statistic, values)
    if (numbers < 0).any():
        raise InvalidSample(statistic, f"the negative count {numbers.min():g}", "counts of 0 or more")
    return numbers


def probabilities(statistic: str, values: ArrayLike) -> FloatArray:
    """P-values or shares: numbers from 0 to 1."""
    numbers = finite_sample(statistic, values)
    if ((numbers < 0) | (numbers > 1)).any():
        outside = numbers[(numbers < 0) | (numbers > 1)][0]
        raise InvalidSample(statistic, f"the probability {outside:g}", "numbers from 0 to 1")
    return numbers


def open_probability(statistic: str, name: str, value: float) -> float:
    """A confidence or an alpha: strictly between 0 and 1."""
    if not 0 < value < 1:
        raise InvalidSample(statistic, f"{name} {value:g}", f"a {name} between 0 and 1, neither included")
    return value
