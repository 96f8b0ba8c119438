"""The family `forest`: a random forest, kept as arrays and walked by NumPy through all trees at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, write_arrays
from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]
Nodes = NDArray[np.int32]

# Trees are grown in steps of this many, and the time is looked at in between.
_STEP = 50
# Cells of the walk held at once, so that a large batch stays in the tens of megabytes.
_CELLS = 4_000_000


@dataclass(frozen=True)
class Forest:
    """All nodes of all trees, one after the other. A leaf is its own child; `values` holds what a leaf says."""

    roots: Nodes
    feature: Nodes
    threshold: Array
    left: Nodes
    right: Nodes
    values: Array
    depth: int
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        rows = matrix.astype(np.float32)  # scikit-learn compares in single precision
        step = max(1, _CELLS // len(self.roots))
        parts = [self._walk(rows[start : start + step]) for start in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.values.shape[1]))

    def _walk(self, rows: NDArray[np.float32]) -> Array:
        place = np.arange(len(rows))[:, None]
        node = np.tile(self.roots, (len(rows), 1))
        for _ in range(self.depth):
            goes_left = rows[place, self.feature[node]] <= self.threshold[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        # Summed tree by tree, so that a row's answer does not depend on how many come at once.
        total = np.zeros((len(rows), self.values.shape[1]))
        for tree in range(node.shape[1]):
            total += self.values[node[:, tree]]
        return np.asarray(total / node.shape[1])

    def export(self, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "values": self.values,
            "depth": np.array([self.depth]),
        }
        write_arrays(folder / "forest.npz", arrays)


class ForestFamily:
    """Random forest by scikit-learn: trees on redrawn rows, averaged."""

    name = "forest"
    layout: Literal["dense", "trees"] = "dense"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:
        share: float | str = 0.5 if kind == "regression" else "sqrt"
        return {"trees": 100, "min_samples_leaf": 5, "max_features": share}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 50, log=True),
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        }

    def fit(self, request: FitRequest) -> Fitted:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        chosen = RandomForestRegressor if request.kind == "regression" else RandomForestClassifier
        grown = chosen(
            n_estimators=_STEP,
            min_samples_leaf=request.params["min_samples_leaf"],
            max_features=request.params["max_features"],
            random_state=request.seed,
            n_jobs=request.threads,
            warm_start=True,
        )
        wanted = int(request.params["trees"])
        for trees in [*range(_STEP, wanted, _STEP), wanted]:
            grown.n_estimators = trees
            grown.fit(request.fit.matrix, request.fit.labels, sample_weight=request.fit.weights)
            request.deadline.validate(self.name)
        return forest_of([tree.tree_ for tree in grown.estimators_], is_regression=request.kind == "regression")

    def restore(self, folder: Path) -> Fitted:
        arrays = read_arrays(folder / "forest.npz")
        return Forest(
            roots=arrays["roots"].astype(np.int32),
            feature=arrays["feature"].astype(np.int32),
            threshold=arrays["threshold"].astype(np.float64),
            left=arrays["left"].astype(np.int32),
            right=arrays["right"].astype(np.int32),
            values=arrays["values"].astype(np.float64),
            depth=int(arrays["depth"].astype(np.int64)[0]),
        )


def forest_of(trees: Sequence[Any], *, is_regression: bool) -> Forest:
    """The arrays of scikit-learn's trees."""
    offsets = np.cumsum([0, *(tree.node_count for tree in trees)]).astype(np.int32)
    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int32)
    itself = np.arange(len(feature), dtype=np.int32)
    is_leaf = feature < 0
    left = np.concatenate([tree.children_left + start for tree, start in zip(trees, offsets[:-1], strict=True)])
    right = np.concatenate([tree.children_right + start for tree, start in zip(trees, offsets[:-1], strict=True)])
    said = np.concatenate([tree.value[:, 0, :] for tree in trees])
    if not is_regression:
        said = said / said.sum(axis=1, keepdims=True)
    return Forest(
        roots=offsets[:-1],
        feature=np.where(is_leaf, 0, feature).astype(np.int32),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        left=np.where(is_leaf, itself, left).astype(np.int32),
        right=np.where(is_leaf, itself, right).astype(np.int32),
        values=np.ascontiguousarray(said, dtype=np.float64),
        depth=max(tree.max_depth for tree in trees),
    )


FOREST = ForestFamily()
