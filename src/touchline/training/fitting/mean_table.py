"""The mean labels of levels, looked up with NumPy alone; `category_means` fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class MeanPart:
    """One category column: `means[index + 2]` are a level's means, one an output; the first are of null and unseen."""

    position: int
    means: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> int:
        return len(self.means[0])


@dataclass(frozen=True)
class MeanTable:
    """The means of several columns in one table, so that rows are looked up at once."""

    positions: Index
    levels: Index
    starts: Index
    means: Array

    @classmethod
    def of(cls, parts: Sequence[MeanPart]) -> MeanTable:
        sizes = np.array([len(part.means) for part in parts], dtype=np.int64)
        return cls(
            positions=np.array([part.position for part in parts], dtype=np.int64),
            levels=sizes - 2,
            starts=np.cumsum(sizes) - sizes,
            means=np.array([row for part in parts for row in part.means], dtype=np.float64),
        )

    def columns(self, vectors: Array) -> Array:
        """The means of each row's levels: the outputs of the first column, then those of the second."""
        found = self.means[self.starts + level_places(vectors[:, self.positions], self.levels)]
        return np.asarray(found.reshape(len(vectors), -1))


def level_places(values: Array, levels: Index) -> Index:
    """The row of a level's means: 0 for null, 1 for an unknown level, then the levels in order."""
    known = np.where(np.isnan(values), -2.0, values)
    places: Index = np.where((known < -2) | (known >= levels), -1.0, known).astype(np.int64) + 2
    return places
