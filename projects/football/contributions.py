"""Why a probability is what it is: contributions of features in probabilities, and terms of the expected goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import log
from typing import Any

import numpy as np

from .score_grid import OUTCOMES, goal_forecast, score_markets

_NODES = 32


def probability_contributions(explanation: Mapping[str, Any]) -> dict[str, Any]:
    """`base` plus what each column adds, in probabilities: for each outcome they sum to the predicted probability.

    An explanation in scores is carried to probabilities along the straight line from the base scores to the scores of
    the match (the values of Aumann and Shapley, 1974): each step of the line is shared out as the scores are.
    """
    base = np.array([explanation["base"][outcome] for outcome in OUTCOMES])
    columns = explanation["contributions"]
    adds = np.array([[column["adds"][outcome] for outcome in OUTCOMES] for column in columns])
    if explanation["space"] == "score":
        base, adds = _in_probabilities(base, adds)
    total = base + adds.sum(axis=0)
    return {
        "base": _by_outcome(base),
        "features": [
            {"feature": column["column"], "value": column["value"], "adds": _by_outcome(own)}
            for column, own in zip(columns, adds, strict=True)
        ],
        "total": _by_outcome(total),
    }


def _in_probabilities(base: np.ndarray, adds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    along = _softmax(base + (nodes[:, None] + 1) / 2 * adds.sum(axis=0))
    # The slope of each probability in the direction of each column, at each node.
    slopes = along[:, None, :] * (adds[None] - (along[:, None, :] * adds[None]).sum(axis=2, keepdims=True))
    return _softmax(base[None])[0], np.tensordot(weights / 2, slopes, axes=1)


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _by_outcome(numbers: np.ndarray) -> dict[str, float]:
    return dict(zip(OUTCOMES, numbers.tolist(), strict=True))


def goal_contributions(values: Mapping[str, Any], probabilities: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The terms of each side's log expected goals; they sum to `log_expected_goals`.

    `agreement` is the change that makes the scores agree with the predicted probabilities of the outcomes.
    """
    forecast = goal_forecast(values)
    sides = (forecast.home, forecast.away)
    expected_goals = score_markets(forecast.grid(probabilities)).expected_goals
    found = {}
    for side, terms, goals in zip(("home", "away"), sides, expected_goals, strict=True):
        named = asdict(terms)
        found[side] = {**named, "agreement": log(goals) - sum(named.values()), "log_expected_goals": log(goals)}
    return found
