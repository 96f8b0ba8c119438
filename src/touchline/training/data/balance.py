"""Rare classes: weights that count every class the same, or synthetic rows between real ones.

Both distort probabilities, so a candidate that uses them is evaluated after its correction, beside the plain fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.base import Family, FitRequest, FitRows, Fitted

Array = NDArray[np.float64]

# From here on a class counts as rare: the commonest happened more than twice as often.
IMBALANCED: Final = 2.0
_NEIGHBOURS: Final = 5


def imbalance(labels: NDArray[np.generic]) -> float:
    """The count of the most frequent class over the count of the rarest.

    >>> imbalance(np.array([0, 0, 0, 1]))
    3.0
    """
    counts = np.unique(labels, return_counts=True)[1]
    return float(counts.max() / counts.min())


def balanced_weights(labels: NDArray[np.generic]) -> Array:
    """Weights under which every class counts the same and the mean is 1."""
    classes, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray((len(labels) / (len(classes) * counts))[where], dtype=np.float64)


def fit_oversampled(family: Family, request: FitRequest) -> Fitted:
    """The family's fit at the end of a pipeline that first adds synthetic rows of the rarer classes.

    With a single row of a class there is nothing to draw between, and the plain fit is made.
    """
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import Pipeline

    rarest = int(np.unique(request.fit.labels, return_counts=True)[1].min())
    if rarest < 2:
        return family.fit(request)
    step = _step(family, request)
    smote = SMOTE(k_neighbors=min(_NEIGHBOURS, rarest - 1), random_state=request.seed)
    Pipeline([("smote", smote), ("estimator", step)]).fit(request.fit.matrix, request.fit.labels)
    fitted: Fitted = step.fitted
    return fitted


def _step(family: Family, request: FitRequest) -> Any:
    """The fit as the last step of a scikit-learn pipeline."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class FamilyStep(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
        fitted: Fitted

        def fit(self, matrix: Array, labels: NDArray[np.int64]) -> FamilyStep:
            self.fitted = family.fit(replace(request, fit=FitRows(matrix, labels), categorical=()))
            return self

    return FamilyStep()
