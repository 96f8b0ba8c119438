"""The family `mlp`: a small neural network, fitted with PyTorch and predicted with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_checked, sigmoid, softmax, two_columns, write_checked
from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params
from touchline.training.estimators.tensors import from_safetensors, to_safetensors

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mlp:
    """Weights and biases of dense layers with ReLU between. `shift` and `scale` undo the scaling of a number."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    kind: Kind
    shift: float = 0.0
    scale: float = 1.0
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        # Double precision sums that go row by row: an answer does not depend on how many come at once.
        flowing = matrix
        for place, (weights, biases) in enumerate(self.layers):
            flowing = np.einsum("ij,kj->ik", flowing, weights.astype(np.float64)) + biases
            if place + 1 < len(self.layers):
                flowing = np.maximum(flowing, 0.0)
        if self.kind == "regression":
            return np.asarray(flowing * self.scale + self.shift)
        return two_columns(sigmoid(flowing[:, 0])) if self.kind == "binary" else softmax(flowing)

    def export(self, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {"shift_scale": np.array([self.shift, self.scale])}
        for place, (weights, biases) in enumerate(self.layers):
            arrays |= {f"{place}.weight": weights, f"{place}.bias": biases}
        write_checked(folder / "model.safetensors", to_safetensors(arrays))
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")


def _layers(arrays: dict[str, NDArray[np.generic]]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for place in count():
        if f"{place}.weight" not in arrays:
            return
        yield arrays[f"{place}.weight"].astype(np.float32), arrays[f"{place}.bias"].astype(np.float32)


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
        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        arrays = from_safetensors(read_checked(folder / "model.safetensors", "The neural network"))
        shift, scale = arrays.pop("shift_scale").astype(np.float64)
        return Mlp(tuple(_layers(arrays)), kind, float(shift), float(scale))  # type: ignore[arg-type]  # narrowed


MLP = MlpFamily()
