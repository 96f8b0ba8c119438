"""Any scikit-learn estimator as a family: kept by skops, which restores listed types only and runs no pickle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_checked, write_checked
from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params, ParamValue

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]
_FILE = "model.skops"


@dataclass(frozen=True)
class SklearnModel:
    """A fitted scikit-learn estimator."""

    estimator: Any
    kind: Kind
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        if self.kind == "regression":
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64)[:, None]
        return np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)

    def export(self, folder: Path) -> None:
        import skops.io

        write_checked(folder / _FILE, skops.io.dumps(self.estimator))
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")


@dataclass(frozen=True)
class SklearnFamily:
    """A scikit-learn estimator that a project brings. Serving it needs scikit-learn.

    `trusted` names the types beyond scikit-learn's own that skops may restore.
    """

    name: str
    estimator: Any
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass"})
    layout: Literal["dense", "trees"] = "dense"
    trusted: tuple[str, ...] = ()

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        plain = self.estimator.get_params(deep=False).items()
        return {name: value for name, value in plain if isinstance(value, bool | int | float | str)}

    def suggest(self, trial: BaseTrial, kind: Kind) -> dict[str, ParamValue]:  # noqa: ARG002
        return {}

    def fit(self, request: FitRequest) -> Fitted:
        from sklearn.base import clone

        estimator = clone(self.estimator).set_params(**request.params)
        known = estimator.get_params(deep=False)
        estimator.set_params(**{name: request.seed for name in ("random_state",) if name in known})
        weights = {} if request.fit.weights is None else {"sample_weight": request.fit.weights}
        estimator.fit(request.fit.matrix, request.fit.labels, **weights)
        return SklearnModel(estimator, request.kind)

    def restore(self, folder: Path) -> Fitted:
        import skops.io

        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        content = read_checked(folder / _FILE, "The scikit-learn model")
        return SklearnModel(skops.io.loads(content, trusted=list(self.trusted)), kind)  # type: ignore[arg-type]  # narrowed
