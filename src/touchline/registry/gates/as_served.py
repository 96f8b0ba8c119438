"""A refresh beside Production as served: predictions of rows that neither has learned from, and of the newest rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import NotComparable, TouchlineError
from touchline.features import TrainingSet, frame_vectors
from touchline.registry.gates.distance import label_spread, mean_distance
from touchline.registry.gates.reproduce import Material
from touchline.registry.gates.stored_predictions import (
    output_names,
    prediction_matrix,
    read_predictions,
    read_recipe,
)
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.registry.release.families import families_of
from touchline.registry.release.loaded_release import LoadedRelease
from touchline.registry.release.releases import Releases
from touchline.training import (
    Family,
    HeldOut,
    LabelledRows,
    Model,
    is_released_fit,
    labelled_rows,
    predictions_frame,
    refit_forward,
    refit_without,
)

_NEWEST: Final = 500


@dataclass(frozen=True)
class ServedRows:
    """Predictions of a refresh and, in columns that begin with `production_`, of Production's release.

    `fresh` holds labelled rows that neither has learned from, in order of time; the refresh is represented by fits
    that have not learned from them either. `newest` holds the newest rows, predicted by the two models that ship.
    """

    fresh: pl.DataFrame
    newest: pl.DataFrame


AsServed = Callable[[ModelVersion], ServedRows]
"""Compares the version with Production's release. Raises `NotComparable` where that is not possible."""


def predict_as_served(
    registry: Registry,
    version: ModelVersion,
    production: ModelVersion,
    material: Material,
    *,
    learned: TrainingSet | None,
    difference: float = inf,
) -> ServedRows:
    """Predict the rows that a refresh is compared on.

    `learned` is Production's training set; of its examples, a row is fresh where its label became known
    after that training. None: the training set is gone, and rows count by the time of their label alone. Where the
    predictions of the newest rows differ by more than `difference`, the fresh rows are predicted by a row of fits, each
    with what was known shortly before: after a change of the world, one fit without the fresh rows has not met it.
    """
    frame, families = material.training_set.frame, material.families or {}
    newest = frame.sort("cutoff", maintain_order=True).tail(_NEWEST)
    try:
        served_model = _production_release(registry, production, families)
        own = _shipping_model(registry, version, families)
        newest_rows = newest.select("example_id").with_columns(
            *_predict(own, newest, ""), *_predict(served_model, newest, "production_")
        )
        is_far = _distance(registry, newest_rows, version) > difference
        fresh = _FreshRows(registry, version, production, material, learned).predictions(served_model, is_far=is_far)
    except TouchlineError as failure:
        raise NotComparable(version.version, production.version, str(failure)) from failure
    rows = frame.with_columns(pl.col("example_id").cast(pl.String))
    fresh_rows = fresh.select("example_id").join(rows, on="example_id", how="left", maintain_order="left")
    return ServedRows(
        fresh.with_columns(_predict(served_model, fresh_rows, "production_")),
        newest_rows,
    )


def _distance(registry: Registry, newest: pl.DataFrame, version: ModelVersion) -> float:
    spread = label_spread(read_predictions(registry, version), version.classes)
    ours, theirs = (prediction_matrix(newest, version.classes, prefix) for prefix in ("", "production_"))
    return mean_distance(ours, theirs, spread)


def _production_release(registry: Registry, production: ModelVersion, families: Mapping[str, Family]) -> LoadedRelease:
    return Releases(registry, lambda _: families).open(production.release_id or "")


def _shipping_model(registry: Registry, version: ModelVersion, families: Mapping[str, Family]) -> Model:
    folder = registry.objects.local_path(f"{version.object_key}/model")
    return Model.restore(folder, families_of(folder, families))


def _predict(model: LoadedRelease | Model, frame: pl.DataFrame, prefix: str) -> list[pl.Series]:
    predictor = model.model if isinstance(model, LoadedRelease) else model
    predictions = predictor.predict(frame_vectors(model.columns, frame))
    return [
        pl.Series(f"{prefix}{name}", predictions[:, place]) for place, name in enumerate(output_names(model.classes))
    ]


@dataclass(frozen=True)
class _FreshRows:
    """The labelled rows of a refresh that Production has not learned from."""

    registry: Registry
    version: ModelVersion
    production: ModelVersion
    material: Material
    learned: TrainingSet | None

    def predictions(self, release: LoadedRelease, *, is_far: bool) -> pl.DataFrame:
        """Their predictions by fits of the refresh that have not learned from them either.

        The evaluation fit serves where Production has seen nothing of the test window. Where it has, that fit would be
        at a disadvantage: it knows less of the newest past. Then the recipe is fitted on all but the fresh rows, which
        is Production's own fit where the recipe and the other rows are still the same.
        """
        version, material = self.version, self.material
        evaluated = read_predictions(self.registry, version)
        rows = labelled_rows(material.task, material.training_set, now=version.created_at)
        is_fresh = self._are_fresh(rows)
        fresh = {rows.ids[place] for place in np.flatnonzero(is_fresh).tolist()}
        stored = evaluated.filter(pl.col("example_id").is_in(list(fresh)))
        if not fresh or (stored.height == evaluated.height and not is_far):
            return stored.select("example_id", "cutoff", "cluster", "label", *output_names(version.classes))
        if not is_far and self._is_fit_of_production(rows.at(np.flatnonzero(~is_fresh))):
            later = rows.at(np.flatnonzero(is_fresh))
            vectors = frame_vectors(release.columns, material.training_set.frame[later.places])
            predicted = predictions_frame(later, release.model.predict(vectors), material.training_set.frame)
            return predicted.sort("cutoff", maintain_order=True)
        fit_again = refit_forward if is_far else refit_without
        refitted = fit_again(
            read_recipe(self.registry, version),
            material.task,
            material.training_set,
            HeldOut(fresh, material.training),
            now=version.created_at,
            families=material.families,
        )
        return refitted.sort("cutoff", maintain_order=True)

    def _are_fresh(self, rows: LabelledRows) -> NDArray[np.bool_]:
        trained_at = int(self.production.created_at.timestamp() * 1_000_000)
        is_newer = rows.known_at > trained_at
        if self.learned is None:
            return is_newer
        known = set(self.learned.frame["example_id"].cast(pl.String).to_list())
        return is_newer | np.array([name not in known for name in rows.ids], dtype=np.bool_)

    def _is_fit_of_production(self, rows: LabelledRows) -> bool:
        """Whether the model of Production is the fit of the refresh's recipe on these rows."""
        recipe = read_recipe(self.registry, self.version)
        if self.learned is None or self.production.is_recalibration:
            return False
        if not is_released_fit(recipe, self.material.training, rows):
            return False
        same = all(
            self.version.hashes.get(name) == self.production.hashes.get(name)
            for name in ("declaration", "code", "environment")
        )
        # The columns that a fit leaves out follow from its rows.
        before = replace(read_recipe(self.registry, self.production), dropped=recipe.dropped)
        if not same or recipe != before:
            return False
        then = labelled_rows(self.material.task, self.learned, now=self.production.created_at)
        return recipe.select(then).has_content_of(recipe.select(rows))
