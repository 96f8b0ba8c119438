"""Logistic regression that is drawn to a given forecast, such as a market's.

The log-odds are those of the forecast plus a linear function of all columns, whose weights are drawn to 0. So where the
columns add nothing, the prediction is the forecast. How strongly they are drawn is chosen on newer rows by fits on
older ones: as strongly as is within a standard error of the best. Rows come in order of time where examples have times.
Rows without the forecast are predicted from the other columns alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_arrays, softmax, write_arrays
from touchline.training.estimators.base import FitRequest, Fitted, Kind, Params, ParamValue

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

NAME: Final = "anchored"
PULL: Final = "pull"
# The last one leaves less than a ten thousandth of the log-odds to the columns.
_PULLS: Final = (1e6, 1e5, 1e4, 3e3, 1e3, 3e2, 1e2, 10.0)
_PARTS: Final = 6
_FIRST_PARTS: Final = 2
_GROWN: Final = 2
_SMALLEST: Final = 1e-12


@dataclass(frozen=True)
class Anchored:
    """Weights [columns + 1, classes] with and without the forecast; `anchor` is the column of each class, or -1."""

    anchor: NDArray[np.int64]
    means: Array
    scales: Array
    weights: Array
    weights_alone: Array
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        design = _design(matrix, self.means, self.scales)
        offsets = _offsets(matrix, self.anchor)
        has_anchor = np.isfinite(offsets).all(axis=1, keepdims=True)
        # A sum for each row does not depend on how many rows come at once.
        anchored = np.einsum("ij,jk->ik", design, self.weights) + np.where(has_anchor, offsets, 0.0)
        alone = np.einsum("ij,jk->ik", design, self.weights_alone)
        return softmax(np.where(has_anchor, anchored, alone))

    def export(self, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "anchor": self.anchor,
            "means": self.means,
            "scales": self.scales,
            "weights": self.weights,
            "weights_alone": self.weights_alone,
        }
        write_arrays(folder / "anchored.npz", arrays)


@dataclass(frozen=True)
class AnchoredLogistic:
    """A family drawn to a forecast in the model's columns: `anchor` names its log-odds, one a class in their order.

    None stands for 0: of the class that the others are compared with. `Candidate.family` takes it as it is.
    """

    anchor: Sequence[str | None]
    name: str = NAME
    # Numbers as they are, so that the forecast keeps its scale.
    layout: Literal["dense", "trees"] = "trees"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"strength": 1.0, "categories": "means"}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {PULL: trial.suggest_float(PULL, _PULLS[-1], _PULLS[0], log=True)}

    def has_chance(self, params: Params) -> bool:  # noqa: ARG002
        return False

    def fit(self, request: FitRequest) -> Fitted:
        matrix, labels = request.fit.matrix, request.fit.labels.astype(np.int64)
        anchor = self._places(request)
        means, scales = _scaling(matrix)
        design, offsets = _design(matrix, means, scales), _offsets(matrix, anchor)
        targets = np.eye(request.classes)[labels]
        if request.fit.weights is not None:
            targets = targets * request.fit.weights[:, None]
        is_known = np.isfinite(offsets).all(axis=1)
        rows = _Rows(design[is_known], offsets[is_known], targets[is_known])
        pull = float(request.params[PULL]) if PULL in request.params else _chosen_pull(rows)
        everything = _Rows(design, np.zeros_like(offsets), targets)
        settled: dict[str, ParamValue] = {PULL: pull}
        return Anchored(
            anchor,
            means,
            scales,
            rows.weights(pull),
            everything.weights(1.0 / float(request.params["strength"])),
            settled,
        )

    def restore(self, folder: Path) -> Fitted:
        arrays = read_arrays(folder / "anchored.npz")
        means, scales, weights, alone = (
            arrays[name].astype(np.float64) for name in ("means", "scales", "weights", "weights_alone")
        )
        return Anchored(arrays["anchor"].astype(np.int64), means, scales, weights, alone)

    def _places(self, request: FitRequest) -> NDArray[np.int64]:
        if len(self.anchor) != request.classes:
            raise ValueError(f"`anchor` has {len(self.anchor)} entries, and there are {request.classes} classes")
        missing = [name for name in self.anchor if name is not None and name not in request.names]
        if missing:
            raise ValueError(
                f"`anchor` names {missing[0]!r}, which is no number column of this fit: {', '.join(request.names)}"
            )
        return np.array([-1 if name is None else request.names.index(name) for name in self.anchor], dtype=np.int64)


@dataclass(frozen=True)
class _Rows:
    """A design with an intercept, the forecast's log-odds, and one-hot targets, times weights."""

    design: Array
    offsets: Array
    targets: Array

    def part(self, first: int, last: int) -> _Rows:
        return _Rows(self.design[first:last], self.offsets[first:last], self.targets[first:last])

    def losses(self, weights: Array) -> Array:
        probabilities = softmax(self.offsets + self.design @ weights)
        return np.asarray(-(self.targets * np.log(np.clip(probabilities, _SMALLEST, 1.0))).sum(axis=1))

    def weights(self, pull: float, start: Array | None = None) -> Array:
        """The weights of the lowest loss plus half the pull times their squares."""
        from scipy.optimize import minimize

        shape = (self.design.shape[1], self.targets.shape[1])

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(shape)
            probabilities = softmax(self.offsets + self.design @ weights)
            total = self.targets.sum(axis=1, keepdims=True)
            value = -(self.targets * np.log(np.clip(probabilities, _SMALLEST, 1.0))).sum()
            slope = self.design.T @ (total * probabilities - self.targets) + pull * weights
            return float(value + 0.5 * pull * (weights**2).sum()), slope.ravel()

        begin = np.zeros(shape) if start is None else start
        found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
        return np.ascontiguousarray(found.x.reshape(shape))


