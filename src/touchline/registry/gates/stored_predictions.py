"""The stored predictions and recipe of a version, as frames and as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import NotEvaluated, ObjectNotFound
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.statistics import Dependence
from touchline.training import Recipe

Array = NDArray[np.float64]


def read_predictions(registry: Registry, version: ModelVersion) -> pl.DataFrame:
    """The evaluation fit's predictions of the test rows, in order of time."""
    return predictions_of(read_stored_predictions(registry, version))


def read_stored_predictions(registry: Registry, version: ModelVersion) -> bytes:
    """The same as it is stored."""
    try:
        return registry.objects.read(f"{version.object_key}/predictions.parquet")
    except ObjectNotFound as missing:
        raise NotEvaluated(version.project, version.version, "predictions") from missing


def predictions_of(stored: bytes) -> pl.DataFrame:
    """The frame of stored predictions."""
    return pl.read_parquet(BytesIO(stored))


def read_recipe(registry: Registry, version: ModelVersion) -> Recipe:
    """The recipe of a version."""
    return Recipe.from_json(json.loads(registry.objects.read(f"{version.object_key}/recipe.json")))


def read_evaluation(registry: Registry, version: ModelVersion) -> Mapping[str, Any]:
    """The evaluation of a version as its card shows it: candidates, metrics, learning curve."""
    try:
        stored: Mapping[str, Any] = json.loads(registry.objects.read(f"{version.object_key}/evaluation.json"))
    except ObjectNotFound as missing:
        raise NotEvaluated(version.project, version.version, "evaluation") from missing
    return stored


def dependence_of(frame: pl.DataFrame) -> Dependence:
    """Rows that share one cutoff have no time: their clusters are independent, whatever order they come in."""
    return "serial" if frame["cutoff"].n_unique() > 1 else "none"


def labels_and_predictions(frame: pl.DataFrame, classes: Sequence[str]) -> tuple[Array, Array]:
    """Labels as numbers, and predictions as [rows, outputs]."""
    return label_codes(frame, classes), prediction_matrix(frame, classes)


def label_codes(frame: pl.DataFrame, classes: Sequence[str]) -> Array:
    """Labels as numbers: the index of the class, or the value."""
    if not classes:
        return frame["label"].cast(pl.Float64).to_numpy()
    codes = (
        frame["label"].cast(pl.String).replace_strict(list(classes), list(range(len(classes))), return_dtype=pl.Float64)
    )
    return codes.to_numpy()


def prediction_matrix(frame: pl.DataFrame, classes: Sequence[str], prefix: str = "") -> Array:
    """The predictions whose columns begin with `prefix`, as [rows, outputs]."""
    names = [f"{prefix}{name}" for name in output_names(classes)]
    return frame.select(names).to_numpy().astype(np.float64)


def cluster_names(frame: pl.DataFrame) -> NDArray[Any] | None:
    """The cluster of each row; None, each row its own, where one cluster would hold them all."""
    if frame["cluster"].n_unique() < 2:
        return None
    return np.asarray(frame["cluster"].fill_null("").to_list())


def output_names(classes: Sequence[str]) -> list[str]:
    """The names of the columns of a prediction.

    >>> output_names(["no", "yes"]), output_names([])
    (['p_no', 'p_yes'], ['value'])
    """
    return [f"p_{name}" for name in classes] or ["value"]
