"""Effect sizes: the distance between two samples, independent of their sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, counts, finite_sample, number_array

BINS = 10
# Half a row is added to each bin, so that an empty one is far away but not infinitely far.
_SMOOTHING = 0.5
# Distances between larger samples are those of so many quantiles.
_MOST_QUANTILES = 2_000


def psi(reference_counts: ArrayLike, current_counts: ArrayLike) -> float:
    """Population stability index of two rows of counts: Σ (q - p) · ln(q / p). 0 is equal, 0.1 small, 0.25 large.

    >>> psi([50, 50], [5, 5])
    0.0
    """
    before, after = counts("PSI", reference_counts), counts("PSI", current_counts)
    if len(before) != len(after):
        raise InvalidSample("PSI", f"{len(before)} and {len(after)} counts", "a count per level in both samples")
    used = before + after > 0
    before, after = before[used], after[used]
    if not before.sum() or not after.sum():
        return 0.0
    # Smoothing in proportion to the other's shares keeps equal shares equal, whatever the sizes.
    pooled = before / before.sum() + after / after.sum()
    smooth = _SMOOTHING * pooled / 2 * len(before)
    p, q = (before + smooth) / (before + smooth).sum(), (after + smooth) / (after + smooth).sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_of_numbers(reference: FloatArray, current: FloatArray, *, edges: FloatArray | None = None) -> float:
    """PSI over bins of equal share of the reference (or between the given inner edges); NaN is a bin of its own."""
    for sample in (reference, current):
        number_array("PSI", sample)
    inner = inner_edges(reference) if edges is None else edges
    return psi(binned(reference, inner), binned(current, inner))


def wasserstein(reference: FloatArray, current: FloatArray) -> float:
    """The 1-Wasserstein distance: the mean shift that turns one sample into the other, in their own unit.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    if not len(reference) or not len(current):
        return 0.0
    for sample in (reference, current):
        finite_sample("A Wasserstein distance", sample)
    return wasserstein_sorted(np.sort(reference), np.sort(current))


def wasserstein_sorted(reference: FloatArray, current: FloatArray) -> float:
    """The 1-Wasserstein distance of two sorted samples; of large ones, that of evenly spaced quantiles."""
    if not len(reference) or not len(current):
        return 0.0
    reference, current = _thinned(reference), _thinned(current)
    edges = np.sort(np.concatenate([reference, current]), kind="stable")
    below = [np.searchsorted(sample, edges[:-1], side="right") / len(sample) for sample in (reference, current)]
    return float(np.abs(below[0] - below[1]) @ np.diff(edges))


def inner_edges(values: FloatArray, bins: int = BINS) -> FloatArray:
    """The distinct inner quantiles that cut the values into bins of equal share; fewer where values repeat."""
    present = values[np.isfinite(values)]
    if not len(present):
        return np.empty(0)
    return np.unique(np.quantile(present, np.arange(1, bins) / bins, method="inverted_cdf"))


def binned(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Counts per bin (an edge belongs to the bin below it); the last bin counts what is not finite."""
    present = values[np.isfinite(values)]
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(present)).astype(np.float64)


def binned_sorted(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Counts per bin of sorted finite values, an edge belonging to the bin below it."""
    ends = np.searchsorted(values, edges, side="right")
    return np.diff(np.concatenate([[0], ends, [len(values)]])).astype(np.float64)


def _thinned(values: FloatArray) -> FloatArray:
    if len(values) <= _MOST_QUANTILES:
        return values
    return values[((np.arange(_MOST_QUANTILES) + 0.5) * len(values) / _MOST_QUANTILES).astype(np.int64)]
