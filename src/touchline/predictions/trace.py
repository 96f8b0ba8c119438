"""The origin of a logged prediction, back to the bytes of its source files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from touchline.errors import VersionNotFound
from touchline.features import read_lineage
from touchline.ingest import Manifest, read_ingests
from touchline.predictions.outcomes import OutcomeRecords, StoredOutcome
from touchline.predictions.records import EVERY_ROLE, PredictionRecords
from touchline.registry import Releases, read_version

if TYPE_CHECKING:
    from touchline.registry import ModelVersion, Registry, StageChange


@dataclass(frozen=True)
class FileTrace:
    """One file as it was fetched."""

    name: str
    sha256: str


@dataclass(frozen=True)
class IngestTrace:
    """One ingest that brought rows into a snapshot or into an earlier one."""

    manifest_id: str
    at: datetime
    raw_hash: str
    snapshot_hash: str | None
    files: tuple[FileTrace, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> IngestTrace:
        files = tuple(FileTrace(file.name, file.sha256) for file in manifest.files)
        return cls(manifest.id, manifest.finished_at, manifest.raw_hash, manifest.snapshot_hash, files)


@dataclass(frozen=True)
class SourceTrace:
    """One source: the snapshot that the model was trained on, and every ingest behind it, oldest first."""

    source: str
    snapshot_hash: str
    ingests: tuple[IngestTrace, ...]


@dataclass(frozen=True)
class ViewTrace:
    """The values of one view that the prediction used."""

    label: str
    feature_version: str
    status: str
    event_timestamp: str | None
    watermark: str | None


@dataclass(frozen=True)
class Trace:
    """The chain from a prediction to the files: release, version and run, training set, snapshots, files.

    `recalibrates` is the version whose model the release is, under other class shares.
    A part that is no longer stored is None or empty.
    """

    prediction_id: str
    project: str
    answered_at: datetime
    cutoff: datetime
    output: Mapping[str, Any]
    inputs: Mapping[str, Any]
    entity_keys: Mapping[str, str]
    example_id: str | None
    example_source: str | None
    views: tuple[ViewTrace, ...]
    release_id: str
    release_digest: str | None
    version: int | None
    semantic_version: str | None
    run_id: str | None
    recalibrates: int | None
    promoted_at: datetime | None
    promoted_by: str | None
    training_set_hash: str | None
    feature_versions: Mapping[str, str]
    sources: tuple[SourceTrace, ...]
    outcome: StoredOutcome | None

    @property
    def sentence(self) -> str:
        """The prediction, the version that made it and the outcome, in words."""
        probabilities = self.output.get("probabilities") or {}
        order = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
        parts = [f"{name} {probabilities[name]:.2f}" for name in order]
        value = f"{self.output['value']:.4g}" if isinstance(self.output.get("value"), int | float) else "no value"
        predicted = parts[0] + (f" ({', '.join(parts[1:])})" if parts[1:] else "") if parts else value
        by = f"version {self.version} ({self.semantic_version})" if self.version else f"release {self.release_id}"
        observed = "the outcome is open" if self.outcome is None else f"observed: {self.outcome.label}"
        return f"Predicted {predicted}, by {by}; {observed}."


def trace(registry: Registry, prediction_id: str, *, project: str | None = None) -> Trace:
    """The chain behind a logged prediction, of any project unless one is named. Raises `UnknownPrediction`."""
    database = registry.database
    prediction = PredictionRecords(database, project).find(prediction_id, roles=EVERY_ROLE)
    project, key = prediction.project, prediction.example_key
    release = Releases(registry).find(prediction.release_id)
    version = _version(registry, project, release.version) if release else None
    promotion = _promotion(registry, project, release.version, prediction.answered_at) if release else None
    lineage = (read_lineage(version.training_set_hash, project=project, database=database) if version else None) or {}
    return Trace(
        prediction_id=prediction_id,
        project=project,
        answered_at=prediction.answered_at,
        cutoff=prediction.cutoff,
        output=prediction.output,
        inputs=prediction.inputs,
        entity_keys=prediction.entity_keys,
        example_id=prediction.example_id,
        example_source=prediction.example_source,
        views=tuple(ViewTrace(label, **view) for label, view in prediction.views.items()),
        release_id=prediction.release_id,
        release_digest=release.digest if release else None,
        version=release.version if release else None,
        semantic_version=version.semantic_version if version else None,
        run_id=version.run_id if version else None,
        recalibrates=version.recalibrates if version else None,
        promoted_at=promotion.at if promotion else None,
        promoted_by=promotion.actor if promotion else None,
        training_set_hash=version.training_set_hash if version else None,
        feature_versions=lineage.get("views", {}),
        sources=tuple(_sources(registry, project, lineage.get("sources", {}))),
        outcome=OutcomeRecords(database, project).newest([key]).get(key),
    )


def _version(registry: Registry, project: str, version: int) -> ModelVersion | None:
    try:
        return read_version(registry, project, version)
    except VersionNotFound:
        return None


def _promotion(registry: Registry, project: str, version: int, answered_at: datetime) -> StageChange | None:
    """The newest change that had put the version into Production when it answered."""
    promotions = [
        change
        for change in registry.journal.history(project)
        if change.version == version and change.to_stage == "Production" and change.wall_at <= answered_at
    ]
    return promotions[-1] if promotions else None


def _sources(registry: Registry, project: str, snapshots: Mapping[str, str]) -> Iterator[SourceTrace]:
    for source, snapshot_hash in sorted(snapshots.items()):
        manifests = read_ingests(registry.database, project, source, snapshot_hash)
        yield SourceTrace(source, snapshot_hash, tuple(IngestTrace.of(manifest) for manifest in manifests))
