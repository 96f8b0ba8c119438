"""The family `catboost`: gradient boosted oblivious trees, fitted by CatBoost and evaluated by NumPy.

The package is needed to fit, not to predict: its trees are exported as arrays. Categories are spread over one-hot
columns for the fit, which are equality splits in the exported trees; mean labels of levels come from the preparation,
cross-fitted by time, in place of CatBoost's own statistics.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_checked, sigmoid, softmax, two_columns, write_checked
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Kind, Params
from touchline.training.estimators.oblivious_trees import LevelSplit, ObliviousTrees, pack_trees

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

_OBJECTIVES: Final[dict[Kind, str]] = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
_PATIENCE: Final = 40


@dataclass(frozen=True)
class Catboost:
    """Oblivious trees and the link of their task."""

    trees: ObliviousTrees
    kind: Kind
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: Array) -> Array:
        scores = self.trees.raw_scores(matrix)
        if self.kind == "regression":
            return scores
        return two_columns(sigmoid(scores[:, 0])) if self.kind == "binary" else softmax(scores)

    def contributions(self, matrix: Array) -> Array:
        """SHAP values of the raw score, [rows, outputs, columns + 1]."""
        return self.trees.contributions(matrix)

    def export(self, folder: Path) -> None:
        self.trees.export(folder / "model.npz")
        write_checked(folder / "model.npz", (folder / "model.npz").read_bytes())
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")


class CatboostFamily:
    """Boosted oblivious trees; rounds are found by early stopping on the validation rows."""

    name = "catboost"
    layout: Literal["dense", "trees"] = "trees"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"rounds": 1000, "learning_rate": 0.08, "depth": 6, "categories": "both"}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "rounds": 2000,
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "depth": trial.suggest_int("depth", 3, 8),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 20.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.1, 10.0, log=True),
            "rsm": trial.suggest_float("rsm", 0.4, 1.0),
        }

    def fit(self, request: FitRequest) -> Fitted:
        spread = _Spread.of(request)
        if _is_constant(request.fit):
            return Catboost(_base_rate(request), request.kind, {"rounds": 1})
        import catboost

        model = catboost.CatBoost(_library_params(request))
        watch = _StopWhenLate(request)
        present = np.unique(request.fit.labels)
        known, held = request.fit, request.validation
        if request.kind == "multiclass":
            known, held = _recoded(known, present) or known, _recoded(held, present) if held else None
        model.fit(
            _pool(known, spread),
            eval_set=_pool(held, spread) if held else None,
            early_stopping_rounds=_PATIENCE if held else None,
            callbacks=[watch],
        )
        request.deadline.validate(self.name)
        trees = _exported(model, spread, request)
        if request.kind == "multiclass":
            trees = _with_absent_classes(trees, present, request)
        return Catboost(trees, request.kind, {"rounds": max(1, trees.trees)})

    def restore(self, folder: Path) -> Fitted:
        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        read_checked(folder / "model.npz", "CatBoost")
        return Catboost(ObliviousTrees.restore(folder / "model.npz"), kind)  # type: ignore[arg-type]  # narrowed


@dataclass(frozen=True)
class _Spread:
    """Where the columns of the fit come from: a column of the matrix, or one level of a column with codes."""

    numbers: tuple[int, ...]
    levels: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, request: FitRequest) -> _Spread:
        matrix, coded = request.fit.matrix, request.categorical
        numbers = tuple(place for place in range(matrix.shape[1]) if place not in coded)
        codes = {place: np.unique(matrix[:, place][~np.isnan(matrix[:, place])]) for place in coded}
        return cls(numbers, tuple((place, float(code)) for place in coded for code in codes[place]))

    def split(self, column: int, border: float) -> LevelSplit:
        """The split on the matrix that a split on the spread columns is."""
        if column < len(self.numbers):
            return LevelSplit(self.numbers[column], border)
        return LevelSplit(*self.levels[column - len(self.numbers)], is_level=True)

    def columns(self, matrix: Array) -> NDArray[np.float32]:
        spread = np.empty((len(matrix), len(self.numbers) + len(self.levels)), dtype=np.float32)
        spread[:, : len(self.numbers)] = matrix[:, self.numbers]
        for place, (column, code) in enumerate(self.levels, start=len(self.numbers)):
            spread[:, place] = matrix[:, column] == code
        return spread


def _pool(rows: FitRows, spread: _Spread) -> Any:
    import catboost

    return catboost.Pool(spread.columns(rows.matrix), rows.labels, weight=rows.weights)


def _library_params(request: FitRequest) -> dict[str, object]:
    own = {name: value for name, value in request.params.items() if name not in ("rounds", "categories")}
    fixed: dict[str, object] = {
        "iterations": int(request.params["rounds"]),
        "loss_function": _OBJECTIVES[request.kind],
        "random_seed": request.seed,
        "thread_count": request.threads,
        "logging_level": "Silent",
        "allow_writing_files": False,
    }
    return own | fixed


def _recoded(rows: FitRows, present: NDArray[np.generic]) -> FitRows | None:
    """The rows of the classes that the fit has, numbered from 0; None without such rows."""
    has_class = np.isin(rows.labels, present)
    weights = rows.weights[has_class] if rows.weights is not None else None
    labels = np.searchsorted(present, rows.labels[has_class])
    return FitRows(rows.matrix[has_class], labels, weights) if has_class.any() else None


def _with_absent_classes(trees: ObliviousTrees, present: NDArray[np.generic], request: FitRequest) -> ObliviousTrees:
    """The trees with an output for every class; a class that the fit lacks is as rare as half a row."""
    places = present.astype(np.int64)
    values = np.zeros((*trees.values.shape[:2], request.classes))
    values[:, :, places] = trees.values
    bias = np.full(request.classes, np.log(0.5 / len(request.fit.labels)))
    bias[places] = trees.bias
    return replace(trees, values=values, bias=bias)


class _StopWhenLate:
    """Ends the fit when its time is up; the family then raises, since CatBoost hides what a callback raises."""

    def __init__(self, request: FitRequest) -> None:
        self._deadline = request.deadline

    def after_iteration(self, info: object) -> bool:  # noqa: ARG002
        return self._deadline.left is None or self._deadline.left > 0


def _is_constant(rows: FitRows) -> bool:
    """Whether there is nothing to learn: CatBoost refuses one label, and columns that do not vary."""
    filled = np.nan_to_num(rows.matrix, nan=np.inf)
    return len(np.unique(rows.labels)) < 2 or bool((filled == filled[:1]).all())


def _base_rate(request: FitRequest) -> ObliviousTrees:
    """No tree: the mean label, or the shares of the classes with half a row added to each."""
    labels, weights = request.fit.labels, request.fit.weights
    width = request.fit.matrix.shape[1]
    if request.kind == "regression":
        bias = np.array([np.average(labels, weights=weights)])
        return pack_trees([], bias=bias, width=width)
    counts = np.bincount(labels.astype(np.int64), weights=weights, minlength=request.classes) + 0.5
    logs = np.log(counts / counts.sum())
    return pack_trees([], bias=logs[1:] - logs[:1] if request.kind == "binary" else logs, width=width)


def _exported(model: Any, spread: _Spread, request: FitRequest) -> ObliviousTrees:
    """The fitted model's trees as arrays, from CatBoost's JSON format."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.json"
        model.save_model(str(path), format="json")
        document = json.loads(path.read_bytes())
    scale, bias = document["scale_and_bias"]
    trees = []
    for tree in document["oblivious_trees"]:
        splits = [spread.split(split["float_feature_index"], split["border"]) for split in tree["splits"] or ()]
        leaves = 2 ** len(splits)
        values = np.array(tree["leaf_values"], dtype=np.float64).reshape(leaves, len(bias)) * scale
        trees.append((splits, values, np.array(tree["leaf_weights"], dtype=np.float64)))
    return pack_trees(trees, bias=np.array(bias, dtype=np.float64), width=request.fit.matrix.shape[1])


CATBOOST = CatboostFamily()
