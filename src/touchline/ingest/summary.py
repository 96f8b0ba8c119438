"""A summary of the values of a column, to print and to compare two snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

_SHOWN_LEVELS = 5


@dataclass(frozen=True)
class ColumnSummary:
    """Rows, nulls and spread of one column. `mean` and `deviation` are for numbers, `levels` for the rest."""

    name: str
    dtype: str
    rows: int
    nulls: int
    distinct: int
    least: str | None
    most: str | None
    mean: float | None
    deviation: float | None
    levels: tuple[tuple[str, int], ...]


def summarise(column: pl.Series) -> ColumnSummary:
    """The summary of a column.

    >>> summarise(pl.Series("goals", [1, 3, None])).mean
    2.0
    """
    values = column.drop_nulls()
    is_number = column.dtype.is_numeric()
    return ColumnSummary(
        name=column.name,
        dtype=str(column.dtype),
        rows=column.len(),
        nulls=column.null_count(),
        distinct=values.n_unique() if values.len() else 0,
        least=_shown(values.min()),
        most=_shown(values.max()),
        mean=_number(values.mean()) if is_number else None,
        deviation=_number(values.std()) if is_number else None,
        levels=() if is_number else _levels(values),
    )


def distance(before: pl.Series, after: pl.Series) -> float:
    """The distance between two samples of a column, 0 to 1, nulls counted as a value.

    Numbers and instants: the largest gap between the two distribution functions (Kolmogorov-Smirnov), or the gap in
    nulls when that is larger; anything else: half the summed difference of shares (total variation).
    """
    if before.is_empty() or after.is_empty():
        return 0.0 if before.len() == after.len() else 1.0
    nulls = abs(before.null_count() / before.len() - after.null_count() / after.len())
    ordered = before.dtype == after.dtype and (before.dtype.is_numeric() or before.dtype.is_temporal())
    return max(nulls, _largest_gap(before, after)) if ordered else _total_variation(before, after)


def _largest_gap(before: pl.Series, after: pl.Series) -> float:
    left = np.sort(before.drop_nulls().to_physical().to_numpy())
    right = np.sort(after.drop_nulls().to_physical().to_numpy())
    if left.size == 0 or right.size == 0:
        return 0.0
    points = np.concatenate([left, right])
    shares = [np.searchsorted(side, points, side="right") / side.size for side in (left, right)]
    return float(np.abs(shares[0] - shares[1]).max())


def _total_variation(before: pl.Series, after: pl.Series) -> float:
    shares = [
        pl.DataFrame({"level": side.cast(pl.String)}).group_by("level").agg((pl.len() / side.len()).alias("share"))
        for side in (before, after)
    ]
    both = shares[0].join(shares[1], on="level", how="full", nulls_equal=True, suffix="_after").fill_null(0.0)
    return float((both["share"] - both["share_after"]).abs().sum() / 2)


def _levels(values: pl.Series) -> tuple[tuple[str, int], ...]:
    counts = (
        values.cast(pl.String).alias("level").value_counts(sort=True).sort(["count", "level"], descending=[True, False])
    )
    return tuple(counts.head(_SHOWN_LEVELS).iter_rows())


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
