"""Weights that redraw clusters of examples: what the intervals of every metric stand on.

Clusters are drawn in runs of time order (stationary bootstrap), so that what one match day shares with the next
stays together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import optimal_block_length, stationary_indices

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_CHUNK = 50


def block_length(losses: Array, clusters: Index) -> float:
    """The number of consecutive clusters that depend on each other, estimated from their mean losses."""
    means = np.bincount(clusters, weights=losses) / np.bincount(clusters)
    return optimal_block_length(means)


def resampled_weights(clusters: Index, *, block: float, resamples: int, seed: int) -> Iterator[Array]:
    """Draw counts of each row, in chunks of [repeats, rows]. `clusters` are numbered in time order from 0."""
    random = np.random.default_rng(seed)
    count = int(clusters.max()) + 1
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = stationary_indices(random, resamples=rows, count=count, block_length=block)
        flat = drawn + np.arange(rows)[:, None] * count
        times = np.bincount(flat.ravel(), minlength=rows * count).reshape(rows, count)
        yield times.astype(np.float64)[:, clusters]
