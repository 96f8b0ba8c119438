"""Two-sample tests for clustered rows: whole clusters change sides.

If nothing changed, the labels "reference" and "current" could have been dealt to clusters in any other way; a
p-value is the share of dealings that look at least as different. Rows of a cluster always move together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from touchline.statistics.clusters import CodeArray
from touchline.statistics.samples import FloatArray
from touchline.statistics.two_samples import midranks

# Distribution functions are compared at this many quantiles of the pooled rows.
_GRID = 64
_PART_SIZE = 4_000_000
_FIRST_PERMUTATIONS = 500
_ENOUGH_EXTREME = 20


@dataclass(frozen=True)
class ClusterTable:
    """Each cluster's size, and the sums over its rows of the values whose means are compared.

    The statistic is the norm of the difference of means: order inf takes the largest, order 2 the root of squares.
    """

    sizes: FloatArray
    sums: FloatArray
    order: float


def permutation_p_values(
    sides: CodeArray, tables: Sequence[ClusterTable], *, permutations: int, seed: int
) -> FloatArray:
    """One p-value a table; `sides` is 0 (reference) or 1 (current) a cluster.

    Tables that are far from a small p-value stop after the first permutations (Besag and Clifford 1991).
    """
    labels = sides.astype(np.float64)
    observed = _distances(labels[None, :], tables)[0]
    rng = np.random.default_rng(seed)
    extreme, drawn, running = np.zeros(len(tables)), np.zeros(len(tables)), list(range(len(tables)))
    done = 0
    while done < permutations and len(running):
        size = min(max(_FIRST_PERMUTATIONS, done), permutations - done, max(1, _PART_SIZE // len(sides)))
        dealt = rng.permuted(np.tile(labels, (size, 1)), axis=1)
        distances = _distances(dealt, [tables[at] for at in running])
        # Equal dealings must count as equal, whatever the order in which their sums were rounded.
        extreme[running] += (distances >= observed[running] * (1 - 1e-9) - 1e-12).sum(axis=0)
        drawn[running] += size
        done += size
        running = [at for at in running if extreme[at] < _ENOUGH_EXTREME]
    return np.asarray((1 + extreme) / (1 + drawn))


def rank_table(values: FloatArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a Mann-Whitney test: ranks, scaled to -1/2 … 1/2."""
    ranks, _ = midranks(values)
    centred = (ranks - ranks.mean()) / len(ranks)
    sums = np.bincount(clusters, weights=centred, minlength=count).astype(np.float64)
    return ClusterTable(_sizes(clusters, count), sums[:, None], inf)


def distribution_table(values: FloatArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a Kolmogorov-Smirnov test: rows at or below each point of a grid."""
    grid = np.unique(np.quantile(values, np.linspace(0, 1, _GRID + 1)[1:-1], method="inverted_cdf"))
    cells = _cells(np.searchsorted(grid, values, side="left"), clusters, count, len(grid) + 1)
    return ClusterTable(_sizes(clusters, count), np.asarray(np.cumsum(cells, axis=1)[:, :-1], dtype=np.float64), inf)


def level_table(levels_of_rows: CodeArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a chi-squared test: rows per level, rare levels weighing as in chi-squared."""
    _, present = np.unique(levels_of_rows, return_inverse=True)
    cells = _cells(present.reshape(-1), clusters, count, int(present.max(initial=0)) + 1)
    return ClusterTable(_sizes(clusters, count), cells / np.sqrt(cells.sum(axis=0) / cells.sum()), 2)


def _sizes(clusters: CodeArray, count: int) -> FloatArray:
    return np.bincount(clusters, minlength=count).astype(np.float64)


def _cells(columns: CodeArray, clusters: CodeArray, count: int, width: int) -> FloatArray:
    found = np.bincount(clusters * width + columns, minlength=count * width)
    return found.reshape(count, width).astype(np.float64)


def _distances(dealt: FloatArray, tables: Sequence[ClusterTable]) -> FloatArray:
    """The statistic of each table (columns) under each dealing of sides (rows)."""
    current = dealt @ np.hstack([np.column_stack([table.sizes, table.sums]) for table in tables])
    found = np.zeros((len(dealt), len(tables)))
    start = 0
    for at, table in enumerate(tables):
        mine = current[:, start : start + 1 + table.sums.shape[1]]
        start += mine.shape[1]
        few, many = mine[:, :1], table.sizes.sum() - mine[:, :1]
        gap = mine[:, 1:] / np.maximum(few, 1) - (table.sums.sum(axis=0) - mine[:, 1:]) / np.maximum(many, 1)
        found[:, at] = np.linalg.norm(gap, ord=table.order, axis=1) if gap.shape[1] else 0.0
    return found
