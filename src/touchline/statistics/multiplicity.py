"""Many p-values at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from touchline.statistics.samples import FloatArray, probabilities


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """P-values adjusted so that taking those ≤ q keeps the expected share of false finds ≤ q.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    found = probabilities("Adjusted p-values", p_values)
    order = np.argsort(found)
    scaled = found[order] * len(found) / np.arange(1, len(found) + 1)
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def simes(p_values: ArrayLike) -> float:
    """One p-value for "none of these is a find" (Simes 1986); holds under positive dependence.

    >>> simes([0.02, 0.5])
    0.04
    """
    found = np.sort(probabilities("A combined p-value", p_values))
    return float(min(1.0, (found * len(found) / np.arange(1, len(found) + 1)).min()))
