"""The difference between each column of new rows and the reference, tested against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.clusters import CodeArray, cluster_codes
from touchline.statistics.effects import binned, inner_edges, psi, wasserstein
from touchline.statistics.multiplicity import benjamini_hochberg, simes
from touchline.statistics.permutation import (
    ClusterTable,
    distribution_table,
    level_table,
    permutation_p_values,
    rank_table,
)
from touchline.statistics.profile import CategoryColumn, Column, Profile
from touchline.statistics.samples import FloatArray
from touchline.statistics.two_samples import chi_squared, kolmogorov_smirnov, mann_whitney

# The smallest permutation p-value, times the columns tested, must still be able to pass a test at 1 %.
_PERMUTATIONS_PER_COLUMN = 200
_LEAST_PERMUTATIONS, _MOST_PERMUTATIONS = 1999, 19_999
# More reference clusters than this add time and hardly any power against the few clusters of a window.
_MOST_REFERENCE_CLUSTERS = 1000


@dataclass(frozen=True)
class ColumnDrift:
    """One column of the new rows against the reference.

    `p_value` combines the column's tests by Simes, `p_adjusted` is corrected over all columns (Benjamini-Hochberg).
    `distance` is 1-Wasserstein in standard deviations of the reference for numbers, for categories the share of
    rows that changed level. `rows` counts new rows with a value.
    """

    name: str
    is_output: bool
    p_value: float
    p_adjusted: float
    psi: float
    distance: float
    rows: int
    nulls: int


def check_columns(
    profile: Profile, current: ArrayLike, clusters: ArrayLike | None = None, *, seed: int = 7
) -> tuple[ColumnDrift, ...]:
    """Compare new rows, encoded and ordered as the profile's columns, with the profile.

    Where rows share clusters, whole clusters are permuted; else rows are tested as they are. Columns without a
    single value on one of the sides are judged by their nulls alone.
    """
    rows = np.asarray(current, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(profile.columns) or not len(rows):
        allowed = f"rows of the {len(profile.columns)} columns of the profile, at least one"
        raise InvalidSample("A drift check", f"rows of shape {rows.shape}", allowed)
    codes = cluster_codes(clusters, len(rows))
    is_clustered = codes.max() + 1 < len(rows) or len(np.unique(profile.sample_clusters)) < len(profile.sample)
    p_values = _clustered(profile, rows, codes, seed) if is_clustered else _unclustered(profile, rows)
    adjusted = benjamini_hochberg(p_values)
    found = (
        _effect(column, profile.sample[:, at], rows[:, at], p_values[at]) for at, column in enumerate(profile.columns)
    )
    return tuple(replace(drift, p_adjusted=float(adjusted[at])) for at, drift in enumerate(found))


def _effect(column: Column, reference: FloatArray, current: FloatArray, p_value: float) -> ColumnDrift:
    present = current[np.isfinite(current)]
    if isinstance(column, CategoryColumn):
        before = np.array([*column.counts, column.unseen, column.nulls], dtype=np.float64)
        after = np.bincount(_levels(column, current), minlength=len(before)).astype(np.float64)
        distance = float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)
    else:
        edges = inner_edges(reference)
        before, after = binned(reference, edges), binned(current, edges)
        distance = wasserstein(reference[np.isfinite(reference)], present) / (column.std or 1.0)
    return ColumnDrift(
        name=column.name,
        is_output=column.is_output,
        p_value=p_value,
        p_adjusted=p_value,
        psi=psi(before, after),
        distance=distance,
        rows=len(present),
        nulls=len(current) - len(present),
    )


def _unclustered(profile: Profile, rows: FloatArray) -> list[float]:
    found = []
    for at, column in enumerate(profile.columns):
        before, after = profile.sample[:, at], rows[:, at]
        if isinstance(column, CategoryColumn):
            counts = np.array([*column.counts, column.unseen, column.nulls], dtype=np.float64)
            found.append(chi_squared(counts, np.bincount(_levels(column, after), minlength=len(counts)).astype(float)))
        else:
            found.append(simes(_number_tests(before, after)))
    return found


def _number_tests(reference: FloatArray, current: FloatArray) -> list[float]:
    before, after = reference[np.isfinite(reference)], current[np.isfinite(current)]
    tests = []
    if len(before) and len(after):
        tests += [mann_whitney(before, after), kolmogorov_smirnov(before, after)]
    if len(before) < len(reference) or len(after) < len(current):
        nulls = [
            np.array([len(some), len(every) - len(some)], dtype=float)
            for some, every in ((before, reference), (after, current))
        ]
        tests.append(chi_squared(*nulls))
    return tests


def _clustered(profile: Profile, rows: FloatArray, codes: CodeArray, seed: int) -> list[float]:
    sample, sample_codes = _fewer_clusters(profile)
    reference_count, current_count = int(sample_codes.max()) + 1, int(codes.max()) + 1
    sides = np.repeat([0, 1], [reference_count, current_count])
    clusters = np.concatenate([sample_codes, codes + reference_count])
    together = np.vstack([sample, rows])
    tables = [_tables(column, together[:, at], clusters, len(sides)) for at, column in enumerate(profile.columns)]
    wanted = _PERMUTATIONS_PER_COLUMN * len(tables) - 1
    p_values = permutation_p_values(
        sides,
        [table for of_column in tables for table in of_column],
        permutations=min(max(wanted, _LEAST_PERMUTATIONS), _MOST_PERMUTATIONS),
        seed=seed,
    )
    ends = np.cumsum([len(of_column) for of_column in tables])[:-1]
    return [simes(of_column) for of_column in np.split(p_values, ends)]


def _tables(column: Column, values: FloatArray, clusters: CodeArray, count: int) -> Sequence[ClusterTable]:
    if isinstance(column, CategoryColumn):
        return [level_table(_levels(column, values), clusters, count)]
    is_there = np.isfinite(values)
    tables = []
    if is_there.any():
        there = values[is_there], clusters[is_there], count
        tables += [rank_table(*there), distribution_table(*there)]
    if not is_there.all():
        tables.append(level_table(is_there.astype(np.int64), clusters, count))
    return tables


def _levels(column: CategoryColumn, values: FloatArray) -> CodeArray:
    """Levels as 0, 1, …, then unseen, then null."""
    known = len(column.levels)
    codes = np.where(np.isfinite(values), values, known + 1).astype(np.int64)
    return np.where((codes < 0) | (codes > known + 1), known, codes)


def _fewer_clusters(profile: Profile) -> tuple[FloatArray, CodeArray]:
    codes = np.unique(profile.sample_clusters, return_inverse=True)[1].reshape(-1)
    every = -(-(int(codes.max()) + 1) // _MOST_REFERENCE_CLUSTERS)
    kept = codes % every == 0
    return profile.sample[kept], codes[kept] // every
