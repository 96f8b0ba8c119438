"""Oblivious trees walked by NumPy: all splits of a level are the same, so the leaf of a row is a number of bits.

Predictions add tree after tree in double precision. Contributions are Shapley values of the raw score, where a split on
an absent column goes both ways by the weights of the fit's rows (path-dependent TreeSHAP; Lundberg et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ModelDamaged
from touchline.training.estimators.arrays import read_arrays, write_arrays

Array = NDArray[np.float64]
Places = NDArray[np.int64]

# Cells of a walk held at once, so that a large batch stays in the tens of megabytes.
_CELLS: Final = 2_000_000
# A level that a shorter tree lacks: no value is above its border.
_NO_COLUMN: Final = -1
_DEEPEST: Final = 8


@dataclass(frozen=True)
class ObliviousTrees:
    """Trees of the same depth; shorter ones are padded with levels that no row passes.

    A row passes a level where its value is above the border, or equal to it where `is_level`. `values` is
    [trees, leaves, outputs], `weights` the rows of the fit in each leaf.
    """

    columns: Places
    borders: NDArray[np.float32]
    is_level: NDArray[np.bool_]
    values: Array
    weights: Array
    bias: Array
    width: int

    @property
    def trees(self) -> int:
        return len(self.columns)

    @property
    def depth(self) -> int:
        return int(self.columns.shape[1])

    def raw_scores(self, matrix: Array) -> Array:
        """The sum over the trees, [rows, outputs]."""
        if matrix.shape[1] != self.width:
            raise ModelDamaged("CatBoost", f"it has {self.width} columns, the matrix {matrix.shape[1]}")
        step = max(1, _CELLS // max(1, self.columns.size))
        parts = [self._sum(matrix[start : start + step]) for start in range(0, len(matrix), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.bias)))

    def contributions(self, matrix: Array) -> Array:
        """Shapley values of the raw score, [rows, outputs, columns + 1]; the last column is the base value."""
        step = max(1, _CELLS // max(1, self.weights.size))
        parts = [self._explained(matrix[start : start + step]) for start in range(0, len(matrix), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.bias), self.width + 1))

    def export(self, path: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "columns": self.columns,
            "borders": self.borders,
            "is_level": self.is_level,
            "values": self.values,
            "weights": self.weights,
            "bias": self.bias,
            "width": np.array([self.width]),
        }
        write_arrays(path, arrays)

    @classmethod
    def restore(cls, path: Path) -> ObliviousTrees:
        arrays = read_arrays(path)
        return cls(
            columns=arrays["columns"].astype(np.int64),
            borders=arrays["borders"].astype(np.float32),
            is_level=arrays["is_level"].astype(np.bool_),
            values=arrays["values"].astype(np.float64),
            weights=arrays["weights"].astype(np.float64),
            bias=arrays["bias"].astype(np.float64),
            width=int(arrays["width"].astype(np.int64)[0]),
        )

    def _sum(self, rows: Array) -> Array:
        leaves = self._leaves(rows)
        outputs = self.values[np.arange(self.trees), leaves]
        # One output at a time, contiguous: the sum of a row does not depend on the rows beside it.
        sums = [np.ascontiguousarray(outputs[:, :, place]).sum(axis=1) for place in range(outputs.shape[2])]
        return np.asarray(np.stack(sums, axis=1) + self.bias)

    def _passes(self, rows: Array) -> NDArray[np.bool_]:
        """Whether each row passes each level, [rows, trees, depth]. A null passes none."""
        values = rows.astype(np.float32)[:, np.maximum(self.columns, 0).reshape(-1)]
        passes = values > self.borders.reshape(-1)
        positions = self._level_positions
        passes[:, positions] = values[:, positions] == self.borders.reshape(-1)[positions]
        return passes.reshape(len(rows), self.trees, self.depth)

    def _leaves(self, rows: Array) -> NDArray[np.uint8]:
        if not self.depth:
            return np.zeros((len(rows), self.trees), dtype=np.uint8)
        return np.packbits(self._passes(rows), axis=2, bitorder="little")[:, :, 0]

    @cached_property
    def _level_positions(self) -> Places:
        return np.flatnonzero(self.is_level)

    @cached_property
    def _owners(self) -> NDArray[np.float64]:
        """[trees * depth, columns]: which column each level belongs to."""
        flat = self.columns.reshape(-1)
        return np.asarray((flat[:, None] == np.arange(self.width)[None, :]).astype(np.float64))

    @cached_property
    def _shapley_weights(self) -> Array:
        """[trees, depth, subsets of levels]: the weight of a subset's value in the contribution of a level's column."""
        return np.stack([_subset_weights(_first_places(tree)) for tree in self.columns.tolist()])

    def _explained(self, rows: Array) -> Array:
        found = np.zeros((len(rows), len(self.bias), self.width + 1))
        found[:, :, -1] = self.bias
        passes = self._passes(rows)
        for output in range(len(self.bias)):
            known = self._subset_values(passes, self.values[:, :, output])
            by_level = np.einsum("tls,nts->ntl", self._shapley_weights, known, optimize=True)
            found[:, output, :-1] = by_level.reshape(len(rows), -1) @ self._owners
            found[:, output, -1] += known[:, :, 0].sum(axis=1)
        return found

    def _subset_values(self, passes: NDArray[np.bool_], values: Array) -> Array:
        """The mean value of each tree where only a subset of its levels is known, [rows, trees, subsets].

        The last level is the root, as in CatBoost: levels are joined from the first on.
        """
        known = np.broadcast_to(values[None, :, None, :], (len(passes), self.trees, 1, values.shape[1]))
        weights = self.weights
        for level in range(self.depth):
            pairs = weights.reshape(self.trees, -1, 2)
            total = pairs.sum(axis=2)
            share = np.divide(pairs[:, :, 1], total, out=np.full_like(total, 0.5), where=total > 0)
            low, high = known[..., 0::2], known[..., 1::2]
            followed = np.where(passes[:, :, level, None, None], high, low)
            averaged = low + share[None, :, None, :] * (high - low)
            known, weights = np.concatenate([averaged, followed], axis=2), total
        return known[..., 0]


def _first_places(columns: Sequence[int]) -> tuple[int, ...]:
    """Of each level the first level with the same column; -1 for padding."""
    return tuple(_NO_COLUMN if column == _NO_COLUMN else columns.index(column) for column in columns)


@lru_cache(maxsize=4096)
def _subset_weights(first_places: tuple[int, ...]) -> Array:
    """Shapley weights of subsets of levels; the column of several levels is present in all of them or in none."""
    found = np.zeros((len(first_places), 2 ** len(first_places)))
    players = sorted(set(first_places) - {_NO_COLUMN})
    for subset in range(found.shape[1]):
        present = {place for level, place in enumerate(first_places) if subset >> level & 1}
        whole = sum(1 << level for level, place in enumerate(first_places) if place in present)
        if subset != whole or _NO_COLUMN in present:
            continue
        for player in players:
            others = len(present - {player})
            weight = factorial(others) * factorial(len(players) - others - 1) / factorial(len(players))
            found[player, subset] = weight if player in present else -weight
    return found


@dataclass(frozen=True)
class LevelSplit:
    """One level of a tree: the column, and the border that a value is above, or the value that it equals."""

    column: int
    border: float
    is_level: bool = False


def pack_trees(
    trees: Sequence[tuple[Sequence[LevelSplit], Array, Array]], *, bias: Array, width: int
) -> ObliviousTrees:
    """The arrays of trees given as (splits, leaf values [leaves, outputs], leaf weights)."""
    depth = max((len(splits) for splits, _, _ in trees), default=0)
    if depth > _DEEPEST:
        raise ModelDamaged("CatBoost", f"a tree has {depth} levels, at most {_DEEPEST} can be evaluated")
    shape = (len(trees), depth)
    columns, is_level = np.full(shape, _NO_COLUMN, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    borders = np.full(shape, np.inf, dtype=np.float32)
    values, weights = np.zeros((len(trees), 2**depth, len(bias))), np.zeros((len(trees), 2**depth))
    for place, (splits, leaf_values, leaf_weights) in enumerate(trees):
        for level, split in enumerate(splits):
            columns[place, level], is_level[place, level] = split.column, split.is_level
            borders[place, level] = split.border
        values[place, : len(leaf_values)], weights[place, : len(leaf_weights)] = leaf_values, leaf_weights
    return ObliviousTrees(columns, borders, is_level, values, weights, bias, width)
