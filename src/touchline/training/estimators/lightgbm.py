"""The family `lightgbm`: gradient boosted trees, kept in LightGBM's text format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.arrays import read_checked, two_columns, write_checked
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Kind, Params
from touchline.training.estimators.lightgbm_library import LightgbmModel

if TYPE_CHECKING:
    import lightgbm
    from optuna.trial import BaseTrial

Array = NDArray[np.float64]

_OBJECTIVES: dict[Kind, str] = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}
_PATIENCE = 40


@dataclass(frozen=True)
class Lightgbm:
    """A model's text, predicted by the C library."""

    text: str
    kind: Kind
    settled: Params = field(default_factory=dict)

    @cached_property
    def _model(self) -> LightgbmModel:
        return LightgbmModel(self.text)

    def predict(self, matrix: Array) -> Array:
        found = self._model.predict(matrix)
        return two_columns(found[:, 0]) if self.kind == "binary" else found

    def row_predictor(self) -> Callable[[bytes], list[float]]:
        """`predict` for one row of float64 values, as a function: arrays are too slow for a request."""
        predict_row = self._model.row_predictor()

        def predict_one_output(row: bytes) -> list[float]:
            positive = predict_row(row)[0]
            return [1.0 - positive, positive]

        def predict_outputs(row: bytes) -> list[float]:
            return predict_row(row)[:]  # type: ignore[return-value]  # of a ctypes array: a list

        return predict_one_output if self.kind == "binary" else predict_outputs

    def contributions(self, matrix: Array) -> Array:
        """SHAP values of the raw score, [rows, outputs, columns + 1]."""
        return self._model.contributions(matrix)

    def export(self, folder: Path) -> None:
        write_checked(folder / "model.txt", self.text.encode())
        (folder / "kind.txt").write_text(self.kind, encoding="utf-8")


class LightgbmFamily:
    """Boosted trees with native nulls and categories; rounds are found by early stopping on the validation rows."""

    name = "lightgbm"
    layout: Literal["dense", "trees"] = "trees"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self, kind: Kind) -> Params:  # noqa: ARG002
        return {"rounds": 1000, "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20}

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:  # noqa: ARG002
        return {
            "rounds": 2000,
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 200, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
            "bagging_freq": 1,
            "lambda_l1": trial.suggest_float("lambda_l1", 1e-8, 10.0, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-8, 10.0, log=True),
            "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
            "max_cat_to_onehot": trial.suggest_int("max_cat_to_onehot", 2, 64, log=True),
        }

    def has_chance(self, params: Params) -> bool:
        """Whether another seed grows other trees."""
        return any(float(params.get(name, 1.0)) < 1.0 for name in ("feature_fraction", "bagging_fraction"))

    def fit(self, request: FitRequest) -> Fitted:
        import lightgbm

        booster = lightgbm.train(
            _library_params(request),
            _dataset(request.fit, request),
            num_boost_round=int(request.params["rounds"]),
            valid_sets=[_dataset(request.validation, request)] if request.validation else None,
            callbacks=_callbacks(request),
        )
        # Without validation rows best_iteration is 0 and all rounds are kept.
        rounds = booster.best_iteration or booster.current_iteration()
        return Lightgbm(booster.model_to_string(num_iteration=rounds), request.kind, {"rounds": max(1, rounds)})

    def restore(self, folder: Path) -> Fitted:
        kind = (folder / "kind.txt").read_text(encoding="utf-8")
        assert kind in ("binary", "multiclass", "regression")
        text = read_checked(folder / "model.txt", "LightGBM").decode()
        restored = Lightgbm(text, kind)  # type: ignore[arg-type]  # narrowed by the assertion
        restored._model  # noqa: B018  # a text that the library cannot read fails here, not at the first prediction
        return restored


def _library_params(request: FitRequest) -> dict[str, object]:
    own = {name: value for name, value in request.params.items() if name != "rounds"}
    fixed: dict[str, object] = {
        "objective": _OBJECTIVES[request.kind],
        "seed": request.seed,
        "num_threads": request.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return own | fixed | ({"num_class": request.classes} if request.kind == "multiclass" else {})


def _dataset(rows: FitRows, request: FitRequest) -> lightgbm.Dataset:
    import lightgbm

    return lightgbm.Dataset(
        rows.matrix,
        label=rows.labels,
        weight=rows.weights,
        categorical_feature=list(request.categorical),
        params={"verbosity": -1, "min_data_in_leaf": request.params.get("min_data_in_leaf", 20)},
        free_raw_data=False,
    )


def _callbacks(request: FitRequest) -> list[Callable[..., Any]]:
    import lightgbm

    def stop_when_late(_: object) -> None:
        request.deadline.validate("lightgbm")

    patience = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if request.validation else []
    return [stop_when_late, *patience]


LIGHTGBM = LightgbmFamily()
