"""How many units carry the spread of a mean: few where rare large values make up most of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from touchline.statistics.samples import FloatArray


@dataclass(frozen=True)
class EffectiveSize:
    """Sums of second and fourth powers of values so far, as observed and as expected before each outcome.

    The size is (Σ x²)² / Σ x⁴: as many values of equal size would have these sums. A limit theorem for the mean needs
    it to be large; the count alone is no sign, since 1,000 events with 2 disasters have an effective size near 2. The
    expected sums count disasters that could have occurred and did not.
    """

    observed_second: float = 0.0
    observed_fourth: float = 0.0
    expected_second: float = 0.0
    expected_fourth: float = 0.0

    def update(self, values: FloatArray, square: FloatArray, fourth: FloatArray) -> tuple[Self, FloatArray]:
        """The state after a batch, and the smaller of the observed and the expected size after each value.

        >>> size, path = EffectiveSize().update(np.array([1.0, 1, 1, 10]), np.ones(4), np.ones(4))
        >>> path.round(2).tolist()
        [1.0, 2.0, 3.0, 1.06]
        """
        starts = (self.observed_second, self.observed_fourth, self.expected_second, self.expected_fourth)
        sums = [
            start + np.cumsum(powers)
            for start, powers in zip(starts, (values**2, values**4, square, fourth), strict=True)
        ]
        path = np.minimum(_size(sums[0], sums[1]), _size(sums[2], sums[3]))
        return type(self)(*(float(each[-1]) for each in sums)), path

    @property
    def smaller(self) -> float:
        """The size now, observed or expected; infinite while all values are 0."""
        second = np.array([self.observed_second, self.expected_second])
        return float(_size(second, np.array([self.observed_fourth, self.expected_fourth])).min())


def _size(second: FloatArray, fourth: FloatArray) -> FloatArray:
    """Infinite where all values are 0: nothing is uncertain."""
    return np.divide(second**2, fourth, out=np.full_like(second, np.inf), where=fourth > 0)
