"""Split-conformal prediction intervals for numbers, whose width follows the predicted value.

Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), "Distribution-free predictive inference for regression": of the
absolute errors on rows that a fit has not seen, the one that the declared share of a next row's errors stays within.
Large values mostly have larger errors than small ones, so the rows are grouped by predicted value and each group has a
width of its own: Boström & Johansson (2020), "Mondrian conformal regressors". Coverage holds on average over the rows
of each group. NumPy only: serving restores it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# 0.9 of 10 rows is 9 of them, whatever binary fractions make of it.
_ROUNDING: Final = 1e-9
_GROUP_ROWS: Final = 200
_MOST_GROUPS: Final = 10


@dataclass(frozen=True)
class PredictionInterval:
    """Value ± half width covers the observed value in the share `coverage`; computed from `rows` rows.

    `edges` separate the groups of predicted values: `half_widths[i]` holds from `edges[i - 1]` to below `edges[i]`.
    """

    half_widths: tuple[float, ...]
    edges: tuple[float, ...]
    coverage: float
    rows: int

    def around(self, value: float) -> tuple[float, float]:
        """The ends of the interval of a predicted value.

        >>> interval = PredictionInterval((2.0, 8.0), (10.0,), 0.9, 100)
        >>> interval.around(5.0), interval.around(10.0)
        ((3.0, 7.0), (2.0, 18.0))
        """
        half_width = self.half_widths[bisect_right(self.edges, value)]
        return value - half_width, value + half_width

    def half_widths_of(self, values: Array) -> Array:
        """The half width of each predicted value [rows]."""
        return np.array(self.half_widths)[np.searchsorted(np.array(self.edges), values, side="right")]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PredictionInterval:
        widths, edges = tuple(map(float, record["half_widths"])), tuple(map(float, record["edges"]))
        return cls(widths, edges, float(record["coverage"]), int(record["rows"]))


def conformal_interval(errors: Array, predicted: Array, coverage: float) -> PredictionInterval | None:
    """The interval that the errors of these predicted values support; None where they are too few for the coverage.

    Each group has at least 200 rows, there are at most 10 groups, and equal values are in one group.

    >>> conformal_interval(np.arange(1.0, 20.0), np.zeros(19), 0.9)
    PredictionInterval(half_widths=(18.0,), edges=(), coverage=0.9, rows=19)
    >>> conformal_interval(np.arange(1.0, 9.0), np.zeros(8), 0.9) is None
    True
    """
    edges = _edges(predicted, max(1, min(_MOST_GROUPS, len(predicted) // _GROUP_ROWS)))
    group = np.searchsorted(edges, predicted, side="right")
    widths = [_half_width(errors[group == place], coverage) for place in range(len(edges) + 1)]
    if any(width is None for width in widths):
        edges, widths = np.array([]), [_half_width(errors, coverage)]
    if widths[0] is None:
        return None
    return PredictionInterval(tuple(w for w in widths if w is not None), tuple(edges.tolist()), coverage, len(errors))


def _edges(predicted: Array, groups: int) -> Array:
    """The lower ends of all groups but the first; a value that many rows share makes fewer groups."""
    ends: Array = np.unique(np.quantile(predicted, np.arange(1, groups) / groups, method="higher"))
    above: Array = ends[ends > predicted.min()]
    return above


def _half_width(errors: Array, coverage: float) -> float | None:
    place = ceil((len(errors) + 1) * coverage - _ROUNDING)
    return float(np.sort(np.abs(errors))[place - 1]) if place <= len(errors) else None
