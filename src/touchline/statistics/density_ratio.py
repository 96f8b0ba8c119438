"""Whether whole rows changed, and how much likelier each reference row is now: a classifier of old and new rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.clusters import cluster_codes
from touchline.statistics.samples import FloatArray
from touchline.statistics.two_samples import mann_whitney

_FOLDS = 5
_MOST_ROWS = 20_000
_LEAST_ROWS = 40
# Values of a column count by their place between so many quantiles.
_BINS = 200
# A row cannot count more than this: an estimated ratio is worst where it is largest.
_MOST_WEIGHT = 20.0


@dataclass(frozen=True, eq=False)
class RowShift:
    """The classifier two-sample test (Lopez-Paz and Oquab 2017) and the density ratio of the reference rows.

    `auc` is that of held-out rows: 0.5 where old and new rows look the same. `weights` have mean 1.
    """

    auc: float
    p_value: float
    weights: FloatArray

    @property
    def effective_rows(self) -> float:
        """As many rows of equal weight know as much (Kish 1965)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())


def row_shift(
    reference: ArrayLike, current: ArrayLike, *, clusters: tuple[ArrayLike, ArrayLike] | None = None, seed: int = 7
) -> RowShift:
    """Compare rows [rows, columns] by gradient boosted trees that are fitted without the row's own fold.

    Rows of one cluster are in one fold, and count once in the test. NaN is a value of its own. Fewer than 40 rows on a
    side are not told apart: the test then finds nothing.
    """
    old, new = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if old.ndim != 2 or new.ndim != 2 or old.shape[1] != new.shape[1] or not old.size or not new.size:
        raise InvalidSample("A shift of rows", f"rows of shapes {old.shape} and {new.shape}", "rows of equal columns")
    given = (None, None) if clusters is None else clusters
    groups = [cluster_codes(labels, len(side)) for side, labels in zip((old, new), given, strict=True)]
    if min(len(old), len(new)) < _LEAST_ROWS or min(len(np.unique(group)) for group in groups) < 2 * _FOLDS:
        return RowShift(0.5, 1.0, np.ones(len(old)))
    old_scores, new_scores = _held_out_scores(old, new, groups, seed)
    means = [
        np.bincount(group, weights=scores) / np.bincount(group)
        for group, scores in zip(groups, (old_scores, new_scores), strict=True)
    ]
    ranks = np.searchsorted(np.sort(old_scores), new_scores, side="left")
    ties = np.searchsorted(np.sort(old_scores), new_scores, side="right")
    odds = np.exp(np.clip(old_scores, -10, 10))
    weights = np.minimum(odds / odds.mean(), _MOST_WEIGHT)
    auc = float((ranks + ties).mean() / 2 / len(old_scores))
    p_value = mann_whitney(means[0], means[1]) if auc > 0.5 else 1.0
    return RowShift(auc, p_value, weights / weights.mean())


def _held_out_scores(
    old: FloatArray, new: FloatArray, groups: list[np.ndarray[tuple[int], np.dtype[np.int64]]], seed: int
) -> tuple[FloatArray, FloatArray]:
    """The log odds of being new, of each row, by a model that has not seen its fold; sides weigh the same."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    old, new = _binned(old, new)
    rng = np.random.default_rng(seed)
    folds = [rng.permutation(int(group.max()) + 1)[group] % _FOLDS for group in groups]
    scores = [np.zeros(len(old)), np.zeros(len(new))]
    for fold in range(_FOLDS):
        parts = [np.flatnonzero(side != fold) for side in folds]
        parts = [part[:: -(-len(part) // _MOST_ROWS)] for part in parts]
        rows = np.vstack([old[parts[0]], new[parts[1]]])
        is_new = np.repeat([0, 1], [len(part) for part in parts])
        model = HistGradientBoostingClassifier(
            max_iter=50,
            max_leaf_nodes=8,
            min_samples_leaf=20,
            learning_rate=0.1,
            l2_regularization=10.0,
            early_stopping=False,
            class_weight="balanced",
            random_state=seed,
        )
        model.fit(rows, is_new)
        for side, values, scored in zip(folds, (old, new), scores, strict=True):
            mask = side == fold
            if mask.any():
                scored[mask] = model.decision_function(values[mask])
    return scores[0], scores[1]


def _binned(old: FloatArray, new: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The number of quantiles of its column below each value, NaN where there is none.

    Trees see little but the order of values. Without this, scikit-learn searches weighted quantiles of every column
    anew for each fold, which takes two thirds of the whole time.
    """
    sides = np.empty_like(old), np.empty_like(new)
    for column in range(old.shape[1]):
        values = np.concatenate([old[:, column], new[:, column]])
        values = values[~np.isnan(values)]
        edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1))) if len(values) else values
        for side, given in zip(sides, (old[:, column], new[:, column]), strict=True):
            side[:, column] = np.where(np.isnan(given), np.nan, np.searchsorted(edges, given))
    return sides
