"""Split-conformal prediction intervals for numbers, one width for all rows.

Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), "Distribution-free predictive inference for regression": of the
absolute errors on rows that a fit has not seen, the one that the declared share of a next row's errors stays within.
It promises coverage on average over rows that are like the ones it was found on. NumPy only: serving restores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# 0.9 of 10 rows is 9 of them, whatever binary fractions make of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PredictionInterval:
    """Value ± `half_width` covers the observed value in the share `coverage`; computed from `rows` rows."""

    half_width: float
    coverage: float
    rows: int

    def around(self, value: float) -> tuple[float, float]:
        """The ends of the interval of a predicted value.

        >>> PredictionInterval(2.0, 0.9, 100).around(5.0)
        (3.0, 7.0)
        """
        return value - self.half_width, value + self.half_width

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PredictionInterval:
        return cls(float(record["half_width"]), float(record["coverage"]), int(record["rows"]))


def conformal_interval(errors: Array, coverage: float) -> PredictionInterval | None:
    """The interval that these errors support; None where they are too few for so large a share.

    >>> conformal_interval(np.arange(1.0, 20.0), 0.9)
    PredictionInterval(half_width=18.0, coverage=0.9, rows=19)
    >>> conformal_interval(np.arange(1.0, 9.0), 0.9) is None
    True
    """
    place = ceil((len(errors) + 1) * coverage - _ROUNDING)
    if place > len(errors):
        return None
    return PredictionInterval(float(np.sort(np.abs(errors))[place - 1]), coverage, len(errors))
