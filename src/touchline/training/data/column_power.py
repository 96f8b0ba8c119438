"""The predictive power of one column alone: it finds leaks and selects the columns of a fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import (
    agreement,
    explained_share,
    is_beyond_chance,
    mid_ranks,
    number_levels,
    separation,
)
from touchline.training.data.rows import LabelledRows
from touchline.training.metrics.losses import one_hot

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def most_telling(rows: LabelledRows, count: int) -> frozenset[str]:
    """The names of the columns that predict the label best on these rows, each alone; of equal ones the first."""
    powers = [column_power(rows, place) for place in range(len(rows.columns))]
    ranked = sorted(range(len(powers)), key=lambda place: (-powers[place], place))
    return frozenset(rows.columns[place].name for place in ranked[:count])


def column_power(rows: LabelledRows, place: int) -> float:
    """The out-of-sample predictive power of one column alone.

    The area under the ROC curve, or the share of the label's order that it explains.
    """
    levels, outcome = _levels(rows, place), _outcome(rows)
    if rows.kind == "regression":
        share = max(0.0, explained_share(levels, outcome))
        return max(share, agreement(rows.vectors[:, place], np.asarray(rows.labels, dtype=np.float64)))
    return separation(levels, outcome)


def is_lucky(rows: LabelledRows, place: int, power: float) -> bool:
    """Whether the column predicts shuffled labels as well."""
    measure = explained_share if rows.kind == "regression" else separation
    return not is_beyond_chance(measure, _levels(rows, place), _outcome(rows), power)


def _outcome(rows: LabelledRows) -> Array:
    """Ranks of numbers, so that a copy in other units is found too; of two classes the second, of more each."""
    if rows.kind == "regression":
        return mid_ranks(np.asarray(rows.labels, dtype=np.float64))[:, None]
    happened = np.asarray(one_hot(rows.labels, len(rows.classes)), dtype=np.float64)
    return happened[:, 1:] if len(rows.classes) == 2 else happened


def _levels(rows: LabelledRows, place: int) -> Index:
    """Nulls are a level of their own: a column filled in only for one class is as telling as its values."""
    column, values = rows.columns[place], rows.vectors[:, place]
    if column.kind == "number":
        return number_levels(values)
    return np.where(np.isfinite(values), values + 1, len(column.levels) + 1).astype(np.int64)
