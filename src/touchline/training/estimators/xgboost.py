"""The family `xgboost`: gradient boosted trees, kept in XGBoost's UBJ format."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_checked, two_columns, write_checked
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Kind, Params
from touchline.training.estimators.xgboost_library import XgboostModel

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

_OBJECTIVES: dict[Kind, tuple[str, str]] = {
    "binary": ("binary:logistic", "logloss"),
    "multiclass": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}
_PATIENCE = 40


@dataclass(frozen=True)
class Xgboost:
    """A model's bytes, predicted by the C library."""

    content: bytes
    kind: Kind
    settled: Params = field(default_factory=dict)

    @cached_property
    def _model(self) -> XgboostModel:
        return XgboostModel(self.content)

    def predict(self, matrix: Array) -> Array:
        found = self._model.predict(matrix)
        if self.kind == "binary":
            return two_columns(found[:, 0])
        # Single precision leaves the sum of probabilities off 1 in the seventh digit.
        return found if self.kind == "regression" else np.asarray(found / found.sum(axis=1, keepdims=True))

    def export(self, folder: Path) -> None:
        write_checked(folder / "model.ubj", self.content)
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")


class XgboostFamily:
    """Boosted trees with native nulls and categories; rounds are found by early stopping on the validation rows."""

    name = "xgboost"
    layout: Literal["dense", "trees"] = "trees"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"rounds": 1000, "learning_rate": 0.05, "max_depth": 6}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "rounds": 2000,
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 10),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 50.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-8, 10.0, log=True),
            "max_cat_to_onehot": trial.suggest_int("max_cat_to_onehot", 2, 64, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 20.0, log=True),
        }

    def has_chance(self, params: Params) -> bool:
        """Whether another seed grows other trees."""
        return any(float(params.get(name, 1.0)) < 1.0 for name in ("subsample", "colsample_bytree"))

    def fit(self, request: FitRequest) -> Fitted:
        import xgboost

        held = request.validation
        booster = xgboost.train(
            _library_params(request),
            _matrix(request.fit, request),
            num_boost_round=int(request.params["rounds"]),
            evals=[(_matrix(held, request), "validation")] if held else [],
            early_stopping_rounds=_PATIENCE if held else None,
            callbacks=[_stop_when_late(request)],
            verbose_eval=False,
        )
        rounds = booster.best_iteration + 1 if held else int(request.params["rounds"])
        return Xgboost(bytes(booster[:rounds].save_raw("ubj")), request.kind, {"rounds": rounds})

    def restore(self, folder: Path) -> Fitted:
        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        restored = Xgboost(read_checked(folder / "model.ubj", "XGBoost"), kind)  # type: ignore[arg-type]  # narrowed
        restored._model  # noqa: B018  # bytes that the library cannot read fail here, not at the first prediction
        return restored


def _library_params(request: FitRequest) -> dict[str, object]:
    objective, metric = _OBJECTIVES[request.kind]
    own = {name: value for name, value in request.params.items() if name != "rounds"}
    fixed: dict[str, object] = {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        "seed": request.seed,
        "nthread": request.threads,
        "verbosity": 0,
    }
    return own | fixed | ({"num_class": request.classes} if request.kind == "multiclass" else {})


def _matrix(rows: FitRows, request: FitRequest) -> Any:
    import xgboost

    types = ["c" if column in request.categorical else "q" for column in range(rows.matrix.shape[1])]
    return xgboost.DMatrix(
        rows.matrix,
        label=rows.labels,
        weight=rows.weights,
        feature_types=types,
        enable_categorical=True,
        nthread=request.threads,
    )


def _stop_when_late(request: FitRequest) -> Any:
    import xgboost

    class StopWhenLate(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            request.deadline.validate("xgboost")
            return False

    return StopWhenLate()


XGBOOST = XgboostFamily()
