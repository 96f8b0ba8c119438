"""One pass from ingest to gate: named, recorded steps, each found again when its input has not changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from touchline.automation.record import PipelineRecord
from touchline.errors import GateFailed
from touchline.features import (
    FeatureHistory,
    OnlineStore,
    TrainingSet,
    build_examples,
    build_training_set,
    compute_view,
    materialize,
    read_training_set,
    write_training_set,
)
from touchline.ingest import IngestReport, IngestStores, Snapshot, ingest_source, read_snapshot
from touchline.project import LoadedProject, declared_state
from touchline.registry import (
    GateReport,
    Journal,
    ModelVersion,
    Tracking,
    find_version,
    promote,
    record_version,
)
from touchline.serving import open_examples_of, settle_outcomes
from touchline.training import TrainingResult, train

if TYPE_CHECKING:
    import polars as pl

    from touchline.clock import Clock
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
class PipelineReport:
    """What a run did. `is_new` is False when an unchanged training was found again."""

    run_id: str
    project: str
    trigger: str
    ingested: tuple[IngestReport, ...]
    settled: int
    version: ModelVersion
    is_new: bool
    stage: str
    gates: GateReport | None


@dataclass(frozen=True)
class Pipeline:
    """One project with its stores and clock; each method is a step."""

    loaded: LoadedProject
    stores: PipelineStores
    clock: Clock
    say: Say = lambda _: None
    actor: str = "touchline"

    @property
    def project(self) -> Any:
        return self.loaded.project
