"""The network of the family `mlp`: its weights as NumPy arrays, on disk as npz, and how it predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, sigmoid, softmax, two_columns, write_arrays
from touchline.training.estimators.base import Kind, Params

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
        values = matrix
        for place, (weights, biases) in enumerate(self.layers):
            values = np.einsum("ij,kj->ik", values, weights.astype(np.float64)) + biases
            if place + 1 < len(self.layers):
                values = np.maximum(values, 0.0)
        if self.kind == "regression":
            return np.asarray(values * self.scale + self.shift)
        return two_columns(sigmoid(values[:, 0])) if self.kind == "binary" else softmax(values)

    def export(self, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {"shift_scale": np.array([self.shift, self.scale])}
        for place, (weights, biases) in enumerate(self.layers):
            arrays |= {f"{place}.weight": weights, f"{place}.bias": biases}
        write_arrays(folder / "model.npz", arrays)
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path) -> Mlp:
        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        arrays = read_arrays(folder / "model.npz")
        shift, scale = arrays.pop("shift_scale").astype(np.float64)
        return cls(tuple(_layers(arrays)), kind, float(shift), float(scale))  # type: ignore[arg-type]  # narrowed


def _layers(arrays: dict[str, NDArray[np.generic]]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for place in count():
        if f"{place}.weight" not in arrays:
            return
        yield arrays[f"{place}.weight"].astype(np.float32), arrays[f"{place}.bias"].astype(np.float32)
