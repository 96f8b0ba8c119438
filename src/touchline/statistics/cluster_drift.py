"""P-values of columns whose rows share clusters: whole clusters change sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from touchline.statistics.clusters import CodeArray
from touchline.statistics.multiplicity import simes
from touchline.statistics.permutation import (
    ClusterTable,
    distribution_table,
    level_table,
    permutation_p_values,
    rank_table,
)
from touchline.statistics.profile import CategoryColumn, Column, Profile, level_codes
from touchline.statistics.samples import FloatArray
from touchline.statistics.serial_dependence import window_inflation

# The smallest permutation p-value, times the columns tested, must still be able to pass a test at 1 %.
_PERMUTATIONS_PER_COLUMN = 200
_LEAST_PERMUTATIONS, _MOST_PERMUTATIONS = 1999, 99_999
# More reference clusters than this add time and hardly any power against the few clusters of a window.
_MOST_REFERENCE_CLUSTERS = 1000


def cluster_p_values(profile: Profile, rows: FloatArray, codes: CodeArray, seed: int) -> list[tuple[float, float]]:
    """The p-value of each column, and the inflation by the serial dependence of its clusters."""
    sample, sample_codes = _fewer_clusters(profile)
    reference_count, current_count = int(sample_codes.max()) + 1, int(codes.max()) + 1
    sides = np.repeat([0, 1], [reference_count, current_count])
    clusters = np.concatenate([sample_codes, codes + reference_count])
    together = np.vstack([sample, rows])
    tables = [_tables(column, together[:, at], clusters, len(sides)) for at, column in enumerate(profile.columns)]
    most = _PERMUTATIONS_PER_COLUMN * len(tables) - 1
    p_values = permutation_p_values(
        sides,
        [table for of_column in tables for table in of_column],
        permutations=min(max(most, _LEAST_PERMUTATIONS), _MOST_PERMUTATIONS),
        seed=seed,
    )
    ends = np.cumsum([len(of_column) for of_column in tables])[:-1]
    combined = [simes(of_column) for of_column in np.split(p_values, ends)]
    serial = [
        window_inflation(column.inflation, current_count, profile.clusters, reference_count)
        for column in profile.columns
    ]
    return [(inflation.p_value(p), inflation.factor) for inflation, p in zip(serial, combined, strict=True)]


def _tables(column: Column, values: FloatArray, clusters: CodeArray, count: int) -> Sequence[ClusterTable]:
    if isinstance(column, CategoryColumn):
        return [level_table(level_codes(column, values), clusters, count)]
    is_there = np.isfinite(values)
    tables = []
    if is_there.any():
        there = values[is_there], clusters[is_there], count
        tables += [rank_table(*there), distribution_table(*there)]
    if not is_there.all():
        tables.append(level_table(is_there.astype(np.int64), clusters, count))
    return tables


def _fewer_clusters(profile: Profile) -> tuple[FloatArray, CodeArray]:
    codes = np.unique(profile.sample_clusters, return_inverse=True)[1].reshape(-1)
    every = -(-(int(codes.max()) + 1) // _MOST_REFERENCE_CLUSTERS)
    kept = codes % every == 0
    return profile.sample[kept], codes[kept] // every
