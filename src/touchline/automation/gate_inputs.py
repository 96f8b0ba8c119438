"""The declared gates and training of a version: for the registry to check it by the gates, or to train it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.features import read_training_set
from touchline.registry import GateInputs, Material, declared_families, refitter

if TYPE_CHECKING:
    import polars as pl

    from touchline.automation.steps import PipelineContext
    from touchline.features import TrainingSet
    from touchline.registry import ModelVersion, Refit
    from touchline.training import Recipe


def gate_inputs(context: PipelineContext, version: ModelVersion, training_set: TrainingSet | None = None) -> GateInputs:
    """The declared gates, and a refit of Production's recipe on the version's own training set."""
    families = declared_families(context.project.training)
    material = material_of(context, version) if training_set is None else _material(context, training_set)
    return GateInputs(
        context.project.gates, _refit(context, version, material) if material else None, lambda _: families
    )


def material_of(context: PipelineContext, version: ModelVersion) -> Material | None:
    """The stored training set of a version, with the task and training as declared now; None if it was deleted."""
    training_set = read_training_set(version.training_set_hash, project=context.project.name, stores=context.stores)
    return None if training_set is None else _material(context, training_set)


def _material(context: PipelineContext, training_set: TrainingSet) -> Material:
    project = context.project
    return Material(project.task, project.training, training_set, declared_families(project.training))


def _refit(context: PipelineContext, version: ModelVersion, material: Material) -> Refit:
    refit = refitter(version, material)

    def refit_with_progress(recipe: Recipe) -> pl.DataFrame:
        context.on_progress("fitting Production's recipe on the same rows")
        return refit(recipe)

    return refit_with_progress
