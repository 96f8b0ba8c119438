"""How far back a fit learns: the newest rows alone, where they predict what follows better than all rows do.

After the world has changed, older rows mislead. Whether and when it changed is read from the rows of the fit itself, so
the same recipe learns from everything while nothing changes, and each new fit finds the newest change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.data.rows import LabelledRows
from touchline.training.data.splits import FitWindow
from touchline.training.metrics.losses import loss_rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Predict = Callable[[LabelledRows, LabelledRows], Array]
"""Fits on the first rows and predicts the second ones."""

# Fewer rows fit and compare nothing.
_LEAST_HALF: Final = 60
# Each stretch has this share of the rows of the one before.
_SHORTER: Final = 2 / 3
# By so many standard errors a stretch must be better than all rows; about ten stretches are tried.
_ERRORS: Final = 2.5
# The newer half of a stretch is predicted in so many parts.
_PARTS: Final = 2


def recent_rows(rows: LabelledRows, predict: Predict) -> Index:
    """The rows to learn from: the newest stretch that clearly beats all rows, else all of them.

    The stretch is searched again in the same way, until none is better: the first one may begin before the change.
    """
    picked = np.arange(len(rows), dtype=np.int64)
    while len(shorter := _best_stretch(rows.at(picked), predict)) < len(picked):
        picked = picked[shorter]
    return picked


def _best_stretch(rows: LabelledRows, predict: Predict) -> Index:
    """The newest rows that beat all of these by the most standard errors.

    A stretch is tried on its newer half: once by a fit on its older half, once by a fit on everything before. Only
    labels that were known when the newer half began count. Rows without time are all taken.
    """
    everything = np.arange(len(rows), dtype=np.int64)
    best, best_errors = everything, _ERRORS
    for begins, middle in _stretches(rows.cutoffs):
        known = (rows.cutoffs < middle) & (rows.known_at <= middle)
        newer = np.flatnonzero(rows.cutoffs >= middle)
        older, before = np.flatnonzero(known & (rows.cutoffs >= begins)), np.flatnonzero(known)
        if not (_can_fit(rows, older) and len(newer) >= _LEAST_HALF):
            continue
        held = rows.at(newer)
        errors = _errors_better(held, predict(rows.at(older), held), predict(rows.at(before), held))
        if errors > best_errors:
            best, best_errors = np.flatnonzero(rows.cutoffs >= begins), errors
    return best


def newer_parts(rows: LabelledRows) -> tuple[FitWindow, ...]:
    """The newer half of rows in parts in time order, each with the rows whose labels were known before it.

    Parts that nothing can be fitted for are left out.
    """
    if rows.cutoffs.min(initial=0) == rows.cutoffs.max(initial=0):
        return ()
    ordered = np.sort(rows.cutoffs)
    half = len(ordered) // 2
    edges = [int(ordered[half + (len(ordered) - half) * part // _PARTS]) for part in range(_PARTS)]
    found = []
    for start, end in pairwise([*edges, int(ordered[-1]) + 1]):
        known = np.flatnonzero((rows.cutoffs < start) & (rows.known_at <= start))
        held = np.flatnonzero((rows.cutoffs >= start) & (rows.cutoffs < end))
        if len(held) and _can_fit(rows, known):
            found.append(FitWindow(known, held))
    return tuple(found)


def _stretches(cutoffs: Index) -> Iterator[tuple[int, int]]:
    """The instants at which each stretch and its newer half begin, the longest stretch first."""
    ordered, size = np.sort(cutoffs), len(cutoffs) * _SHORTER
    if not len(ordered) or ordered[0] == ordered[-1]:
        return
    while size >= 2 * _LEAST_HALF:
        yield int(ordered[-int(size)]), int(ordered[-int(size / 2)])
        size *= _SHORTER


def _can_fit(rows: LabelledRows, part: Index) -> bool:
    has_all = rows.kind == "regression" or len(np.unique(rows.labels[part])) == len(rows.classes)
    return len(part) >= _LEAST_HALF and has_all


def _errors_better(held: LabelledRows, ours: Array, theirs: Array) -> float:
    """The standard errors by which the mean loss of ours is lower, with rows of one cluster as one."""
    score = "mse" if held.kind == "regression" else "log_loss"
    gains = loss_rows(score, held.labels, theirs) - loss_rows(score, held.labels, ours)
    _, clusters = np.unique(held.clusters, return_inverse=True)
    deviations = np.bincount(clusters, weights=gains - gains.mean())
    error = float(np.sqrt((deviations**2).sum()))
    return float(gains.sum()) / error if error > 0 else 0.0
