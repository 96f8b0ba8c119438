"""A family fitted on a curved target: of numbers with a long tail, an estimator learns more from their logarithms.

The curve is asinh(label / scale), which is linear near 0, logarithmic far from it, and takes negative labels.
Predictions return to the scale of the labels by the smearing estimate (Duan 1983): the mean, over the residuals of the
fit, of the values that the curved prediction plus a residual stands for. So they estimate the mean, not the median.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, write_arrays
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Params
from touchline.training.fitting.wrapping_family import WrappingFamily
from touchline.training.metrics.losses import Labels

Array = NDArray[np.float64]

PREFIX: Final = "curved-"
_RESIDUALS: Final = 41
_SMALL: Final = 0.05
"""Labels beyond this quantile of their sizes lie on the logarithmic part of the curve."""
_LONG_TAIL: Final = 1.0
"""A skewness from which a tail counts as long: that of a normal sample is near 0, of an exponential one 2."""


@dataclass(frozen=True)
class CurvedTarget:
    """An estimator of the curved target, the scale of the curve, and quantiles of the residuals on it.

    `factor` brings the mean prediction to the mean label.
    """

    estimator: Fitted
    scale: float
    residuals: Array
    factor: float = 1.0

    @property
    def settled(self) -> Params:
        return self.estimator.settled

    def predict(self, matrix: Array) -> Array:
        curved = self.estimator.predict(matrix)[:, 0]
        values = np.zeros_like(curved)
        for residual in self.residuals:
            values += np.sinh(curved + residual)
        return np.asarray(values * (self.factor * self.scale / len(self.residuals)))[:, None]

    def export(self, folder: Path) -> None:
        write_arrays(folder / "curve.npz", {"scale": np.array([self.scale, self.factor]), "residuals": self.residuals})
        (folder / "estimator").mkdir()
        self.estimator.export(folder / "estimator")


@dataclass(frozen=True)
class CurvedTargetFamily(WrappingFamily):
    """Another family on the curved target; settings and layout are that family's."""

    prefix = PREFIX

    def fit(self, request: FitRequest) -> Fitted:
        labels = np.asarray(request.fit.labels, dtype=np.float64)
        sizes = np.abs(labels[labels != 0])
        scale = float(np.quantile(sizes, _SMALL)) if len(sizes) else 1.0
        fit, held = _curved(request.fit, scale), request.validation and _curved(request.validation, scale)
        estimator = self.inner.fit(replace(request, fit=fit, validation=held))
        seen = held or fit  # residuals of rows that the fit has not seen, where there are some
        residuals = np.asarray(seen.labels) - estimator.predict(seen.matrix)[:, 0]
        quantiles = np.quantile(residuals, (np.arange(_RESIDUALS) + 0.5) / _RESIDUALS)
        plain = CurvedTarget(estimator, scale, quantiles)
        labels = np.asarray((request.validation or request.fit).labels, dtype=np.float64)
        return replace(plain, factor=_mean_ratio(labels, plain.predict(seen.matrix)[:, 0]))

    def restore(self, folder: Path) -> Fitted:
        arrays = read_arrays(folder / "curve.npz")
        estimator = self.inner.restore(folder / "estimator")
        scale, factor = np.asarray(arrays["scale"], dtype=np.float64).tolist()
        return CurvedTarget(estimator, scale, np.asarray(arrays["residuals"], dtype=np.float64), factor)


def _mean_ratio(labels: Array, values: Array) -> float:
    """The mean label by the mean value; 1 where labels of both signs leave no mean to compare."""
    means = float(labels.mean()), float(values.mean())
    is_clear = abs(means[0]) > float(labels.std()) / len(labels) ** 0.5 and means[0] * means[1] > 0
    return float(np.clip(means[0] / means[1], 0.5, 2.0)) if is_clear else 1.0


def _curved(rows: FitRows, scale: float) -> FitRows:
    return replace(rows, labels=np.arcsinh(np.asarray(rows.labels, dtype=np.float64) / scale))


def has_long_tail(labels: Labels) -> bool:
    """Whether the labels are skewed so much that a curved target is worth a fit."""
    centred = np.asarray(labels, dtype=np.float64) - np.mean(labels)
    spread = float(np.sqrt(np.mean(centred**2)))
    return spread > 0 and abs(float(np.mean((centred / spread) ** 3))) > _LONG_TAIL
