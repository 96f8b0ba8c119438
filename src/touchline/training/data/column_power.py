"""How well one column alone foretells the label: what finds leaks, and what chooses the columns of a fit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.features import ColumnSpec
from touchline.training.data.rows import LabelledRows
from touchline.training.metrics.losses import one_hot
from touchline.training.metrics.ranking import roc_auc

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_BINS: Final = 50


def most_telling(rows: LabelledRows, count: int) -> frozenset[str]:
    """The names of the columns that foretell the label best on these rows, each alone; of equal ones the first."""
    powers = [column_power(rows, place) for place in range(len(rows.columns))]
    ranked = sorted(range(len(powers)), key=lambda place: (-powers[place], place))
    return frozenset(rows.columns[place].name for place in ranked[:count])


def column_power(rows: LabelledRows, place: int) -> float:
    """How well one column alone foretells the label on every other row, its bins read from the rest.

    Nulls are a bin of their own: a column filled in only for one class is as telling as its values.
    """
    bins = _bins(rows.vectors[:, place], rows.columns[place])
    read = np.arange(len(rows)) % 2 == 0
    if rows.kind == "regression":
        ranks = _ranks(np.asarray(rows.labels, dtype=np.float64))
        return max(_explained(bins, ranks, read), _agreement(rows.vectors[:, place], ranks))
    happened = one_hot(rows.labels, len(rows.classes))
    chosen = [1] if len(rows.classes) == 2 else range(len(rows.classes))
    areas = [_separated(bins, happened[:, c], read) for c in chosen]
    return float(np.nanmax(areas)) if np.isfinite(areas).any() else 0.0


def _bins(values: Array, column: ColumnSpec) -> Index:
    missing = ~np.isfinite(values)
    if column.kind == "category":
        return np.where(missing, len(column.levels) + 1, values + 1).astype(np.int64)
    present = values[~missing]
    if len(present) == 0:
        return np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(present)
    edges = distinct if len(distinct) <= _BINS else np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right")).astype(np.int64)


def _bin_means(bins: Index, values: Array, read: NDArray[np.bool_]) -> Array:
    size = int(bins.max()) + 1
    counts = np.bincount(bins[read], minlength=size)
    sums = np.bincount(bins[read], weights=values[read], minlength=size)
    # A bin with few rows says little: it is drawn towards the mean of all, as if it held one such row more.
    means: Array = (sums + values[read].mean()) / (counts + 1)
    return means


def _separated(bins: Index, happened: Array, read: NDArray[np.bool_]) -> float:
    scores = _bin_means(bins, happened, read)[bins[~read]]
    return float(roc_auc(happened[~read], scores, np.ones((1, int((~read).sum()))))[0])


def _ranks(values: Array) -> Array:
    """Numbers are compared by rank, so that a copy in other units or on another scale is found too."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return ranks


def _explained(bins: Index, ranks: Array, read: NDArray[np.bool_]) -> float:
    said, rest = _bin_means(bins, ranks, read)[bins[~read]], ranks[~read]
    return max(0.0, 1.0 - float(((said - rest) ** 2).mean() / rest.var())) if rest.var() else 0.0


def _agreement(values: Array, ranks: Array) -> float:
    """The squared rank correlation, where the column has no nulls."""
    if not np.isfinite(values).all() or np.ptp(values) == 0 or np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(values), ranks)[0, 1] ** 2)
