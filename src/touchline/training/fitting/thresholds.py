"""The probability of the positive class from which it is predicted, chosen on rows that the fit has not seen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.metrics.losses import Array, Labels
from touchline.training.spec import Costs, Threshold

# Below this share of the positive class, a threshold of 0.5 may predict it for nobody.
RARE: Final = 0.1


def choose_threshold(declared: Threshold, labels: Labels, probabilities: NDArray[np.float64]) -> float:
    """The declared threshold, or the one that is best on these rows: by F1, or by the declared costs.

    "auto" is 0.5, and the best by F1 where the positive class is rare. More than two classes have no threshold.
    """
    if probabilities.shape[1] != 2:
        return 0.5
    if isinstance(declared, Costs):
        return _lowest_cost(labels, probabilities, declared)
    if isinstance(declared, str):
        share = float(np.mean(np.asarray(labels) == 1))
        return _best_f1(labels, probabilities) if declared == "f1" or share < RARE else 0.5
    return declared


def threshold_rule(declared: Threshold, labels: Labels, classes: int) -> str:
    """The rule behind the threshold, in words; empty for a declared number and for more than two classes."""
    if classes != 2 or isinstance(declared, float | int):
        return ""
    if isinstance(declared, Costs):
        costs = f"{declared.false_positive:g} for a false positive, {declared.false_negative:g} for a false negative"
        return f"it has the lowest cost on the validation examples ({costs})"
    share = float(np.mean(np.asarray(labels) == 1))
    if declared == "f1":
        return "it has the highest F1 on the validation examples"
    if share < RARE:
        return f"it has the highest F1 on the validation examples, since only {share:.1%} are positive"
    return ""


def _best_f1(labels: Labels, probabilities: Array) -> float:
    """The threshold with the highest F1 on these rows."""
    hits, predicted, scores = _from_the_top(labels, probabilities)
    positives = int(hits[-1])
    if not positives:
        return 0.5
    return _halfway(scores, int(np.argmax(2 * hits / (predicted + positives))))


def _lowest_cost(labels: Labels, probabilities: Array, costs: Costs) -> float:
    """The threshold with the lowest cost on these rows; without a positive row, the one for exact probabilities."""
    hits, predicted, scores = _from_the_top(labels, probabilities)
    exact = costs.false_positive / (costs.false_positive + costs.false_negative)  # Elkan 2001
    if not hits[-1]:
        return exact
    cost = costs.false_positive * (predicted - hits) + costs.false_negative * (hits[-1] - hits)
    nobody = costs.false_negative * int(hits[-1])
    return _halfway(scores, int(cost.argmin())) if cost.min() < nobody else float((scores[0] + 1.0) / 2)


def _from_the_top(labels: Labels, probabilities: Array) -> tuple[Labels, Labels, Array]:
    """For each distinct score, downwards: true positives and predicted positives from it on, and the score."""
    scores: Array = probabilities[:, 1]
    order = np.argsort(-scores, kind="stable")
    is_last = np.r_[np.diff(scores[order]) != 0, True]
    hits = np.cumsum(np.asarray(labels)[order] == 1)[is_last]
    return hits, np.arange(1, len(scores) + 1)[is_last], scores[order][is_last]


def _halfway(scores: Array, place: int) -> float:
    lower = scores[place + 1] if place + 1 < len(scores) else 0.0
    return float((scores[place] + lower) / 2)
