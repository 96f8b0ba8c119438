"""Clusters: rows that stand or fall together, numbered in time order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

CodeArray = NDArray[np.int64]


def cluster_codes(labels: ArrayLike | None, rows: int, *, at: ArrayLike | None = None) -> CodeArray:
    """The cluster of each row as 0, 1, 2, … in time order.

    Without `at` the rows are taken to be in time order, and a cluster stands where its first row does; with
    `at` (numbers or datetime64), where its earliest row does. No labels: every row is its own cluster.

    >>> cluster_codes(["sat", "sat", "sun", "sat"], 4).tolist()
    [0, 0, 1, 0]
    """
    found = np.arange(rows) if labels is None else np.asarray(labels)
    if found.shape != (rows,):
        raise InvalidSample("Clusters", f"cluster labels of shape {found.shape} for {rows} rows", "one label a row")
    instants = np.arange(rows) if at is None else np.asarray(at)
    if instants.shape != (rows,):
        raise InvalidSample("Clusters", f"instants of shape {instants.shape} for {rows} rows", "one instant a row")
    order = np.argsort(instants, kind="stable")
    _, first, codes = np.unique(_comparable(found)[order], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    in_row_order = np.empty(rows, dtype=np.int64)
    in_row_order[order] = rank[codes.reshape(-1)]
    return in_row_order


def cluster_sums(values: ArrayLike, codes: CodeArray) -> FloatArray:
    """The sum of the values of each cluster."""
    return np.bincount(codes, weights=np.asarray(values, dtype=np.float64)).astype(np.float64)


def cluster_means(values: ArrayLike, labels: ArrayLike | None, *, at: ArrayLike | None = None) -> FloatArray:
    """The mean of each cluster, clusters in time order.

    >>> cluster_means([1.0, 3.0, 5.0], ["a", "a", "b"]).tolist()
    [2.0, 5.0]
    """
    numbers = finite_sample("Means of clusters", values)
    codes = cluster_codes(labels, len(numbers), at=at)
    return cluster_sums(numbers, codes) / np.bincount(codes)


def _comparable(labels: NDArray[np.generic]) -> NDArray[np.generic]:
    # Objects of mixed types cannot be sorted; their text can.
    return labels.astype(str) if labels.dtype == object else labels
