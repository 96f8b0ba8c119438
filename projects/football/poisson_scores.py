"""Probabilities of scores and outcomes from the expected goals of both sides. NumPy only: releases carry this file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GOALS = 11
_LOG_FACTORIALS = np.concatenate([[0.0], np.log(np.arange(1, GOALS)).cumsum()])


def score_probabilities(home_rate: Array, away_rate: Array, rho: Array | float) -> Array:
    """Probabilities of the scores 0:0 to 10:10, shape (matches, 11, 11) by home and away goals; each match sums to 1.

    Independent Poisson goals, the four lowest scores corrected by rho (Dixon and Coles 1997).
    """
    grid = _poisson(home_rate)[:, :, None] * _poisson(away_rate)[:, None, :]
    grid[:, 0, 0] *= np.maximum(1 - home_rate * away_rate * rho, 0.0)
    grid[:, 0, 1] *= np.maximum(1 + home_rate * rho, 0.0)
    grid[:, 1, 0] *= np.maximum(1 + away_rate * rho, 0.0)
    grid[:, 1, 1] *= np.maximum(1 - rho, 0.0)
    return np.asarray(grid / grid.sum(axis=(1, 2), keepdims=True))


def outcome_probabilities(home_rate: Array, away_rate: Array, rho: Array | float) -> Array:
    """Probabilities of home win, draw and away win, one row a match."""
    grid = score_probabilities(home_rate, away_rate, rho)
    wins, losses = np.tril(grid, -1).sum(axis=(1, 2)), np.triu(grid, 1).sum(axis=(1, 2))
    return np.stack([wins, np.trace(grid, axis1=1, axis2=2), losses], axis=1)


def _poisson(rate: Array) -> Array:
    return np.asarray(np.exp(np.arange(GOALS) * np.log(rate)[:, None] - rate[:, None] - _LOG_FACTORIALS))
