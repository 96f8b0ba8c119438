"""The steps of a pipeline run, each usable by itself: the commands of the same names call these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from touchline.errors import SnapshotNotFound
from touchline.features import (
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
from touchline.ingest import IngestReport, IngestStores, Snapshot, ingest_source, read_snapshot
from touchline.predictions import Settled, settle_outcomes
from touchline.training import TrainingResult, Workshop, train

if TYPE_CHECKING:
    import polars as pl

    from touchline.clock import Clock
    from touchline.features import OnlineStore, PartitionRunner
    from touchline.ingest import Source
    from touchline.project import LoadedProject, Project
    from touchline.registry import Tracking
    from touchline.storage import Database, ObjectStore

Say = Callable[[str], None]


@dataclass(frozen=True)
class PipelineStores:
    """Everything a pipeline run reads and writes."""

    database: Database
    objects: ObjectStore
    online: OnlineStore
    tracking: Tracking

    @property
    def files(self) -> IngestStores:
        return IngestStores(self.database, self.objects)


@dataclass(frozen=True)
class Workplace:
    """One project, its stores and its clock: what every step works with."""

    loaded: LoadedProject
    stores: PipelineStores
    clock: Clock
    say: Say = lambda _: None
    workshop: Workshop = field(default_factory=Workshop)
    open_joins: Callable[[], PartitionRunner | None] = lambda: None

    @property
    def project(self) -> Project:
        return self.loaded.project


def ingest_and_settle(place: Workplace, sources: Sequence[Source]) -> tuple[tuple[IngestReport, ...], Settled | None]:
    """Ingest these sources and settle what has become known; None while some source was never ingested."""
    reports = ingest_all(place, sources)
    try:
        snapshots = current_snapshots(place)
    except SnapshotNotFound:
        return reports, None
    histories = compute_features(place, snapshots)
    materialize_all(place, histories)
    return reports, settle(place, current_examples(place, snapshots))


def ingest_all(place: Workplace, sources: Sequence[Source] | None = None) -> tuple[IngestReport, ...]:
    """Ingest these sources, by default every one in the order they are declared."""
    reports = []
    for source in place.project.sources if sources is None else sources:
        place.say(f"ingest {source.name}")
        reports.append(ingest_source(source, project=place.project.name, stores=place.stores.files, clock=place.clock))
    return tuple(reports)


def current_snapshots(place: Workplace) -> dict[str, Snapshot]:
    """The newest snapshot of each source; `SnapshotNotFound` says to ingest first."""
    return {
        source.name: read_snapshot(place.project.name, source.name, place.stores.files)
        for source in place.project.sources
    }


def current_examples(place: Workplace, snapshots: Mapping[str, Snapshot]) -> pl.DataFrame:
    """The declared examples on these snapshots, checked; with a label horizon, no event by then is the negative."""
    task = place.project.task
    examples = build_examples(task.examples, snapshots)
    if task.label_horizon is None:
        return examples
    return close_at_horizon(examples, task.label_horizon, negative=task.classes[0], now=place.clock.now())


def settle(place: Workplace, examples: pl.DataFrame) -> Settled:
    """Record the labels that have become known, and which examples are still open."""
    return settle_outcomes(
        place.stores.database,
        place.project.name,
        examples,
        entity_columns=place.project.task.entity_columns,
        now=place.clock.now(),
    )


def compute_features(place: Workplace, snapshots: Mapping[str, Snapshot]) -> dict[str, FeatureHistory]:
    """The history of every view on these snapshots."""
    histories = {}
    for view in place.project.feature_views:
        place.say(f"features {view.name}")
        histories[view.name] = compute_view(
            view,
            project=place.project.name,
            stores=place.stores,
            clock=place.clock,
            snapshots={source.name: snapshots[source.name] for source in view.sources},
        )
    return histories


def materialize_all(place: Workplace, histories: Mapping[str, FeatureHistory]) -> tuple[Materialized, ...]:
    """Every view's newest known values to the online store."""
    now = place.clock.now()
    done = []
    for view in place.project.feature_views:
        place.say(f"materialize {view.name}")
        done.append(materialize(view, histories[view.name], place.stores.online, now=now))
    return tuple(done)


def assemble_training_set(
    place: Workplace, examples: pl.DataFrame, snapshots: Mapping[str, Snapshot], histories: Mapping[str, FeatureHistory]
) -> TrainingSet:
    """The point-in-time joined training set, kept under its hash."""
    place.say("training set")
    task = place.project.task
    built = build_training_set(
        examples, task.features, histories, task.inputs, task.on_demand, runner=place.open_joins()
    )
    named = {source.name: snapshots[source.name].hash for source in task.examples.sources}
    lineage = {**built.lineage, "sources": {**built.lineage["sources"], **named}}
    training_set = TrainingSet(built.frame, built.columns, built.hash, lineage)
    write_training_set(training_set, project=place.project.name, stores=place.stores, now=place.clock.wall())
    return training_set


def train_candidates(place: Workplace, training_set: TrainingSet) -> TrainingResult:
    """Train and compare the candidates on the labels known at project time."""
    return train(
        place.project.task,
        place.project.training,
        training_set,
        now=place.clock.now(),
        workshop=replace(place.workshop, tell=lambda told: place.say(f"train: {told.message} ({told.share:.0%})")),
    )
