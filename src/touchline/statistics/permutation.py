"""Two-sample tests for clustered rows: whole clusters change sides.

If nothing changed, the labels "reference" and "current" could have been dealt to clusters in any other way; a
p-value is the share of dealings that look at least as different. Rows of a cluster always move together.

A window of one or two clusters has few dealings: one day against 52 has 53, so that no difference, however large, has a
share below 1/53. Where the dealing that was observed is the most different of all, a t test of the means of clusters
says how much smaller the p-value is. Down to 1/53 the p-value assumes nothing, and below it that means of clusters are
roughly normal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from math import comb
from typing import Literal

import numpy as np

from touchline.statistics.clusters import CodeArray
from touchline.statistics.samples import FloatArray
from touchline.statistics.two_samples import midranks

# Distribution functions are compared at this many quantiles of the pooled rows.
_GRID = 64
_PART_SIZE = 4_000_000
_CACHED_VALUES = 64_000
# A side of so many times fewer clusters than there are is added up, and not multiplied.
_ADDED_RATHER = 12
_FIRST_PERMUTATIONS = 500
_ENOUGH_EXTREME = 20
# The variance of a single row: of a rank scaled to -1/2 … 1/2, and of the arcsine of the root of a share.
_ROW_VARIANCES = {"ranks": 1 / 12, "shares": 1 / 4, "totals": 0.0}


@dataclass(frozen=True)
class ClusterTable:
    """Each cluster's size, and the sums over its rows of the values whose means are compared.

    The statistic is the norm of the weighted differences of means: the root of squares, of a distribution the largest.
    It is divided by the standard deviation that it has by the sizes of the dealt clusters, since a side of fewer rows
    varies more.
    `values` says what is compared, and so how the mean of a cluster becomes roughly normal: a mean rank is, a share is
    by the arcsine of its root, and the shares at or below points of a grid, of which the largest difference counts, are
    not. `totals` are the sums of the values behind ranks.
    """

    sizes: FloatArray
    sums: FloatArray
    weights: FloatArray
    values: Literal["ranks", "shares", "distribution"]
    row_variances: FloatArray
    totals: FloatArray | None = None

    @cached_property
    def intraclass(self) -> float:
        """The share of the variance of rows that lies between clusters (analysis of variance, over all components)."""
        rows, count = float(self.sizes.sum()), int((self.sizes > 0).sum())
        if count < 2 or rows <= count:
            return 1.0
        sizes = np.maximum(self.sizes, 1)[:, None]
        means, weights = self.sums / sizes, self.weights**2
        distances = (means - self.sums.sum(axis=0) / rows) ** 2
        squares = float((self.sizes @ distances * weights).sum())
        within = max((rows * float((self.row_variances * weights).sum()) - squares) / (rows - count), 0.0)
        typical = (rows - float((self.sizes**2).sum()) / rows) / (count - 1)
        between = max((squares / (count - 1) - within) / typical, 0.0)
        return between / (between + within) if between + within > 0 else 1.0


def permutation_p_values(
    sides: CodeArray, tables: Sequence[ClusterTable], *, permutations: int, seed: int
) -> FloatArray:
    """One p-value a table; `sides` is 0 (reference) or 1 (current) a cluster.

    All dealings are compared where there are at most `permutations`, else so many at random, both in random order:
    tables that are far from a small p-value stop after the first ones (Besag and Clifford 1991).
    """
    rng = np.random.default_rng(seed)
    if comb(len(sides), int(sides.sum())) <= permutations:
        return _of_all_dealings(sides, tables, rng)
    labels = sides.astype(np.float64)

    def dealings(size: int) -> FloatArray:
        return np.asarray(rng.permuted(np.tile(labels, (size, 1)), axis=1))

    extreme, drawn = _counted(labels, tables, dealings, permutations)
    return np.asarray((1 + extreme) / (1 + drawn))


def _counted(
    labels: FloatArray, tables: Sequence[ClusterTable], dealings: Callable[[int], FloatArray], most: int
) -> tuple[FloatArray, FloatArray]:
    """Of each table the dealings that look at least as different as the observed one, and those that were looked at."""
    observed = _distances(labels[None, :], tables)[0]
    extreme, drawn, running = np.zeros(len(tables)), np.zeros(len(tables)), list(range(len(tables)))
    done = 0
    while done < most and len(running):
        size = min(max(_FIRST_PERMUTATIONS, done), most - done, max(1, _PART_SIZE // len(labels)))
        distances = _distances(dealings(size), [tables[at] for at in running])
        # Equal dealings must count as equal, whatever the order in which their sums were rounded.
        extreme[running] += (distances >= observed[running] * (1 - 1e-9) - 1e-12).sum(axis=0)
        drawn[running] += size
        done += size
        running = [at for at in running if extreme[at] < _ENOUGH_EXTREME]
    return extreme, drawn


def _of_all_dealings(sides: CodeArray, tables: Sequence[ClusterTable], rng: np.random.Generator) -> FloatArray:
    """All dealings in random order, of which the observed one is one, so that a table may stop after the first ones."""
    members = rng.permutation(np.array(list(combinations(range(len(sides)), int(sides.sum())))))
    parts = iter(members)

    def dealings(size: int) -> FloatArray:
        dealt = np.zeros((size, len(sides)))
        np.put_along_axis(dealt, np.array(list(islice(parts, size))), 1.0, axis=1)
        return dealt

    extreme, drawn = _counted(sides.astype(np.float64), tables, dealings, len(members))
    p_values = np.where(drawn == len(members), extreme / len(members), (1 + extreme) / (1 + drawn))
    for at in np.flatnonzero(extreme <= 1).tolist():
        p_values[at] = min(p_values[at], _by_means_of_clusters(sides, tables[at]))
    return p_values


def _by_means_of_clusters(sides: CodeArray, table: ClusterTable) -> float:
    """The p-value of a t test of the means of clusters, over all components (Bonferroni); 1 for a distribution.

    Mean ranks are bounded: where days differ much, no day is far from the others. The means of the values themselves
    are tested beside them.
    """
    if table.values == "distribution":
        return 1.0
    p_value = _t_p_value(sides, table.sizes, table.sums, table.values)
    if table.totals is None:
        return p_value
    return min(1.0, 2 * min(p_value, _t_p_value(sides, table.sizes, table.totals[:, None], "totals")))


def _t_p_value(sides: CodeArray, cluster_sizes: FloatArray, sums: FloatArray, values: str) -> float:
    """The variance of a mean of a cluster is that between the clusters of the reference. A smaller cluster varies more,
    at most as much as its rows are fewer; no mean of ranks or shares varies less than that of independent rows. The
    heavier the tails of the means of the reference, the fewer degrees of freedom: two fewer than by moments.
    """
    from scipy.stats import t

    old, new = (sides == 0) & (cluster_sizes > 0), (sides == 1) & (cluster_sizes > 0)
    count, sizes = int(old.sum()), cluster_sizes[:, None]
    if count < 3 or not new.any():
        return 1.0
    rows, new_rows = float(sizes[old].sum()), float(sizes[new].sum())
    raw = sums[old] / sizes[old]
    normal = _normal_scale(raw, values)
    means = normal(raw)
    centred = means - (means * sizes[old]).sum(axis=0) / rows
    of_cluster = (centred**2 * sizes[old]).sum(axis=0) / rows * count / (count - 1)
    smaller = np.maximum(1, rows / count / sizes[new])
    between = of_cluster * (((sizes[new] / new_rows) ** 2 * smaller).sum() + 1 / count)
    variance = np.maximum(between, _ROW_VARIANCES[values] * (1 / new_rows + 1 / rows))
    gap = normal(sums[new].sum(axis=0) / new_rows) - normal(sums[old].sum(axis=0) / rows)
    if not (variance > 0).all():
        return 1.0
    excess = (centred**4).mean(axis=0) / np.maximum((centred**2).mean(axis=0) ** 2, 1e-300) - 3
    degrees = np.minimum(count - 1, 2 + 6 / np.maximum(excess, 1e-9))
    return float(min(1.0, (2 * t.sf(np.abs(gap / np.sqrt(variance)), degrees)).min() * len(gap)))


def _normal_scale(means: FloatArray, values: str) -> Callable[[FloatArray], FloatArray]:
    """The scale on which means of clusters are roughly normal; totals have heavy tails, which a logarithm draws in."""
    if values == "shares":
        return lambda shares: np.arcsin(np.sqrt(np.clip(shares, 0, 1)))
    if values == "totals":
        middle = np.median(means, axis=0)
        width = np.median(np.abs(means - middle), axis=0)
        return lambda totals: np.arcsinh((totals - middle) / np.where(width > 0, width, 1.0))
    return lambda ranks: ranks


def rank_table(values: FloatArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a Mann-Whitney test: ranks, scaled to -1/2 … 1/2."""
    ranks, _ = midranks(values)
    centred = (ranks - ranks.mean()) / len(ranks)
    sums = np.bincount(clusters, weights=centred, minlength=count).astype(np.float64)
    totals = np.bincount(clusters, weights=values - np.median(values), minlength=count).astype(np.float64)
    return ClusterTable(_sizes(clusters, count), sums[:, None], np.ones(1), "ranks", np.array([centred.var()]), totals)


