"""The test rows of a version as they would be under other class shares: thinned, predicted again and evaluated.

Under prior shift the rows of each class are as before. So the parent's test rows, thinned to the new shares, are the
test window that the new version would have had; they also become its drift reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import NotEvaluated
from touchline.registry.gates.stored_predictions import (
    cluster_names,
    dependence_of,
    label_codes,
    output_names,
    prediction_matrix,
    read_predictions,
    read_recipe,
)
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.statistics import CategoryColumn, Profile, build_profile, cluster_codes, rows_of_shares
from touchline.training import ClassShares, EvaluatedRows, Metric, metrics_with_intervals

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecalibratedRows:
    """The thinned test rows with their new predictions, what they say about the model, and their profile."""

    frame: pl.DataFrame
    profile: Profile
    metrics: Mapping[str, Metric]
    baseline: Mapping[str, Metric]
    clusters: int


def recalibrated_rows(
    registry: Registry, parent: ModelVersion, shares: ClassShares, *, has_ordered_classes: bool
) -> RecalibratedRows:
    """Evaluate the parent's predictions under new shares.

    Raises `NotEvaluated` where the test rows, or their places in the profile's sample, are not stored.
    """
    frame = read_predictions(registry, parent).sort("cutoff", maintain_order=True)
    profile = _read_profile(registry, parent)
    places = profile.sample_places
    if not len(places) or profile.rows != frame.height:
        raise NotEvaluated(parent.project, parent.version, "places of its profile's rows among the test rows")
    labels = label_codes(frame, parent.classes)[places].astype(np.int64)
    thinned = rows_of_shares(labels, shares.now)
    frame = frame[places[thinned].tolist()]
    predictions = shares.transform(prediction_matrix(frame, parent.classes))
    names = output_names(parent.classes)
    constant = np.bincount(labels[thinned], minlength=len(names)) / len(thinned)
    evaluated = EvaluatedRows(
        "binary" if parent.task == "binary" else "multiclass",
        labels[thinned],
        cluster_codes(cluster_names(frame), frame.height),
        has_ordered_classes,
        read_recipe(registry, parent).threshold,
        dependence=dependence_of(frame),
    )
    outputs = {name: predictions[:, place] for place, name in enumerate(names)}
    return RecalibratedRows(
        frame.with_columns(
            *(pl.Series(name, values) for name, values in outputs.items()),
            *(pl.lit(float(constant[place])).alias(f"constant_{name}") for place, name in enumerate(names)),
        ),
        _profile(profile, thinned, outputs),
        metrics_with_intervals(evaluated, predictions),
        metrics_with_intervals(evaluated, np.tile(constant, (len(thinned), 1))),
        int(evaluated.clusters.max()) + 1,
    )


def _read_profile(registry: Registry, version: ModelVersion) -> Profile:
    with np.load(BytesIO(registry.objects.read(f"{version.object_key}/profile.npz")), allow_pickle=False) as arrays:
        return Profile.from_arrays(arrays)


def _profile(before: Profile, rows: NDArray[np.int64], outputs: Mapping[str, Array]) -> Profile:
    return build_profile(
        before.sample[rows, : len(before.features)],
        names=[column.name for column in before.features],
        levels={column.name: column.levels for column in before.features if isinstance(column, CategoryColumn)},
        outputs=outputs,
        clusters=before.sample_clusters[rows],
    )
