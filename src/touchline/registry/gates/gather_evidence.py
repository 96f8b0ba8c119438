"""Gathers the evidence of gates from the stored files of a version's run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from touchline.registry.gates.as_served import AsServed
from touchline.registry.gates.evidence import NO_LOOK, Evidence, ReferenceModel, RefreshEvidence
from touchline.registry.gates.looks import record_look
from touchline.registry.gates.references import Refit, production_reference, refresh_evidence
from touchline.registry.gates.refresh import recipe_changes
from touchline.registry.gates.spec import Gate
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
from touchline.registry.release.families import families_of
from touchline.statistics import cluster_codes
from touchline.training import Family, Model

_TIMED: Final = 200


@dataclass(frozen=True)
class ReferenceInputs:
    """The ways to predict rows by Production: its recipe fitted again, for a change; its release, for a refresh."""

    refit: Refit | None = None
    as_served: AsServed | None = None


@dataclass(frozen=True)
class _Compared:
    production: ReferenceModel | None = None
    refresh: RefreshEvidence | None = None
    not_comparable: str | None = None
    changes: tuple[str, ...] = ()
    is_refresh: bool = False


def gather_evidence(
    registry: Registry,
    version: ModelVersion,
    gates: Sequence[Gate],
    *,
    production: ModelVersion | None,
    references: ReferenceInputs,
    families: Mapping[str, Family] | None = None,
) -> Evidence:
    """All that the gates need, and no more: only a change under a comparative gate costs a look, and either kind a fit.

    Raises `NotEvaluated` for a version whose run kept no predictions.
    """
    frame = read_predictions(registry, version)
    compares = any(gate.kind == "improves" for gate in gates)
    against = version.is_recalibration or any(gate.kind == "improves" and gate.over == "production" for gate in gates)
    classes = version.classes
    compared = _compared(registry, version, production, frame, references if against else None)
    return Evidence(
        project=version.project,
        version=version.version,
        metrics={name: metric.value for name, metric in version.metrics.items() if metric.value is not None},
        labels=label_codes(frame, classes),
        predictions=prediction_matrix(frame, classes),
        clusters=cluster_codes(cluster_names(frame), frame.height),
        production=compared.production,
        not_comparable=compared.not_comparable,
        refresh=compared.refresh,
        is_recalibration=version.is_recalibration,
        changes=compared.changes,
        baseline=ReferenceModel("the constant baseline", prediction_matrix(frame, classes, "constant_")),
        named=_named(frame, classes, gates),
        look=record_look(registry, version, frame) if compares and not compared.is_refresh else NO_LOOK,
        slices={
            name.removeprefix("slice_"): [str(value) for value in frame[name].to_list()]
            for name in frame.columns
            if name.startswith("slice_")
        },
        measured=_measured(registry, version, {gate.kind for gate in gates}, families),
        approvals=approvals(registry, version),
        stage=version.stage,
        dependence=dependence_of(frame),
        threshold=read_recipe(registry, version).threshold,
    )


def _compared(
    registry: Registry,
    version: ModelVersion,
    production: ModelVersion | None,
    frame: pl.DataFrame,
    references: ReferenceInputs | None,
) -> _Compared:
    if production is None:
        return _Compared()
    recipes = read_recipe(registry, version), read_recipe(registry, production)
    changes = recipe_changes(version, production, *recipes)
    if references is None:
        return _Compared(changes=changes, is_refresh=not changes)
    if changes:
        reference, reason = production_reference(registry, version, production, frame, references.refit)
        return _Compared(reference, None, reason, changes)
    refresh, reason = refresh_evidence(registry, version, production, references.as_served)
    return _Compared(None, refresh, reason, is_refresh=True)


def approvals(registry: Registry, version: ModelVersion) -> list[str]:
    """The approvers of the version since its last rejection, in order."""
    names: list[str] = []
    for change in registry.journal.history(version.project):
        if change.version != version.version:
            continue
        if (change.gate_report or {}).get("approval"):
            names.append(change.actor)
        elif change.to_stage == "Archived":
            names.clear()
    return list(dict.fromkeys(names))


def _named(frame: pl.DataFrame, classes: Sequence[str], gates: Sequence[Gate]) -> dict[str, ReferenceModel]:
    """The predictions of the baselines that gates name; those that the evaluation did not store are left out."""
    asked = {gate.over for gate in gates if gate.kind == "improves"} - {"production", "baseline"}
    output = output_names(classes)[0]
    kept = sorted(name for name in asked if f"over_{name}_{output}" in frame.columns)
    return {
        name: ReferenceModel(f"the baseline {name!r}", prediction_matrix(frame, classes, f"over_{name}_"))
        for name in kept
    }


def _measured(
    registry: Registry, version: ModelVersion, kinds: set[str], families: Mapping[str, Family] | None
) -> dict[str, float]:
    found = {}
    if "size" in kinds:
        folder = registry.objects.local_path(f"{version.object_key}/model")
        found["size_mb"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    if "latency" in kinds:
        found["latency_ms"] = _median_latency_ms(registry, version, families)
    return found


def _median_latency_ms(registry: Registry, version: ModelVersion, families: Mapping[str, Family] | None) -> float:
    folder = registry.objects.local_path(f"{version.object_key}/model")
    model = Model.restore(folder, families_of(folder, families))
    with np.load(registry.objects.local_path(f"{version.object_key}/examples.npz"), allow_pickle=False) as stored:
        row = stored["vectors"][:1]
    model.predict(row)
    took = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        model.predict(row)
        took.append(time.perf_counter() - began)
    return float(np.median(took)) * 1000
