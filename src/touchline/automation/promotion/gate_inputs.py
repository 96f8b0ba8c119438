"""The declared gates and training of a version: for the registry to check it by the gates, or to train it again."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import polars as pl

from touchline.automation.production.settled_rows import settled_rows_as_served
from touchline.errors import NotComparable, failure_in_words
from touchline.features import build_training_set, compute_view, read_training_set
from touchline.ingest import read_snapshot
from touchline.project import load_released_code
from touchline.registry import (
    GateInputs,
    Material,
    Releases,
    declared_families,
    predict_as_served,
    refitter,
)

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.features import TrainingSet
    from touchline.project import Project
    from touchline.registry import AsServed, ModelVersion, Refit, Release, ServedRows
    from touchline.training import Recipe


def gate_inputs(context: PipelineContext, version: ModelVersion, training_set: TrainingSet | None = None) -> GateInputs:
    """The declared gates, and Production's predictions by its recipe or release on the version's own training set.

    A recalibrated version is compared on the settled predictions since the shift instead.
    """
    families = declared_families(context.project.training)
    if version.recalibrates is not None:
        as_served = settled_rows_as_served(context.project, context.stores, version)
        return GateInputs(context.project.gates, None, lambda _: families, as_served)
    material = material_of(context, version) if training_set is None else _material(context, training_set)
    gates = context.project.gates
    if material is None:
        return GateInputs(gates, families=lambda _: families)
    refit, as_served = _refit(context, version, material), _as_served(context, version, material)
    return GateInputs(gates, refit, lambda _: families, as_served)


def material_of(context: PipelineContext, version: ModelVersion) -> Material | None:
    """The stored training set of a version, with the task and training as declared now; None if it was deleted."""
    training_set = read_training_set(version.training_set_hash, project=context.project.name, stores=context.stores)
    return None if training_set is None else _material(context, training_set)


def _material(context: PipelineContext, training_set: TrainingSet) -> Material:
    project = context.project
    return Material(project.task, project.training, training_set, declared_families(project.training))


def _refit(context: PipelineContext, version: ModelVersion, material: Material) -> Refit:
    def refit(production: ModelVersion, recipe: Recipe) -> pl.DataFrame:
        context.on_progress("fitting Production's recipe on the same rows")
        return refitter(version, _reference_material(context, version, production, material))(recipe)

    return refit


def _as_served(context: PipelineContext, version: ModelVersion, material: Material) -> AsServed:
    def as_served(production: ModelVersion) -> ServedRows:
        context.on_progress("comparing with Production as served")
        name, stores = context.project.name, context.stores
        learned = read_training_set(production.training_set_hash, project=name, stores=stores)
        compared = [gate for gate in context.project.gates if gate.kind == "improves" and gate.over == "production"]
        return predict_as_served(
            stores,
            version,
            production,
            material,
            learned=learned,
            difference=min((gate.difference for gate in compared), default=inf),
        )

    return as_served


def _reference_material(
    context: PipelineContext, version: ModelVersion, production: ModelVersion, material: Material
) -> Material:
    """The version's examples with the features that Production reads: its own, where the declaration has others."""
    state = context.stores.journal.state(context.project.name)
    release = Releases(context.stores).find(state.releases.get(production.version, ""))
    if release is None or not _has_other_features(release, material.training_set):
        return material
    try:
        project = load_released_code(release.path / "code", project=context.project.name, release=release.id)
        training_set = _joined(context, project, material.training_set)
    except Exception as failure:  # code of a project may raise anything; the gate then says no, with the reason
        raise NotComparable(version.version, production.version, failure_in_words(failure)) from failure
    families = {**declared_families(project.training), **(material.families or {})}
    task = material.task.model_copy(update={"features": project.task.features, "on_demand": project.task.on_demand})
    return replace(material, task=task, training_set=training_set, families=families)


def _has_other_features(release: Release, training_set: TrainingSet) -> bool:
    """Whether a release reads another version of a view or transform, or another column, than a training set has."""
    manifest, lineage = release.read_manifest(), training_set.lineage
    views = {view.view: view.feature_version for view in manifest.views}
    joined = {name: version for name, version in lineage["views"].items() if name in views}
    transforms = {transform.name: transform.version for transform in manifest.on_demand}
    columns = {column.name for column in training_set.columns}
    has_all_columns = all(column.name in columns for column in manifest.columns)
    return not has_all_columns or joined != views or transforms != lineage["on_demand"]


def _joined(context: PipelineContext, project: Project, training_set: TrainingSet) -> TrainingSet:
    """The examples of a training set with the features that another declaration joins to them, on the same data."""
    task, stores, name = project.task, context.stores, context.project.name
    computed = [column.name for column in training_set.columns if column.origin != "input"]
    examples = training_set.frame.drop(computed)
    snapshots = training_set.lineage["sources"]
    histories = {
        view.name: compute_view(
            view,
            project=name,
            stores=stores,
            clock=context.clock,
            snapshots={
                source.name: read_snapshot(name, source.name, stores, snapshots.get(source.name))
                for source in view.sources
            },
        )
        for view in {join.view.name: join.view for join in task.features}.values()
    }
    return build_training_set(examples, task.features, histories, task.inputs, task.on_demand)
