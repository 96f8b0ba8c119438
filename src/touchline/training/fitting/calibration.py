"""Probabilities corrected by what happened: kept as small arrays, applied with NumPy alone.

A correction is fitted on predictions for rows that the fit behind them has not seen. It is chosen on those rows too,
by log loss on parts it was not fitted on, and `none` stays unless another does better by more than chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.calibration_methods import CalibrationMethod
from touchline.training.estimators.arrays import sigmoid, softmax
from touchline.training.metrics.losses import log_loss_rows, one_hot

Array = NDArray[np.float64]

_SMALLEST: Final = 1e-12
_PARTS: Final = 5
# Isotonic steps need data; below this it follows noise.
_ISOTONIC_ROWS: Final = 1000
# Ten events for each fitted number (Peduzzi et al. 1996). The events that bound a correction are the rows whose label
# was not the likeliest class: with few of them any sharpening looks like a gain, and the next one costs all of it.
_SURPRISES_PER_NUMBER: Final = 10


def _logit(probabilities: Array) -> Array:
    inside = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


@dataclass(frozen=True)
class Calibrator:
    """One correction. `arrays` holds what it needs: a temperature, slopes and offsets, or knots per class."""

    method: CalibrationMethod
    arrays: dict[str, Array]

    def transform(self, probabilities: Array) -> Array:
        """Corrected probabilities; rows still sum to 1 and columns keep their order."""
        if self.method == "none":
            return probabilities
        if self.method == "temperature":
            return softmax(np.log(np.clip(probabilities, _SMALLEST, 1.0)) / self.arrays["temperature"][0])
        columns = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
        apply = self._platt if self.method == "platt" else self._isotonic
        corrected = np.stack([apply(probabilities[:, c], place) for place, c in enumerate(columns)], axis=1)
        if probabilities.shape[1] == 2:
            return np.concatenate([1.0 - corrected, corrected], axis=1)
        return np.asarray(corrected / corrected.sum(axis=1, keepdims=True))

    def _platt(self, scores: Array, place: int) -> Array:
        return sigmoid(self.arrays["slopes"][place] * _logit(scores) + self.arrays["offsets"][place])

    def _isotonic(self, scores: Array, place: int) -> Array:
        return np.interp(scores, self.arrays[f"scores_{place}"], self.arrays[f"shares_{place}"])


NO_CALIBRATION: Final = Calibrator("none", {})


def fit_calibrator(method: CalibrationMethod, labels: NDArray[np.int64], probabilities: Array) -> Calibrator:
    """The correction that fits these predictions, which their model must not have been fitted on."""
    if method == "none":
        return NO_CALIBRATION
    if method == "temperature":
        return Calibrator("temperature", {"temperature": np.array([_temperature(labels, probabilities)])})
    classes = probabilities.shape[1]
    happened = one_hot(labels, classes)
    columns = [1] if classes == 2 else list(range(classes))
    if method == "platt":
        fitted = np.array([_platt(happened[:, c], probabilities[:, c]) for c in columns])
        return Calibrator("platt", {"slopes": fitted[:, 0], "offsets": fitted[:, 1]})
    arrays: dict[str, Array] = {}
    for place, c in enumerate(columns):
        arrays[f"scores_{place}"], arrays[f"shares_{place}"] = _isotonic(happened[:, c], probabilities[:, c])
    return Calibrator("isotonic", arrays)


def _temperature(labels: NDArray[np.int64], probabilities: Array) -> float:
    from scipy.optimize import minimize_scalar

    logs = np.log(np.clip(probabilities, _SMALLEST, 1.0))

    def loss(log_temperature: float) -> float:
        return float(log_loss_rows(labels, softmax(logs / np.exp(log_temperature))).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def _platt(happened: Array, scores: Array) -> tuple[float, float]:
    """Slope and offset on the log-odds, with Platt's softened targets so that a clean split stays finite."""
    from scipy.optimize import minimize

    odds = _logit(scores)
    count, total = happened.sum(), len(happened)
    targets = np.where(happened > 0, (count + 1) / (count + 2), 1 / (total - count + 2))

    def loss(parameters: Array) -> tuple[float, Array]:
        raw = parameters[0] * odds + parameters[1]
        value = float((np.logaddexp(0.0, raw) - targets * raw).mean())
        gap = sigmoid(raw) - targets
        return value, np.array([(gap * odds).mean(), gap.mean()])

    slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return float(slope), float(offset)


def _isotonic(happened: Array, scores: Array) -> tuple[Array, Array]:
    from sklearn.isotonic import IsotonicRegression

    # Shares of exactly 0 and 1 would cost infinity when they fail once.
    margin = 1.0 / (len(scores) + 2)
    fitted = IsotonicRegression(y_min=margin, y_max=1.0 - margin, out_of_bounds="clip").fit(scores, happened)
    return np.asarray(fitted.X_thresholds_, dtype=np.float64), np.asarray(fitted.y_thresholds_, dtype=np.float64)


def choose_calibration(
    labels: NDArray[np.int64], probabilities: Array, methods: Sequence[CalibrationMethod], *, seed: int
) -> CalibrationMethod:
    """The method whose log loss is lowest on parts it was not fitted on; `none` unless the gain exceeds its error."""
    if len(np.unique(labels)) < 2 or len(labels) < 10 * _PARTS:
        return "none"
    surprises = int((probabilities.argmax(axis=1) != labels).sum())
    plain = log_loss_rows(labels, probabilities)
    best: CalibrationMethod = "none"
    best_gain = 0.0
    for method in methods:
        if method == "none" or (method == "isotonic" and len(labels) < _ISOTONIC_ROWS):
            continue
        if surprises < _SURPRISES_PER_NUMBER * _numbers(method, probabilities.shape[1]):
            continue
        gains = plain - log_loss_rows(labels, corrected_by_others(method, labels, probabilities, seed=seed))
        error = gains.std() / np.sqrt(len(gains))
        if gains.mean() > max(best_gain, error):
            best, best_gain = method, float(gains.mean())
    return best


def _numbers(method: CalibrationMethod, classes: int) -> int:
    """How many numbers a correction fits; isotonic steps are as many as the rows support."""
    columns = 1 if classes == 2 else classes
    return {"temperature": 1, "platt": 2 * columns}.get(method, 1)


def corrected_by_others(
    method: CalibrationMethod, labels: NDArray[np.int64], probabilities: Array, *, seed: int
) -> Array:
    """Each part of the rows corrected by a correction fitted on the other parts, so that these rows may evaluate it."""
    if method == "none":
        return probabilities
    part = np.random.default_rng(seed).permutation(len(labels)) % _PARTS
    corrected = np.empty_like(probabilities)
    for held in range(_PARTS):
        calibrator = fit_calibrator(method, labels[part != held], probabilities[part != held])
        corrected[part == held] = calibrator.transform(probabilities[part == held])
    return corrected
