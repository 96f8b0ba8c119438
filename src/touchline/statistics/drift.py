"""The difference between each column of new rows and the reference, tested against chance."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.cluster_drift import cluster_p_values
from touchline.statistics.clusters import cluster_codes
from touchline.statistics.effects import binned_sorted, inner_edges, psi, wasserstein_sorted
from touchline.statistics.multiplicity import benjamini_hochberg, simes
from touchline.statistics.profile import CategoryColumn, Column, NumberColumn, Profile, level_codes
from touchline.statistics.samples import FloatArray
from touchline.statistics.serial_dependence import Inflation, window_inflation
from touchline.statistics.two_samples import (
    chi_squared,
    kolmogorov_smirnov_sorted,
    mann_whitney_sorted,
)

# Tests on more rows find no difference that matters. Nulls, levels and range are counted over all rows.
_MOST_TESTED_ROWS = 100_000
# Below this many values, threads cost more time than they save.
_VALUES_FOR_THREADS = 2_000_000
# A cache line of 64 bytes holds the values of so many columns of a row.
_COLUMNS_AT_ONCE = 8
# So many rows at a time are counted: a few hundred columns of them fit into the caches of a core.
_ROWS_AT_ONCE = 2_048


@dataclass(frozen=True)
class ColumnDrift:
    """One column of the new rows against the reference.

    `p_value` combines the column's tests by Simes, `p_adjusted` is corrected over all columns (Benjamini-Hochberg).
    `distance` is 1-Wasserstein in standard deviations of the reference for numbers, for categories the share of
    rows that changed level. `rows` counts new rows with a value, `nulls` those without, `new_levels` those with a
    level that the reference lacks, `out_of_range` those beyond its smallest and largest number; `reference_nulls` is
    a share. `inflation` is the factor by which serial dependence raises the variance of the difference.
    """

    name: str
    is_output: bool
    p_value: float
    p_adjusted: float
    psi: float
    distance: float
    rows: int
    nulls: int
    reference_nulls: float = 0.0
    new_levels: int = 0
    out_of_range: int = 0
    inflation: float = 1.0


def check_columns(
    profile: Profile, current: ArrayLike, clusters: ArrayLike | None = None, *, seed: int = 7
) -> tuple[ColumnDrift, ...]:
    """Compare new rows, encoded and ordered as the profile's columns and in time order, with the profile.

    Where rows share clusters, whole clusters are permuted; else rows are tested as they are. Serial dependence that
    the profile measured lowers the effective number of rows, or of clusters. Columns without a single value on one of
    the sides are tested by their nulls alone.
    """
    rows = np.asarray(current, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(profile.columns) or not len(rows):
        allowed = f"rows of the {len(profile.columns)} columns of the profile, at least one"
        raise InvalidSample("A drift check", f"rows of shape {rows.shape}", allowed)
    codes = None if clusters is None else cluster_codes(clusters, len(rows))
    shares_clusters = codes is not None and codes.max() + 1 < len(rows)
    if not shares_clusters and profile.clusters == profile.rows:
        drifts = _every_column(profile, rows)
    else:
        codes = np.arange(len(rows)) if codes is None else codes
        p_values = cluster_p_values(profile, rows, codes, seed)
        drifts = [
            replace(_effect(profile, at, rows[:, at]), p_value=p_value, inflation=factor)
            for at, (p_value, factor) in enumerate(p_values)
        ]
    adjusted = benjamini_hochberg([drift.p_value for drift in drifts])
    return tuple(replace(drift, p_adjusted=float(p)) for drift, p in zip(drifts, adjusted, strict=True))


def inflation_of(profile: Profile, measured: tuple[float, ...], rows: int) -> Inflation:
    """The inflation for a window of so many rows, from the lengths that the profile measured."""
    return window_inflation(measured, rows, profile.rows, len(profile.sample))


def _every_column(profile: Profile, rows: FloatArray) -> list[ColumnDrift]:
    """All rows are read once, as they lie in memory; only the tested ones are read column by column."""
    threads = min(4, os.cpu_count() or 1) if rows.size >= _VALUES_FOR_THREADS else 1
    tested = _tested(rows)

    def check(first: int) -> list[ColumnDrift]:
        columns = np.ascontiguousarray(tested[:, first : first + _COLUMNS_AT_ONCE].T)
        places = range(first, first + len(columns))
        return [
            _independent_drift(profile, at, rows[:, at], values, int(nulls[at]), int(outside[at]))
            for at, values in zip(places, columns, strict=True)
        ]

    with ThreadPoolExecutor(threads) as pool:
        ranges = _ranges(profile)
        parts = range(0, len(rows), _ROWS_AT_ONCE)
        counted = pool.map(lambda first: _counted(rows[first : first + _ROWS_AT_ONCE], ranges), parts)
        nulls, outside = np.sum(list(counted), axis=0)
        return list(chain.from_iterable(pool.map(check, range(0, rows.shape[1], _COLUMNS_AT_ONCE))))


def _tested(rows: FloatArray) -> FloatArray:
    """Rows (or values) evenly over time, at most as many as are tested."""
    return rows[:: -(-len(rows) // _MOST_TESTED_ROWS)]


def _ranges(profile: Profile) -> FloatArray:
    """The smallest and the largest number of each column; infinite for categories and columns without a value."""
    ends = [
        (column.quantiles[0], column.quantiles[-1])
        if isinstance(column, NumberColumn) and column.quantiles
        else (-np.inf, np.inf)
        for column in profile.columns
    ]
    return np.array(ends).T


def _counted(rows: FloatArray, ranges: FloatArray) -> FloatArray:
    """Of each column the nulls, and the finite values out of range: [2, columns]."""
    is_there = np.isfinite(rows)
    outside = ((rows < ranges[0]) | (rows > ranges[1])) & is_there
    return np.array([len(rows) - np.count_nonzero(is_there, axis=0), np.count_nonzero(outside, axis=0)])


def _independent_drift(
    profile: Profile, at: int, values: FloatArray, tested: FloatArray, nulls: int, outside: int
) -> ColumnDrift:
    column = profile.columns[at]
    inflation = inflation_of(profile, column.inflation, len(values))
    if isinstance(column, CategoryColumn):
        p_value = chi_squared(*level_counts(column, values), inflation)
        return replace(_effect(profile, at, values), p_value=p_value, inflation=inflation.factor)
    reference, present = _sorted(profile.sample[:, at]), _sorted(tested)
    tests = []
    if len(reference) and len(present):
        tests += [test(reference, present, inflation) for test in (mann_whitney_sorted, kolmogorov_smirnov_sorted)]
    drift = _number_effect(column, (reference, present), len(profile.sample), rows=len(values) - nulls, nulls=nulls)
    if column.nulls or nulls:
        counts = np.array([column.count, column.nulls], float), np.array([drift.rows, nulls], float)
        tests.append(chi_squared(*counts, inflation_of(profile, column.null_inflation, len(values))))
    return replace(drift, out_of_range=outside, p_value=simes(tests), inflation=inflation.factor)


def _effect(profile: Profile, at: int, values: FloatArray) -> ColumnDrift:
    column = profile.columns[at]
    if isinstance(column, CategoryColumn):
        before, after = level_counts(column, values)
        new_levels, nulls = int(after[-2]) if not column.unseen else 0, int(after[-1])
        distance = float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)
        drift = _without_tests(column, psi(before, after), distance, rows=len(values) - nulls, nulls=nulls)
        return replace(drift, new_levels=new_levels, reference_nulls=column.nulls / before.sum())
    nulls, outside = _counted(values[:, None], _ranges(profile)[:, at : at + 1])[:, 0].astype(int).tolist()
    samples = _sorted(profile.sample[:, at]), _sorted(_tested(values))
    drift = _number_effect(column, samples, len(profile.sample), rows=len(values) - nulls, nulls=nulls)
    return replace(drift, out_of_range=outside)


def _number_effect(
    column: NumberColumn, samples: tuple[FloatArray, FloatArray], sample_rows: int, *, rows: int, nulls: int
) -> ColumnDrift:
    """`samples` are the tested values of the reference and of the new rows, sorted and without nulls."""
    reference, tested = samples
    edges = inner_edges(reference)
    tested_nulls = nulls / max(1, rows) * len(tested) if len(tested) else nulls
    before = np.append(binned_sorted(reference, edges), sample_rows - len(reference))
    after = np.append(binned_sorted(tested, edges), tested_nulls)
    distance = wasserstein_sorted(reference, tested) / (column.std or 1.0)
    drift = _without_tests(column, psi(before, after), distance, rows=rows, nulls=nulls)
    return replace(drift, reference_nulls=column.nulls / max(1, column.count + column.nulls))


def _without_tests(column: Column, psi_value: float, distance: float, *, rows: int, nulls: int) -> ColumnDrift:
    return ColumnDrift(column.name, column.is_output, 1.0, 1.0, psi_value, distance, rows, nulls)


def level_counts(column: CategoryColumn, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows of the reference and of the new rows by level, then unseen, then null."""
    before = np.array([*column.counts, column.unseen, column.nulls], dtype=np.float64)
    return before, np.bincount(level_codes(column, values), minlength=len(before)).astype(np.float64)


def _sorted(values: FloatArray) -> FloatArray:
    """The finite values in order, as a copy."""
    present = np.sort(values)
    # NaN is sorted to the end, infinities to both ends.
    first = int(np.searchsorted(present, -np.inf, side="right"))
    return present[first : int(np.searchsorted(present, np.inf, side="left"))]