def distribution_table(values: FloatArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a Kolmogorov-Smirnov test: rows at or below each point of a grid."""
    grid = np.unique(np.quantile(values, np.linspace(0, 1, _GRID + 1)[1:-1], method="inverted_cdf"))
    cells = _cells(np.searchsorted(grid, values, side="left"), clusters, count, len(grid) + 1)
    below = np.asarray(np.cumsum(cells, axis=1)[:, :-1], dtype=np.float64)
    shares = below.sum(axis=0) / len(values)
    return ClusterTable(_sizes(clusters, count), below, np.ones(len(grid)), "distribution", shares * (1 - shares))


def level_table(levels_of_rows: CodeArray, clusters: CodeArray, count: int) -> ClusterTable:
    """For a chi-squared test: rows per level, rare levels weighing as in chi-squared."""
    _, present = np.unique(levels_of_rows, return_inverse=True)
    cells = _cells(present.reshape(-1), clusters, count, int(present.max(initial=0)) + 1)
    shares = cells.sum(axis=0) / cells.sum()
    return ClusterTable(_sizes(clusters, count), cells, 1 / np.sqrt(shares), "shares", shares * (1 - shares))


def _sizes(clusters: CodeArray, count: int) -> FloatArray:
    return np.bincount(clusters, minlength=count).astype(np.float64)


def _cells(columns: CodeArray, clusters: CodeArray, count: int, width: int) -> FloatArray:
    found = np.bincount(clusters * width + columns, minlength=count * width)
    return found.reshape(count, width).astype(np.float64)


def _distances(dealt: FloatArray, tables: Sequence[ClusterTable]) -> FloatArray:
    """The statistic of each table (columns) under each dealing of sides (rows)."""
    found = np.zeros((len(dealt), len(tables)))
    members = np.nonzero(dealt)[1].reshape(len(dealt), -1)
    for at, table in enumerate(tables):
        sums = np.column_stack([table.sizes, table.sizes**2, table.sums])
        # Parts that stay in the processor's cache.
        size = max(1, _CACHED_VALUES // sums.shape[1])
        for first in range(0, len(dealt) if table.sums.shape[1] else 0, size):
            part = slice(first, first + size)
            found[part, at] = _distance(_current_sums(dealt[part], members[part], sums), table)
    return found


def _current_sums(dealt: FloatArray, members: CodeArray, sums: FloatArray) -> FloatArray:
    """The sums over the clusters of the current side, whose numbers are `members`, for each dealing."""
    if members.shape[1] * _ADDED_RATHER > dealt.shape[1]:
        return dealt @ sums
    current = sums[members[:, 0]]
    for place in range(1, members.shape[1]):
        current += sums[members[:, place]]
    return current


def _distance(current: FloatArray, table: ClusterTable) -> FloatArray:
    """The statistic under each dealing. `current` has rows, squared sizes and sums of the current side."""
    few = np.maximum(current[:, 0], 1)
    many = np.maximum(table.sizes.sum() - current[:, 0], 1)
    of_clusters = current[:, 1] / few**2 + ((table.sizes**2).sum() - current[:, 1]) / many**2
    variance = table.intraclass * of_clusters + (1 - table.intraclass) * (1 / few + 1 / many)
    # The mean of the current side minus that of the reference.
    gap = current[:, 2:] * (1 / few + 1 / many)[:, None]
    gap -= table.sums.sum(axis=0) / many[:, None]
    if table.values == "distribution":
        norm = np.maximum(gap.max(axis=1), -gap.min(axis=1))
    else:
        gap *= table.weights
        norm = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    return np.asarray(norm / np.sqrt(np.maximum(variance, 1e-12)))
