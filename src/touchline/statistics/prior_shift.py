"""New shares of the classes, from predicted probabilities alone: the EM algorithm of Saerens et al. (2002)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray

_MOST_STEPS = 2_000
_TOLERANCE = 1e-9
_SMALLEST = 1e-12


@dataclass(frozen=True)
class PriorShift:
    """The class shares before and now. `p_value` is that of no change of the shares (likelihood ratio).

    `fit` is the p-value that a change of the shares alone explains the new distribution of the probabilities: small
    where the rows of a class changed too, or probabilities are no longer calibrated.
    """

    before: tuple[float, ...]
    now: tuple[float, ...]
    p_value: float
    fit: float
    rows: int

    def is_shift(self, alpha: float = 0.01) -> bool:
        """True if the shares changed and nothing else is needed to explain the probabilities."""
        return self.p_value <= alpha < self.fit


def estimate_prior_shift(
    probabilities: ArrayLike, reference: ArrayLike, labels: ArrayLike, *, design_effect: float = 1.0
) -> PriorShift:
    """The shares of the classes behind new calibrated probabilities [rows, classes], by maximum likelihood.

    `reference` are calibrated probabilities of rows with known class numbers `labels`. Their number limits how well the
    shares before are known. `design_effect` is by how much clusters of rows raise the variance of a share.

    >>> rng = np.random.default_rng(1)
    >>> y = rng.integers(0, 2, 2000); x = rng.normal(y)
    >>> p = 1 / (1 + np.exp(0.5 - x)); p = np.column_stack([1 - p, p])
    >>> few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:250]]
    >>> found = estimate_prior_shift(p[few], p, y)
    >>> round(found.now[1], 1), found.is_shift()
    (0.2, True)
    """
    new, old, classes = _checked(probabilities, reference, labels)
    before = np.bincount(classes, minlength=old.shape[1]) / len(classes)
    if (before == 0).any():
        absent = int((before == 0).argmax())
        raise InvalidSample("A prior shift", f"a reference without class {absent}", "rows of every class")
    now, gain = _expectation_maximization(new, before)
    # The reference itself has an error of its shares: the statistic is scaled to the variance of the difference.
    from scipy.stats import chi2

    scale = 1 / (1 + len(new) / len(old)) / max(design_effect, 1.0)
    p_value = float(chi2.sf(2 * max(gain, 0.0) * scale, old.shape[1] - 1))
    fit = _fit(new, old, (now / before)[classes], design_effect)
    return PriorShift(tuple(before.tolist()), tuple(now.tolist()), p_value, fit, len(new))


def with_prior(probabilities: ArrayLike, before: ArrayLike, now: ArrayLike) -> FloatArray:
    """Probabilities [rows, classes] as they are under other shares of the classes (Bayes' rule).

    >>> with_prior([[0.5, 0.5]], [0.5, 0.5], [0.8, 0.2]).round(2).tolist()
    [[0.8, 0.2]]
    """
    given = np.asarray(probabilities, dtype=np.float64)
    old, new = np.asarray(before, dtype=np.float64), np.asarray(now, dtype=np.float64)
    if given.ndim != 2 or old.shape != (given.shape[1],) or new.shape != old.shape or (old <= 0).any():
        raise InvalidSample("New shares", f"shares {old.tolist()} and {new.tolist()}", "a share above 0 for each class")
    if not np.isfinite(given).all() or not np.isfinite([old, new]).all() or (new < 0).any() or not new.any():
        raise InvalidSample("New shares", "NaN, infinite or negative values", "probabilities, and shares of 0 or more")
    weighted = np.clip(given, _SMALLEST, 1) * (new / old)
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def rows_of_shares(labels: ArrayLike, shares: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places of rows whose classes have the given shares: of the class that gained most all, of others evenly in order.

    >>> rows_of_shares([0, 1, 0, 1, 0, 1, 0, 1], [0.8, 0.2]).tolist()
    [0, 2, 4, 6, 7]
    """
    codes, wanted = np.asarray(labels, dtype=np.int64), np.asarray(shares, dtype=np.float64)
    if codes.ndim != 1 or not len(codes) or wanted.ndim != 1 or codes.min() < 0 or codes.max() >= len(wanted):
        actual = f"labels of shape {codes.shape} and {wanted.size} shares"
        raise InvalidSample("Rows of other shares", actual, "class numbers, at least one, and a share for each class")
    before = np.bincount(codes, minlength=len(wanted)) / len(codes)
    ratios = np.divide(wanted, before, out=np.zeros(len(wanted)), where=before > 0)
    if not np.isfinite(ratios).all() or ratios.max() <= 0:
        raise InvalidSample(
            "Rows of other shares", f"shares {wanted.tolist()}", "a share above 0 for a class with rows"
        )
    is_chosen = np.zeros(len(codes), dtype=np.bool_)
    for code, share in enumerate(ratios / ratios.max()):
        places = np.flatnonzero(codes == code)
        steps = np.floor(np.arange(len(places) + 1) * share + 1e-9)
        is_chosen[places[np.diff(steps) > 0]] = True
    return np.flatnonzero(is_chosen)


def _checked(
    probabilities: ArrayLike, reference: ArrayLike, labels: ArrayLike
) -> tuple[FloatArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    new, old = np.asarray(probabilities, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    classes = np.asarray(labels, dtype=np.float64)
    is_shaped = new.ndim == old.ndim == 2 and new.shape[1:] == old.shape[1:] and classes.shape == old.shape[:1]
    if not is_shaped or not new.size or not old.size or old.shape[1] < 2:
        actual = f"arrays of shapes {new.shape}, {old.shape} and {classes.shape}"
        raise InvalidSample(
            "A prior shift", actual, "probabilities of two or more classes, and a label a reference row"
        )
    if not all(np.isfinite(part).all() for part in (new, old, classes)):
        raise InvalidSample("A prior shift", "values that are NaN or infinite", "finite numbers")
    return np.clip(new, _SMALLEST, 1), np.clip(old, _SMALLEST, 1), classes.astype(np.int64)


def _expectation_maximization(new: FloatArray, before: FloatArray) -> tuple[FloatArray, float]:
    """The shares, and the gain in log likelihood over the shares before."""
    now = before.copy()
    for _ in range(_MOST_STEPS):
        weighted = new * (now / before)
        updated = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        step = float(np.abs(updated - now).max())
        now = updated
        if step < _TOLERANCE:
            break
    return now, float(np.log((new * (now / before)).sum(axis=1) / new.sum(axis=1)).sum())


def _fit(new: FloatArray, old: FloatArray, weights: FloatArray, design_effect: float) -> float:
    """Kolmogorov-Smirnov of each class's probabilities against the reference reweighted by class, Bonferroni."""
    from scipy.special import kolmogorov

    effective = weights.sum() ** 2 / (weights**2).sum()
    size = np.sqrt(len(new) * effective / (len(new) + effective) / max(design_effect, 1.0))
    columns = range(old.shape[1]) if old.shape[1] > 2 else range(1)
    smallest = 1.0
    for column in columns:
        order = np.argsort(old[:, column])
        edges = old[order, column]
        below = np.cumsum(weights[order]) / weights.sum()
        distance = np.abs(np.searchsorted(np.sort(new[:, column]), edges, side="right") / len(new) - below).max()
        smallest = min(smallest, float(kolmogorov(size * distance)))
    return min(1.0, smallest * len(columns))
