"""How far the predictions of two models lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from touchline.registry.gates.stored_predictions import Array, label_codes


def mean_distance(ours: Array, theirs: Array, spread: float) -> float:
    """The mean distance of the two predictions of a row: of probabilities the total variation, of values absolute.

    Values are measured in `spread`.
    """
    apart = np.abs(ours - theirs)
    if not len(apart):
        return 0.0
    by_row = apart.sum(axis=1) / 2 if apart.shape[1] > 1 else apart[:, 0]
    return float(by_row.mean() / spread)


def label_spread(predictions: pl.DataFrame, classes: Sequence[str]) -> float:
    """The standard deviation of the labels of evaluated rows, by which values are measured; 1 for probabilities."""
    return 1.0 if classes else float(np.std(label_codes(predictions, classes))) or 1.0
