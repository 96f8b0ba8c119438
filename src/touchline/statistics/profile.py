"""The reference that drift compares with: what each model column and output looked like in training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample
from touchline.statistics.clusters import CodeArray, cluster_codes, cluster_sums
from touchline.statistics.samples import FloatArray
from touchline.statistics.serial_dependence import measure_inflation
from touchline.statistics.two_samples import midranks

SCHEMA = 1
SAMPLE_ROWS = 10_000
# Fewer clusters than this in the sample would leave nothing to permute: rows are thinned out instead.
_MIN_SAMPLE_CLUSTERS = 30
_QUANTILE_STEPS = 100
# The serial dependence is measured on the newest rows, and for categories on the most common levels.
_MOST_SERIAL_ROWS = 131_072
_MOST_SERIAL_LEVELS = 16


@dataclass(frozen=True)
class NumberColumn:
    """A number column: what is finite is counted, all else is a null. Quantiles 0 %, 1 %, … 100 % are exact.

    `inflation` is how much the variance of a mean rank grows with serial dependence, for blocks of 1, 2, 4, … rows (of
    clusters where the reference has them); `null_inflation` the same of the share of nulls. Empty: independent.
    """

    name: str
    is_output: bool
    count: int
    nulls: int
    mean: float
    std: float
    quantiles: tuple[float, ...]
    inflation: tuple[float, ...] = ()
    null_inflation: tuple[float, ...] = ()


@dataclass(frozen=True)
class CategoryColumn:
    """A category column: rows per level, rows of unseen levels, nulls; `inflation` as of the shares of the levels."""

    name: str
    is_output: bool
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    unseen: int
    nulls: int
    inflation: tuple[float, ...] = ()


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True, eq=False)
class Profile:
    """Exact summaries of every column over all rows, and a sample of whole rows with their clusters.

    The sample is encoded as vectors are: numbers as they are, categories as the level's index, unseen as -1, null
    as NaN. Its columns are in the order of `columns`, features first, then the model's outputs. `sample_places` are the
    numbers of its rows in time order among all rows; empty in profiles that did not store them.
    """

    columns: tuple[Column, ...]
    rows: int
    clusters: int
    sample: FloatArray
    sample_clusters: CodeArray
    sample_places: CodeArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if not column.is_output)

    @property
    def outputs(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_output)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for `numpy.savez`; nothing in them needs pickle."""
        header = {
            "schema": SCHEMA,
            "rows": self.rows,
            "clusters": self.clusters,
            "columns": [vars(column) for column in self.columns],
        }
        return {
            "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            "sample": self.sample,
            "sample_clusters": self.sample_clusters,
            "sample_places": self.sample_places,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Profile:
        """The profile behind `to_arrays`, also from an open npz file."""
        header = json.loads(arrays["header"].tobytes())
        if header["schema"] != SCHEMA:
            schema = header["schema"]
            raise InvalidSample("A drift profile", f"schema {schema}", f"schema {SCHEMA}: train the model again")
        columns = tuple(_column_from(stored) for stored in header["columns"])
        places = {"sample_places": arrays["sample_places"]} if "sample_places" in arrays else {}
        sample = (arrays["sample"], arrays["sample_clusters"])
        return cls(columns, header["rows"], header["clusters"], *sample, **places)


def build_profile(
    features: ArrayLike,
    *,
    names: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None = None,
    outputs: Mapping[str, ArrayLike] | None = None,
    clusters: ArrayLike | None = None,
) -> Profile:
    """Profile encoded rows (rows × names) in time order and, of the same rows, the model's outputs by name.

    Columns named in `levels` are categories.

    >>> found = build_profile([[1.0, 0.0], [3.0, 1.0]], names=["age", "team"], levels={"team": ["red", "blue"]})
    >>> found.columns[0].mean, found.columns[1].counts
    (2.0, (1, 1))
    """
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or not len(matrix):
        raise InvalidSample(
            "A profile", f"a matrix of shape {matrix.shape}", f"rows of {len(names)} columns, at least one"
        )
    given = {name: np.asarray(values, dtype=np.float64) for name, values in (outputs or {}).items()}
    for name, values in given.items():
        if values.shape != (len(matrix),):
            raise InvalidSample("A profile", f"output {name!r} of shape {values.shape}", f"{len(matrix)} values")
    known = levels or {}
    codes = cluster_codes(clusters, len(matrix))
    columns = [_profiled(name, matrix[:, at], known.get(name), False) for at, name in enumerate(names)]
    columns += [_profiled(name, values, None, True) for name, values in given.items()]
    together = np.column_stack([matrix, *given.values()])
    columns = [_with_inflation(column, together[:, at], codes) for at, column in enumerate(columns)]
    kept = _sampled_rows(codes)
    return Profile(tuple(columns), len(matrix), len(np.unique(codes)), together[kept], codes[kept], kept)


def level_codes(column: CategoryColumn, values: FloatArray) -> CodeArray:
    """Levels as 0, 1, …, then unseen, then null."""
    levels = len(column.levels)
    codes = np.where(np.isfinite(values), values, levels + 1).astype(np.int64)
    return np.where((codes < 0) | (codes > levels + 1), levels, codes)


def _profiled(name: str, values: FloatArray, levels: Sequence[str] | None, is_output: bool) -> Column:
    present = values[np.isfinite(values)]
    nulls = len(values) - len(present)
    if levels is not None:
        counts = np.bincount(present[present >= 0].astype(np.int64), minlength=len(levels))
        unseen = int((present < 0).sum())
        return CategoryColumn(name, is_output, tuple(levels), tuple(int(count) for count in counts), unseen, nulls)
    if not len(present):
        return NumberColumn(name, is_output, 0, nulls, 0.0, 0.0, ())
    steps = np.quantile(present, np.linspace(0, 1, _QUANTILE_STEPS + 1), method="inverted_cdf")
    return NumberColumn(
        name, is_output, len(present), nulls, float(present.mean()), float(present.std()), tuple(steps.tolist())
    )


def _with_inflation(column: Column, values: FloatArray, codes: CodeArray) -> Column:
    """Add the serial dependence of the newest rows (of the newest clusters, if rows have them)."""
    recent = slice(max(0, len(values) - _MOST_SERIAL_ROWS), None)
    newest, clusters = values[recent], codes[recent] - codes[recent].min(initial=0)
    is_present = np.isfinite(newest)
    nulls = (~is_present).astype(np.float64)
    if isinstance(column, CategoryColumn):
        levels = np.unique(np.where(is_present, newest, -2), return_inverse=True)[1].reshape(-1)
        common = np.argsort(-np.bincount(levels), kind="stable")[:_MOST_SERIAL_LEVELS]
        indicators = (levels[:, None] == common).astype(np.float64)
        return replace(column, inflation=measure_inflation(_cluster_totals(indicators, clusters)))
    ranks = np.zeros(len(newest))
    if is_present.any():
        present = midranks(newest[is_present])[0] / is_present.sum()
        ranks[is_present] = present - present.mean()
    return replace(
        column,
        inflation=measure_inflation(_cluster_totals(ranks[:, None], clusters)),
        null_inflation=measure_inflation(_cluster_totals(nulls[:, None], clusters)),
    )


def _cluster_totals(scores: FloatArray, codes: CodeArray) -> FloatArray:
    """The sum of the centred scores of each cluster; the scores themselves where no rows share a cluster."""
    if codes.max(initial=0) + 1 >= len(codes):
        return scores
    centred = scores - scores.mean(axis=0)
    return np.column_stack([cluster_sums(column, codes) for column in centred.T])


def _sampled_rows(codes: CodeArray) -> CodeArray:
    """Rows of whole clusters, evenly over time; of every cluster some rows where clusters are few and large."""
    every = -(-len(codes) // SAMPLE_ROWS)
    clusters = int(codes.max(initial=-1)) + 1
    if clusters // every >= _MIN_SAMPLE_CLUSTERS:
        return np.flatnonzero(codes % every == 0)
    return np.arange(0, len(codes), every)


def _column_from(stored: dict[str, Any]) -> Column:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    return CategoryColumn(**fields) if "levels" in stored else NumberColumn(**fields)
