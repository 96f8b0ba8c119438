"""Ranking metrics of scores: areas under curves and precision at the top, under many weightings at once.

Equal scores count as one step, as in scikit-learn.
"""

from __future__ import annotations

import numpy as np

from touchline.training.metrics.losses import Array

Steps = tuple[Array, Array]


def score_steps(happened: Array, scores: Array, weights: Array) -> Steps:
    """Weight of what happened and of what did not, per distinct score from the highest down: [repeats, steps] each."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    ordered = weights[:, order]
    positives = np.add.reduceat(ordered * happened[order], starts, axis=1)
    return positives, np.add.reduceat(ordered, starts, axis=1) - positives


def _share(part: Array, whole: Array) -> Array:
    found: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return found


def roc_auc(steps: Steps) -> Array:
    """The chance that a row that happened scores above one that did not; NaN where only one of the two is there."""
    positives, negatives = steps
    above = np.cumsum(positives, axis=1) - positives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return _share((negatives * above).sum(axis=1), pairs)


def average_precision(steps: Steps) -> Array:
    """Area under precision and recall as a sum of steps, without interpolation; NaN where nothing happened."""
    positives, negatives = steps
    hits = np.cumsum(positives, axis=1)
    called = hits + np.cumsum(negatives, axis=1)
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    total = hits[:, -1]
    return _share((precision * positives).sum(axis=1), total)


def precision_at_share(steps: Steps, *, share: float) -> Array:
    """The precision among the highest-scored `share` of the rows.

    Of rows with the score at its edge a part is taken at random: the value is the mean over all such choices
    (McSherry and Najork 2008), so the order of the rows has no effect.
    """
    positives, negatives = steps
    step = positives + negatives
    room = share * step.sum(axis=1, keepdims=True)
    taken = np.clip(room - (np.cumsum(step, axis=1) - step), 0.0, step)
    precision = np.divide(positives, step, out=np.zeros_like(step), where=step > 0)
    return _share((taken * precision).sum(axis=1), taken.sum(axis=1))