def _chosen_pull(rows: _Rows) -> float:
    """The strongest pull whose fits on older rows predict the newer ones within a standard error of the best.

    Weaker pulls take longer to fit, and are not tried once the losses have grown twice in a row.
    """
    edges = np.linspace(0, len(rows.design), _PARTS + 1).astype(int).tolist()
    windows = [
        (rows.part(0, first), rows.part(first, last))
        for first, last in zip(edges[_FIRST_PARTS:-1], edges[_FIRST_PARTS + 1 :], strict=True)
    ]
    weights: list[Array | None] = [None] * len(windows)
    losses: list[Array] = []
    for pull in _PULLS:
        weights = [older.weights(pull, start) for (older, _), start in zip(windows, weights, strict=True)]
        tried = zip(windows, weights, strict=True)
        losses.append(np.concatenate([newer.losses(found) for (_, newer), found in tried if found is not None]))
        means = [float(each.mean()) for each in losses]
        if len(means) > _GROWN and means[-1] > means[-2] > means[-1 - _GROWN]:
            break
    each = np.stack(losses)
    behind = each - each[int(np.argmin(each.mean(axis=1)))]
    errors = behind.std(axis=1) / np.sqrt(max(each.shape[1], 1))
    return _PULLS[int(np.flatnonzero(behind.mean(axis=1) <= errors)[0])]


def _scaling(matrix: Array) -> tuple[Array, Array]:
    is_known = np.isfinite(matrix)
    counts = np.maximum(is_known.sum(axis=0), 1)
    means = np.where(is_known, matrix, 0.0).sum(axis=0) / counts
    variances = np.where(is_known, (matrix - means) ** 2, 0.0).sum(axis=0) / counts
    return means, np.where(variances > 0, np.sqrt(variances), 1.0)


def _design(matrix: Array, means: Array, scales: Array) -> Array:
    scaled = (matrix - means) / scales
    return np.column_stack([np.ones(len(matrix)), np.where(np.isfinite(scaled), scaled, 0.0)])


def _offsets(matrix: Array, anchor: NDArray[np.int64]) -> Array:
    """The log-odds of the forecast by class."""
    return np.stack([np.zeros(len(matrix)) if place < 0 else matrix[:, place] for place in anchor], axis=1)
