"""The steps of a pipeline run. Each also works alone: `touchline ingest` calls the first ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from touchline.errors import ReleaseTampered
from touchline.features import (
    BuiltExamples,
    FeatureHistories,
    FeatureHistory,
    Materialized,
    TrainingSet,
    build_examples,
    build_training_set,
    close_at_horizon,
    compute_view,
    materialize,
    write_training_set,
)
from touchline.ingest import IngestReport, Snapshot, ingest_source, read_snapshot
from touchline.predictions import Settled, settle_outcomes
from touchline.registry import Releases, transform_modules
from touchline.training import TrainingOptions, TrainingResult, train

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from touchline.automation.stores import Stores
    from touchline.clock import Clock
    from touchline.features import FeatureView, OnDemand, PartitionRunner, ViewJoin
    from touchline.ingest import Source
    from touchline.project import LoadedProject, Project
    from touchline.storage import DataStores
    from touchline.training import Task, Training


class Trainer(Protocol):
    """Trains as `touchline.training.train` does; a rehearsal finds the trainings that another of its processes did."""

    def __call__(
        self, task: Task, training: Training, training_set: TrainingSet, *, now: datetime, options: TrainingOptions
    ) -> TrainingResult: ...


class ViewComputer(Protocol):
    """Computes a history as `touchline.features.compute_view` does."""

    def __call__(
        self, view: FeatureView, *, project: str, stores: DataStores, clock: Clock, snapshots: Mapping[str, Snapshot]
    ) -> FeatureHistory: ...


class SetBuilder(Protocol):
    """Joins a training set as `touchline.features.build_training_set` does."""

    def __call__(
        self,
        examples: pl.DataFrame,
        joins: Sequence[ViewJoin],
        histories: Mapping[str, FeatureHistory],
        inputs: Sequence[str] = (),
        on_demand: Sequence[OnDemand] = (),
        *,
        runner: PartitionRunner | None = None,
    ) -> TrainingSet: ...


@dataclass(frozen=True)
class PipelineContext:
    """One project, its stores, and how its fits and joins run: the context of every step."""

    loaded: LoadedProject
    stores: Stores
    on_progress: Callable[[str], None] = lambda _: None
    options: TrainingOptions = field(default_factory=TrainingOptions)
    open_joins: Callable[[], PartitionRunner | None] = lambda: None
    trainer: Trainer = train
    view_computer: ViewComputer = compute_view
    set_builder: SetBuilder = build_training_set

    @property
    def project(self) -> Project:
        return self.loaded.project

    @property
    def clock(self) -> Clock:
        return self.stores.clock


def ingest_all(
    context: PipelineContext, sources: Sequence[Source] | None = None, *, is_backfill: bool = False
) -> tuple[IngestReport, ...]:
    """Ingest these sources, by default all in the order of their declaration."""
    reports = []
    for source in context.project.sources if sources is None else sources:
        context.on_progress(f"ingest {source.name}")
        report = ingest_source(
            source,
            project=context.project.name,
            stores=context.stores,
            clock=context.clock,
            is_backfill=is_backfill,
        )
        reports.append(report)
    return tuple(reports)


def current_snapshots(context: PipelineContext) -> dict[str, Snapshot]:
    """The newest snapshot of each source. Raises `SnapshotNotFound` while a source was never ingested."""
    return {
        source.name: read_snapshot(context.project.name, source.name, context.stores)
        for source in context.project.sources
    }


def current_examples(context: PipelineContext, snapshots: Mapping[str, Snapshot]) -> BuiltExamples:
    """The declared examples of these snapshots; after the label horizon an example without an event is negative."""
    task = context.project.task
    examples = build_examples(task.examples, snapshots)
    if task.label_horizon is None:
        return examples
    now, negative = context.clock.now(), task.classes[0]
    return replace(examples, rows=close_at_horizon(examples.rows, task.label_horizon, negative=negative, now=now))


def settle(context: PipelineContext, examples: BuiltExamples) -> Settled:
    """Record the labels that are known by now, and the examples that are still open; excluded ones are neither."""
    return settle_outcomes(
        context.stores.database,
        context.project.name,
        examples.rows,
        entity_columns=context.project.task.entity_columns,
        input_columns=_inputs_in_use(context),
        now=context.clock.now(),
    )


def _inputs_in_use(context: PipelineContext) -> list[str]:
    """The raw inputs of the declared task, and of the releases that answer or may: an example brings both."""
    names = dict.fromkeys(context.project.task.inputs)
    stores, project = context.stores, context.project.name
    state, releases = stores.journal.state(project), Releases(stores)
    for version in {state.production, state.staging, state.rollback} - {None}:
        release = releases.find(state.releases.get(version or 0, ""))
        with suppress(ReleaseTampered):  # doctor names it
            names |= dict.fromkeys(release.read_manifest().inputs if release else ())
    return list(names)


def compute_features(context: PipelineContext, snapshots: Mapping[str, Snapshot]) -> dict[str, FeatureHistory]:
    """The history of every view, computed from these snapshots."""
    histories = {}
    for view in context.project.feature_views:
        context.on_progress(f"features {view.name}")
        histories[view.name] = context.view_computer(
            view,
            project=context.project.name,
            stores=context.stores,
            clock=context.clock,
            snapshots={source.name: snapshots[source.name] for source in view.sources},
        )
    return histories


def materialize_all(context: PipelineContext, histories: Mapping[str, FeatureHistory]) -> tuple[Materialized, ...]:
    """Copy every view's newest known values to the online store."""
    now, stored = context.clock.now(), FeatureHistories(context.stores)
    results = []
    for view in context.project.feature_views:
        context.on_progress(f"materialize {view.name}")
        results.append(materialize(view, histories[view.name], context.stores.online, now=now, histories=stored))
    return tuple(results)


def assemble_training_set(
    context: PipelineContext,
    examples: BuiltExamples,
    *,
    snapshots: Mapping[str, Snapshot],
    histories: Mapping[str, FeatureHistory],
) -> TrainingSet:
    """The point-in-time joined training set, stored under its hash."""
    training_set = join_training_set(context, examples, snapshots=snapshots, histories=histories)
    write_training_set(training_set, project=context.project.name, stores=context.stores, now=context.clock.wall())
    return training_set


def join_training_set(
    context: PipelineContext,
    examples: BuiltExamples,
    *,
    snapshots: Mapping[str, Snapshot],
    histories: Mapping[str, FeatureHistory],
) -> TrainingSet:
    """The point-in-time joined training set."""
    context.on_progress("training set")
    task = context.project.task
    built = context.set_builder(
        examples.rows, task.features, histories, task.inputs, task.on_demand, runner=context.open_joins()
    )
    hashes = {source.name: snapshots[source.name].hash for source in task.examples.sources}
    lineage = {**built.lineage, "sources": {**built.lineage["sources"], **hashes}}
    if examples.excluded:
        lineage["excluded"] = dict(examples.excluded)
    return TrainingSet(built.frame, built.columns, built.hash, lineage)


def train_candidates(context: PipelineContext, training_set: TrainingSet) -> TrainingResult:
    """Train and compare the candidates on the labels that are known at project time.

    Raises `NotPortable`, before any fit, for an on-demand transform that serving could not run without the project.
    """
    transform_modules(context.project.task.on_demand)
    return context.trainer(
        context.project.task,
        context.project.training,
        training_set,
        now=context.clock.now(),
        options=replace(
            context.options,
            on_progress=lambda progress: context.on_progress(f"train: {progress.message} ({progress.share:.0%})"),
        ),
    )
