"""Categories as numbers for trees: the mean label of each level, shrunk towards the mean of all the fewer rows it has.

The means are those of Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes", with
the shrinkage that scikit-learn's `TargetEncoder` takes from the variances. A row of the fit never sees a mean that its
own label is in: it gets those of other rows (cross-fitting). Where examples have times, the others are those whose
labels were known before, as a request sees them: later ones would tell how a level went on. Where they have none, the
others are the rest of the clusters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from touchline.training.data.rows import LabelledRows
from touchline.training.fitting.mean_table import MeanPart, MeanTable, level_places
from touchline.training.fitting.preparation import Preparation, column_names, fit_preparation
from touchline.training.metrics.losses import one_hot

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# How a fit of trees sees categories: by the codes that its library splits on, as means, or both.
Categories = Literal["codes", "means", "both"]
CATEGORIES: Final[tuple[Categories, ...]] = get_args(Categories)
SETTING: Final = "categories"

_PARTS: Final = 5
_STRETCHES: Final = 10


def prepare_for_trees(
    rows: LabelledRows, categories: Categories, *, seed: int, column_subset: Collection[str] | None = None
) -> tuple[Preparation, Array]:
    """The layout `trees` with categories in that form, and the matrix to fit on.

    The matrix is not `transform` of the rows where means are in it: what a row's own label is in tells that label.
    """
    coded = fit_preparation("trees", rows.columns, rows.vectors, column_subset=column_subset)
    positions = _varying(rows, column_subset)
    if categories == "codes" or not positions:
        return coded, coded.transform(rows.vectors)
    bare = coded if categories == "both" else replace(coded, categories=())
    means = fit_means(positions, rows)
    matrix = np.concatenate([bare.transform(rows.vectors), cross_fitted_means(positions, rows, seed=seed)], axis=1)
    names = column_names("trees", rows.columns, bare.numbers, bare.categories)
    told = [f"{rows.columns[part.position].name}: mean {output}" for part in means for output in _mean_names(rows)]
    seen = {rows.columns[position].name for position in positions}
    dropped = tuple(name for name in coded.dropped if name not in seen)
    return replace(bare, means=means, names=(*names, *told), dropped=dropped), np.ascontiguousarray(matrix)


def _varying(rows: LabelledRows, column_subset: Collection[str] | None) -> list[int]:
    """The positions of categories that differ between rows. Rare levels count: their means are shrunk, not pooled."""
    return [
        place
        for place, column in enumerate(rows.columns)
        if column.kind == "category"
        and (column_subset is None or column.name in column_subset)
        and len(np.unique(rows.vectors[:, place])) > 1
    ]


def _mean_names(rows: LabelledRows) -> tuple[str, ...]:
    if rows.kind == "regression":
        return ("value",)
    return rows.classes[1:] if rows.kind == "binary" else rows.classes


def mean_outputs(rows: LabelledRows) -> Array:
    """Values to average. Binary: is it the second class; multiclass: one column per class; regression: the value."""
    if rows.kind == "regression":
        return np.asarray(rows.labels, dtype=np.float64)[:, None]
    happened = one_hot(rows.labels, len(rows.classes))
    return happened[:, 1:] if rows.kind == "binary" else happened


def fit_means(positions: Sequence[int], rows: LabelledRows) -> tuple[MeanPart, ...]:
    """The means of the category columns at these positions, of all rows."""
    outputs = mean_outputs(rows)
    return tuple(
        MeanPart(place, _means(rows.vectors[:, place], len(rows.columns[place].levels), outputs)) for place in positions
    )


def cross_fitted_means(positions: Sequence[int], rows: LabelledRows, *, seed: int) -> Array:
    """The columns that `fit_means` makes, for the rows of the fit themselves. Null where nothing was known before."""
    found = np.full((len(rows), len(positions) * mean_outputs(rows).shape[1]), np.nan)
    for known, told in _others(rows, seed):
        if len(known):
            table = MeanTable.of(fit_means(positions, rows.at(known)))
            found[told] = table.columns(rows.vectors[told])
    return found


def _others(rows: LabelledRows, seed: int) -> Iterator[tuple[Index, Index]]:
    """Parts of the rows, each with the rows whose labels it may be told of."""
    if len(np.unique(rows.cutoffs)) < 2:
        clusters, where = np.unique(rows.clusters, return_inverse=True)
        part = (np.random.default_rng(seed).permutation(len(clusters)) % _PARTS)[where]
        yield from ((np.flatnonzero(part != held), np.flatnonzero(part == held)) for held in range(_PARTS))
        return
    ordered = np.sort(rows.cutoffs)
    starts = np.unique(ordered[np.arange(_STRETCHES) * len(ordered) // _STRETCHES])
    stretch = np.searchsorted(starts, rows.cutoffs, side="right") - 1
    for place, start in enumerate(starts):
        known = np.flatnonzero((rows.cutoffs < start) & (rows.known_at <= start))
        yield known, np.flatnonzero(stretch == place)


def _means(values: Array, levels: int, outputs: Array) -> tuple[tuple[float, ...], ...]:
    codes = level_places(values, np.array(levels))
    counts = np.bincount(codes, minlength=levels + 2)
    shrunk = [_shrunk(codes, counts, outputs[:, place]) for place in range(outputs.shape[1])]
    return tuple(tuple(row) for row in np.stack(shrunk, axis=1).tolist())


def _shrunk(codes: Index, counts: Index, values: Array) -> Array:
    """Each level's mean, weighed against the mean of all by the variance within it."""
    overall, some = values.mean(), np.maximum(counts, 1)
    means = np.bincount(codes, values, len(counts)) / some
    within = np.bincount(codes, (values - means[codes]) ** 2, len(counts)) / some
    across = values.var() * counts
    weight = np.divide(across, across + within, out=np.zeros(len(counts)), where=across > 0)
    # What the fit knows as unseen are other levels than those a request brings.
    weight[1] = 0.0
    shrunk: Array = weight * means + (1 - weight) * overall
    return shrunk
