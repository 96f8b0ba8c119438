"""A version made again from its record: the same predictions, or what differs."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import numpy as np
import polars as pl

from touchline.features import TrainingSet
from touchline.registry.gates.stored_predictions import labels_and_predictions, read_predictions, read_recipe
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.registry.release.manifest import ReleaseManifest
from touchline.training import ClassShares, Family, Recipe, Task, Training, refit_on, split_again


@dataclass(frozen=True)
class Reproduced:
    """The result of training a version again. `gap` is the largest difference of a prediction of a test row."""

    version: ModelVersion
    rows: int
    differing: int
    gap: float
    changed: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Bit for bit."""
        return self.differing == 0


@dataclass(frozen=True)
class Material:
    """The inputs of a training: the declared task and training, and the training set."""

    task: Task
    training: Training
    training_set: TrainingSet
    families: Mapping[str, Family] | None = None


def refitter(version: ModelVersion, material: Material) -> Callable[[Recipe], pl.DataFrame]:
    """Fits any recipe on the training rows of a version and predicts its test rows: what a comparative gate needs."""
    task, training_set = material.task, material.training_set

    def again(recipe: Recipe) -> pl.DataFrame:
        split = split_again(task, material.training, training_set, now=version.created_at)
        return refit_on(recipe, task, training_set, split, now=version.created_at, families=material.families)

    return again


def reproduce(registry: Registry, version: ModelVersion, material: Material) -> Reproduced:
    """Fit the version's own recipe on its own rows again and compare with what it said about its test rows."""
    before = read_predictions(registry, version)
    after = refitter(version, material)(read_recipe(registry, version))
    after = before.select("example_id").join(after, on="example_id", how="left", maintain_order="left")
    _, old = labels_and_predictions(before, version.classes)
    new = after.select(_names(version)).to_numpy()
    if (shares := _class_shares(registry, version)) is not None:
        new = shares.transform(new)
    apart = np.abs(old - new)
    return Reproduced(
        version=version,
        rows=len(old),
        differing=int((~(old == new)).any(axis=1).sum()),
        gap=float(np.nanmax(apart)) if len(apart) else 0.0,
        changed=_changed(registry, version, material),
    )


def _class_shares(registry: Registry, version: ModelVersion) -> ClassShares | None:
    """The shares that a recalibrated version was corrected for, after its fit."""
    record = json.loads(registry.objects.read(f"{version.object_key}/model/model.json"))
    return ClassShares.from_json(record["shares"]) if record.get("shares") else None


def _names(version: ModelVersion) -> list[str]:
    return [f"p_{name}" for name in version.classes] or ["value"]


def _changed(registry: Registry, version: ModelVersion, material: Material) -> tuple[str, ...]:
    """The differences between now and the time when the version was trained."""
    found = []
    if material.training_set.hash != version.training_set_hash:
        found.append(f"training set: {version.training_set_hash} then, {material.training_set.hash} now")
    then = ReleaseManifest.from_bytes(registry.objects.read(f"{version.object_key}/facts.json")).libraries
    for name, was in then.items():
        now = platform.python_version() if name == "python" else _installed(name)
        if now != was:
            found.append(f"{name}: {was} then, {now} now")
    return tuple(found)


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return "absent"
