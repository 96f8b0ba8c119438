"""Linear families: `logistic` for classes, `ridge` for numbers. Fitted by scikit-learn, kept as two arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, sigmoid, softmax, two_columns, write_arrays
from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]
Link = Literal["identity", "sigmoid", "softmax"]
# Above, a step of Newton's method takes longer than the many steps of lbfgs.
_MOST_NUMBERS: Final = 300


@dataclass(frozen=True)
class Linear:
    """Weights [outputs, columns] and intercepts; one output is a logit or a number, more are softmax scores."""

    coefficients: Array
    intercepts: Array
    link: Link
    settled: Params = field(default_factory=dict)

    def scores(self, matrix: Array) -> Array:
        # A plain sum per row does not depend on how many rows come at once, as a matrix product can.
        return np.asarray(np.einsum("ij,kj->ik", matrix, self.coefficients) + self.intercepts)

    def predict(self, matrix: Array) -> Array:
        scores = self.scores(matrix)
        if self.link == "identity":
            return scores
        return two_columns(sigmoid(scores[:, 0])) if self.link == "sigmoid" else softmax(scores)

    def export(self, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "link": np.array([self.link]),
        }
        write_arrays(folder / "linear.npz", arrays)


def _linear(coefficients: object, intercepts: object, link: Link) -> Linear:
    # The order of summing follows the layout in memory, so it is the one that reading back gives.
    ordered = np.ascontiguousarray(coefficients, dtype=np.float64)
    return Linear(ordered, np.ascontiguousarray(intercepts, dtype=np.float64), link)


def _restore(folder: Path) -> Linear:
    arrays = read_arrays(folder / "linear.npz")
    link = str(arrays["link"][0])
    assert link in ("identity", "sigmoid", "softmax")
    return Linear(arrays["coefficients"].astype(np.float64), arrays["intercepts"].astype(np.float64), link)  # type: ignore[arg-type]  # narrowed by the assertion, which mypy does not carry over `str`


def _with_absent_classes(
    coefficients: Array, intercepts: Array, present: NDArray[np.int64], request: FitRequest
) -> Linear:
    """The classes that the rows have as fitted; each other one about as probable as one half of a row (Jeffreys)."""
    if len(present) == 2:  # scikit-learn gives the log-odds of the second
        coefficients, intercepts = np.vstack([0 * coefficients, coefficients]), np.append(0.0, intercepts)
    scores = request.fit.matrix @ coefficients.T + intercepts
    level = float(np.log(np.exp(scores - scores.max()).sum(axis=1)).mean() + scores.max())
    whole = np.zeros((request.classes, coefficients.shape[1]))
    offsets = np.full(request.classes, level + np.log(0.5 / len(scores)))
    whole[present], offsets[present] = coefficients, intercepts
    if request.classes == 2:
        return _linear(whole[1:] - whole[:1], offsets[1:] - offsets[:1], "sigmoid")
    return _linear(whole, offsets, "softmax")


def _solver(shape: tuple[int, int], classes: int) -> str:
    """Newton's method where its matrix is small: three steps are exact, of columns that say the same too.

    There lbfgs takes some hundred steps. Newton's matrix has a row for each fitted number.
    """
    rows, columns = shape
    numbers = (columns + 1) * (classes if classes > 2 else 1)
    return "newton-cholesky" if numbers <= min(_MOST_NUMBERS, rows) else "lbfgs"


class LogisticFamily:
    """Logistic regression with an L2 penalty; softmax for more than two classes."""

    name = "logistic"
    layout: Literal["dense", "trees"] = "dense"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"strength": 1.0}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {"strength": trial.suggest_float("strength", 1e-4, 1e2, log=True)}

    def has_chance(self, params: Params) -> bool:  # noqa: ARG002
        return False

    def fit(self, request: FitRequest) -> Fitted:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        present = np.unique(request.fit.labels).astype(np.int64)
        if len(present) == 1:
            return _with_absent_classes(np.zeros((1, request.fit.matrix.shape[1])), np.zeros(1), present, request)
        solver = _solver(request.fit.matrix.shape, len(present))
        estimator = LogisticRegression(C=float(request.params["strength"]), max_iter=500, solver=solver)
        with warnings.catch_warnings():
            # Near the optimum is good enough: the score of a fit matters, not its gradient.
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(request.fit.matrix, request.fit.labels, sample_weight=request.fit.weights)
        if len(present) < request.classes:
            return _with_absent_classes(estimator.coef_, estimator.intercept_, present, request)
        link: Link = "sigmoid" if request.classes == 2 else "softmax"
        return _linear(estimator.coef_, estimator.intercept_, link)

    def restore(self, folder: Path) -> Fitted:
        return _restore(folder)


class RidgeFamily:
    """Linear regression with an L2 penalty."""

    name = "ridge"
    layout: Literal["dense", "trees"] = "dense"
    kinds: frozenset[Kind] = frozenset({"regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"alpha": 1.0}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e4, log=True)}

    def has_chance(self, params: Params) -> bool:  # noqa: ARG002
        return False

    def fit(self, request: FitRequest) -> Fitted:
        from sklearn.linear_model import Ridge

        estimator = Ridge(alpha=float(request.params["alpha"]))
        estimator.fit(request.fit.matrix, request.fit.labels, sample_weight=request.fit.weights)
        return _linear(np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_), "identity")

    def restore(self, folder: Path) -> Fitted:
        return _restore(folder)


LOGISTIC = LogisticFamily()
RIDGE = RidgeFamily()
