"""What a version is compared with: Production's recipe on the same rows, or for a refresh Production as served.

Both are stored with the version's run, so that they are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import NotComparable, NotEvaluated
from touchline.registry.gates.as_served import AsServed, ServedRows
from touchline.registry.gates.distance import label_spread
from touchline.registry.gates.evidence import ReferenceModel, RefreshEvidence
from touchline.registry.gates.stored_predictions import (
    Array,
    cluster_names,
    dependence_of,
    label_codes,
    labels_and_predictions,
    output_names,
    prediction_matrix,
    read_predictions,
    read_recipe,
)
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.statistics import cluster_codes
from touchline.training import Recipe

Refit = Callable[[ModelVersion, Recipe], pl.DataFrame]
"""Fits the recipe of the version in Production on the candidate's training rows and predicts its test rows.

Raises `NotComparable` where Production's features cannot be joined to these rows.
"""


def production_reference(
    registry: Registry, version: ModelVersion, production: ModelVersion, frame: pl.DataFrame, refit: Refit | None
) -> tuple[ReferenceModel | None, str | None]:
    """Production's predictions, or why there are none."""
    try:
        return _refitted(registry, version, production, frame, refit), None
    except NotComparable as reason:
        return None, str(reason)


def _refitted(
    registry: Registry, version: ModelVersion, production: ModelVersion, frame: pl.DataFrame, refit: Refit | None
) -> ReferenceModel | None:
    """The predictions of Production's recipe for the same rows; stored with the run, so that it is fitted once."""
    key = f"{version.object_key}/opponents/{production.version}.parquet"
    if not registry.objects.exists(key):
        if refit is None:
            raise _unpredicted(version, production)
        _store(registry, key, refit(production, read_recipe(registry, production)))
    predictions_frame = _read(registry, key)
    aligned = frame.select("example_id").join(predictions_frame, on="example_id", how="left", maintain_order="left")
    _validate_complete(version, aligned, f"Production version {production.version}")
    predictions = prediction_matrix(aligned, version.classes)
    threshold = read_recipe(registry, production).threshold
    return ReferenceModel(f"Production version {production.version}", predictions, threshold)


def _validate_complete(version: ModelVersion, predictions_frame: pl.DataFrame, whose: str) -> None:
    """Raise `NotEvaluated` where a test row has no prediction to compare with."""
    names = output_names(version.classes)
    lacking = predictions_frame.filter(pl.any_horizontal(pl.col(names).is_null() | pl.col(names).is_nan()))[
        "example_id"
    ].to_list()
    if lacking:
        raise NotEvaluated(
            version.project,
            version.version,
            f"prediction of {whose} for {len(lacking)} of {predictions_frame.height} test rows (first: {lacking[0]})",
        )


def refresh_evidence(
    registry: Registry, version: ModelVersion, production: ModelVersion, as_served: AsServed | None
) -> tuple[RefreshEvidence | None, str | None]:
    """The refresh beside Production as served, or why they cannot be compared."""
    fresh_key = f"{version.object_key}/opponents/{production.version}-fresh.parquet"
    newest_key = f"{version.object_key}/opponents/{production.version}-newest.parquet"
    if not registry.objects.exists(newest_key):
        if as_served is None:
            raise _unpredicted(version, production)
        try:
            predicted = as_served(production)
        except NotComparable as reason:
            return None, str(reason)
        _store(registry, fresh_key, predicted.fresh)
        _store(registry, newest_key, predicted.newest)
    rows = ServedRows(_read(registry, fresh_key), _read(registry, newest_key))
    return _refresh_evidence(registry, version, production, rows), None


def _refresh_evidence(
    registry: Registry, version: ModelVersion, production: ModelVersion, rows: ServedRows
) -> RefreshEvidence:
    classes, fresh = version.classes, rows.fresh
    return RefreshEvidence(
        labels=label_codes(fresh, classes),
        predictions=prediction_matrix(fresh, classes),
        production=ReferenceModel(
            f"Production version {production.version}",
            prediction_matrix(fresh, classes, "production_"),
            read_recipe(registry, production).threshold,
        ),
        clusters=cluster_codes(cluster_names(fresh), fresh.height),
        dependence=dependence_of(fresh),
        newest=prediction_matrix(rows.newest, classes),
        newest_production=prediction_matrix(rows.newest, classes, "production_"),
        spread=label_spread(read_predictions(registry, version), classes),
        constant=prediction_matrix(read_predictions(registry, production).head(1), classes, "constant_"),
    )


@dataclass(frozen=True)
class ComparedPredictions:
    """Predictions of a version and of Production for the same test rows, as the gates compared them."""

    labels: Array
    predictions: Array
    production: Array
    clusters: NDArray[np.int64]


def compared_predictions(
    registry: Registry, version: ModelVersion, production: ModelVersion
) -> ComparedPredictions | None:
    """What the gates compared, for a plan of how long a rollout takes; None where they compared nothing."""
    key = f"{version.object_key}/opponents/{production.version}"
    if registry.objects.exists(f"{key}-fresh.parquet"):
        frame = _read(registry, f"{key}-fresh.parquet")
        theirs = prediction_matrix(frame, version.classes, "production_")
    elif registry.objects.exists(f"{key}.parquet"):
        frame = read_predictions(registry, version)
        reference = _read(registry, f"{key}.parquet")
        aligned = frame.select("example_id").join(reference, on="example_id", how="left", maintain_order="left")
        theirs = prediction_matrix(aligned, version.classes)
    else:
        return None
    labels, ours = labels_and_predictions(frame, version.classes)
    whole = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    clusters = cluster_codes(cluster_names(frame), frame.height)
    return ComparedPredictions(labels[whole], ours[whole], theirs[whole], clusters[whole])


def _unpredicted(version: ModelVersion, production: ModelVersion) -> NotEvaluated:
    missing = f"predictions of Production version {production.version} on its test rows"
    return NotEvaluated(version.project, version.version, missing)


def _store(registry: Registry, key: str, frame: pl.DataFrame) -> None:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    registry.objects.write(key, buffer.getvalue())


def _read(registry: Registry, key: str) -> pl.DataFrame:
    return pl.read_parquet(BytesIO(registry.objects.read(key)))
