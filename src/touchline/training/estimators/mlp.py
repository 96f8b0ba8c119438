"""The family `mlp`: a small neural network, fitted with PyTorch and predicted with NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params
from touchline.training.estimators.mlp_network import Mlp

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class MlpFamily:
    """Dense layers with dropout; early stopping, a falling learning rate, clipped gradients, class weights."""

    name = "mlp"
    layout: Literal["dense", "trees"] = "dense"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "width": 128,
            "depth": 2,
            "dropout": 0.1,
            "learning_rate": 2e-3,
            "decay": 1e-4,
            "epochs": 60,
            "batch": 256,
        }

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "width": trial.suggest_int("width", 16, 256, log=True),
            "depth": trial.suggest_int("depth", 1, 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 2e-4, 1e-2, log=True),
            "decay": trial.suggest_float("decay", 1e-6, 1e-1, log=True),
        }

    def fit(self, request: FitRequest) -> Fitted:
        from touchline.training.estimators.mlp_fit import fit_mlp

        return fit_mlp(request)

    def restore(self, folder: Path) -> Fitted:
        return Mlp.restore(folder)


MLP = MlpFamily()
