"""The family `automl`: FLAML looks for a learner and its settings; what it finds is kept as one of ours.

FLAML chooses among LightGBM, XGBoost and forests, so its models are exported, restored and served as theirs are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.base import Family, FitRequest, Fitted, Kind, Params
from touchline.training.estimators.forest import FOREST, forest_of
from touchline.training.estimators.lightgbm import LIGHTGBM, Lightgbm
from touchline.training.estimators.xgboost import XGBOOST, Xgboost

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

_LEARNERS: Final[dict[str, Family]] = {"lgbm": LIGHTGBM, "xgboost": XGBOOST, "rf": FOREST, "extra_tree": FOREST}
_METRICS: Final[dict[Kind, str]] = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mse"}
_TASKS: Final[dict[Kind, str]] = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


@dataclass(frozen=True)
class Automl:
    """The best model of FLAML, as a model of one of our families."""

    learner: str
    fitted: Fitted
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        return self.fitted.predict(matrix)

    def export(self, folder: Path) -> None:
        (folder / "learner.txt").write_text(self.learner, encoding="utf-8")
        (folder / "model").mkdir()
        self.fitted.export(folder / "model")


class AutomlFamily:
    """FLAML under a time budget. A fit without validation rows repeats the learner and settings that were found."""

    name = "automl"
    layout: Literal["dense", "trees"] = "dense"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"seconds": 30.0, "learners": "lgbm,xgboost,rf,extra_tree"}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {}

    def fit(self, request: FitRequest) -> Fitted:
        if request.validation is None and "config" in request.params:
            learner = str(request.params["learner"])
            return Automl(learner, _fitted_again(request, learner, json.loads(str(request.params["config"]))))
        found = _search(request)
        config = {name: _plain(value) for name, value in found.best_config.items()}
        settled: Params = {"learner": found.best_estimator, "config": json.dumps(config, sort_keys=True)}
        return Automl(found.best_estimator, _of_ours(found.best_estimator, found.model.estimator, request), settled)

    def restore(self, folder: Path) -> Fitted:
        learner = (folder / "learner.txt").read_text(encoding="utf-8")
        return Automl(learner, _LEARNERS[learner].restore(folder / "model"))


def _search(request: FitRequest) -> Any:
    from flaml import AutoML

    seconds = float(request.params["seconds"])
    left = request.deadline.left
    held = request.validation
    given = {} if held is None else {"X_val": held.matrix, "y_val": held.labels}
    weighted = {} if request.fit.weights is None else {"sample_weight": request.fit.weights}
    found = AutoML()
    found.fit(
        request.fit.matrix,
        request.fit.labels,
        task=_TASKS[request.kind],
        metric=_METRICS[request.kind],
        estimator_list=str(request.params["learners"]).split(","),
        time_budget=seconds if left is None else min(seconds, left),
        n_jobs=request.threads,
        seed=request.seed,
        verbose=0,
        retrain_full=False,
        **given,
        **weighted,
    )
    request.deadline.validate("automl")
    return found


def _fitted_again(request: FitRequest, learner: str, config: dict[str, Any]) -> Fitted:
    """The same learner with the same settings, by the way FLAML itself reads its settings."""
    from flaml.automl.task.factory import task_factory

    task = task_factory(_TASKS[request.kind], request.fit.matrix, request.fit.labels)
    chosen = task.estimator_class_from_str(learner)
    estimator = chosen(task=task, n_jobs=request.threads, **config)
    weighted = {} if request.fit.weights is None else {"sample_weight": request.fit.weights}
    estimator.fit(request.fit.matrix, request.fit.labels, **weighted)
    return _of_ours(learner, estimator.model, request)


def _of_ours(learner: str, estimator: Any, request: FitRequest) -> Fitted:
    if learner == "lgbm":
        return Lightgbm(estimator.booster_.model_to_string(), request.kind)
    if learner == "xgboost":
        booster = estimator if not hasattr(estimator, "get_booster") else estimator.get_booster()
        return Xgboost(bytes(booster.save_raw("ubj")), request.kind)
    return forest_of([tree.tree_ for tree in estimator.estimators_], is_regression=request.kind == "regression")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


AUTOML = AutomlFamily()
