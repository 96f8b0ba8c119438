"""A family fitted on the residuals of a linear regression: trees cannot continue a trend beyond the rows of the fit.

The base is a ridge regression on the columns of the family's own matrix: numbers scaled, with the mean in place of a
null, and one weight per code of a category. The family learns the difference between the labels and the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, write_arrays
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Params
from touchline.training.fitting.wrapping_family import WrappingFamily

Array = NDArray[np.float64]

PREFIX: Final = "on-linear-"
_STRENGTH: Final = 1.0
# The share of its range that a number may lie beyond it: further away nothing says that the line goes on.
_REACH: Final = 0.5


@dataclass(frozen=True)
class LinearBase:
    """A ridge regression on a matrix of trees.

    `numbers` and `codes` are the places of its columns. The weights of codes lie in one table: those of a column begin
    at its `starts`, and the weight before them is 0, for a null and for a code that the fit has not seen. A number
    beyond `lowest` or `highest` counts as that limit.
    """

    numbers: NDArray[np.int64]
    means: Array
    scales: Array
    lowest: Array
    highest: Array
    weights: Array
    intercept: float
    codes: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    table: Array

    def predict(self, matrix: Array) -> Array:
        return np.asarray(self.parts(matrix).sum(axis=1) + self.intercept)

    def parts(self, matrix: Array) -> Array:
        """What each column of the matrix adds to the prediction [rows, columns]."""
        values = matrix[:, self.numbers]
        filled = np.clip(np.where(np.isnan(values), self.means, values), self.lowest, self.highest)
        codes = matrix[:, self.codes]
        is_known = (codes >= 0) & (codes < self.sizes)
        places = self.starts + np.where(is_known, codes, -1).astype(np.int64)
        # Rows that lie in one piece have the same sum, however many come together.
        added = np.zeros(matrix.shape)
        added[:, self.numbers] = (filled - self.means) / self.scales * self.weights
        added[:, self.codes] = self.table[places]
        return added

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> LinearBase:
        def numbers(name: str) -> Array:
            return arrays[name].astype(np.float64)

        def places(name: str) -> NDArray[np.int64]:
            return arrays[name].astype(np.int64)

        return cls(
            numbers=places("numbers"),
            means=numbers("means"),
            scales=numbers("scales"),
            lowest=numbers("lowest"),
            highest=numbers("highest"),
            weights=numbers("weights"),
            intercept=float(numbers("intercept").item()),
            codes=places("codes"),
            starts=places("starts"),
            sizes=places("sizes"),
            table=numbers("table"),
        )


@dataclass(frozen=True)
class OnLinearBase:
    """The base, and the estimator of what is left of the labels."""

    base: LinearBase
    estimator: Fitted

    @property
    def settled(self) -> Params:
        return self.estimator.settled

    def predict(self, matrix: Array) -> Array:
        return np.asarray(self.estimator.predict(matrix) + self.base.predict(matrix)[:, None])

    def export(self, folder: Path) -> None:
        write_arrays(folder / "base.npz", self.base.arrays())
        (folder / "estimator").mkdir()
        self.estimator.export(folder / "estimator")


@dataclass(frozen=True)
class LinearBaseFamily(WrappingFamily):
    """Another family of trees on the residuals of a linear regression; settings and layout are that family's."""

    prefix = PREFIX

    def fit(self, request: FitRequest) -> Fitted:
        base = fit_linear_base(request.fit, request.categorical)
        fit, held = _left_of(request.fit, base), request.validation and _left_of(request.validation, base)
        return OnLinearBase(base, self.inner.fit(replace(request, fit=fit, validation=held)))

    def restore(self, folder: Path) -> Fitted:
        base = LinearBase.of_arrays(read_arrays(folder / "base.npz"))
        return OnLinearBase(base, self.inner.restore(folder / "estimator"))


def fit_linear_base(rows: FitRows, categorical: Sequence[int]) -> LinearBase:
    """The ridge regression of the labels on numbers and codes."""
    from sklearn.linear_model import Ridge

    matrix = rows.matrix
    numbers = np.array([place for place in range(matrix.shape[1]) if place not in categorical], dtype=np.int64)
    values = matrix[:, numbers]
    is_known = ~np.isnan(values)
    counts = np.maximum(is_known.sum(axis=0), 1)
    means = np.where(is_known, values, 0.0).sum(axis=0) / counts
    filled = np.where(is_known, values, means)
    spreads, span = filled.std(axis=0), np.ptp(filled, axis=0)
    scales = np.where(spreads > 0, spreads, 1.0)
    blocks = [(filled - means) / scales]
    sizes = [int(np.nanmax(matrix[:, place], initial=-1.0)) + 1 for place in categorical]
    for place, size in zip(categorical, sizes, strict=True):
        blocks.append((matrix[:, [place]] == np.arange(size)).astype(np.float64))
    ridge = Ridge(alpha=_STRENGTH).fit(np.concatenate(blocks, axis=1), rows.labels, sample_weight=rows.weights)
    weights = np.asarray(ridge.coef_, dtype=np.float64)
    table, starts, end = [0.0], [], len(numbers)
    for size in sizes:
        starts.append(len(table))
        table += [*weights[end : end + size].tolist(), 0.0]
        end += size
    return LinearBase(
        numbers=numbers,
        means=means,
        scales=scales,
        lowest=filled.min(axis=0, initial=np.inf) - _REACH * span,
        highest=filled.max(axis=0, initial=-np.inf) + _REACH * span,
        weights=weights[: len(numbers)],
        intercept=float(ridge.intercept_),
        codes=np.array(categorical, dtype=np.int64),
        starts=np.array(starts, dtype=np.int64),
        sizes=np.array(sizes, dtype=np.int64),
        table=np.array(table),
    )


def _left_of(rows: FitRows, base: LinearBase) -> FitRows:
    return replace(rows, labels=np.asarray(rows.labels, dtype=np.float64) - base.predict(rows.matrix))
