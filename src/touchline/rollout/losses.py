"""Losses and gains of the two versions of a rollout, of classes and of numbers by one set of functions."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from touchline.rollout.rule import RolloutRule
from touchline.statistics import (
    Gains,
    Loss,
    ValueLoss,
    class_losses,
    largest_loss,
    paired_gains,
    value_gains,
    value_losses,
)

FloatArray = NDArray[np.float64]


def gains_of(rule: RolloutRule, new: FloatArray, old: FloatArray, labels: FloatArray) -> Gains:
    """The gains of the candidate, one an outcome; predictions are [n, outputs], labels class numbers or values."""
    if rule.classes:
        return paired_gains(new, old, labels, loss=cast(Loss, rule.metric))
    low, high = rule.bounds
    loss = cast(ValueLoss, rule.metric)
    return value_gains(new[:, 0], old[:, 0], labels, bounds=(low, high), spread=rule.spread, loss=loss)


def losses_of(rule: RolloutRule, predictions: FloatArray, labels: FloatArray) -> FloatArray:
    """The loss of each prediction; values are clipped to the bounds of the rule."""
    if rule.classes:
        by_class = class_losses(predictions, cast(Loss, rule.metric))
        return np.asarray(by_class[np.arange(len(labels)), labels.astype(np.int64)])
    low, high = rule.bounds
    return value_losses(predictions[:, 0].clip(low, high), labels.clip(low, high), cast(ValueLoss, rule.metric))


def expected_losses(rule: RolloutRule, predictions: FloatArray) -> FloatArray:
    """The loss that a model expects by its own probabilities; of values it expects the same everywhere."""
    if not rule.classes:
        return np.zeros(len(predictions))
    return np.asarray((predictions * class_losses(predictions, cast(Loss, rule.metric))).sum(axis=1))


def largest_loss_of(rule: RolloutRule) -> float:
    """The largest loss of one outcome."""
    if rule.classes:
        return largest_loss(cast(Loss, rule.metric), len(rule.classes))
    width = rule.bounds[1] - rule.bounds[0]
    return width**2 if rule.metric == "mse" else width
