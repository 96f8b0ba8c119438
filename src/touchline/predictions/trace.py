"""From one answer back to the bytes of the files behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from touchline.predictions.outcomes import OutcomeRecords, StoredOutcome
from touchline.predictions.records import EVERY_ROLE, PredictionRecords
from touchline.storage import Database
from touchline.storage.tables import (
    manifests,
    model_versions,
    releases,
    snapshots,
    stage_changes,
    training_sets,
)


@dataclass(frozen=True)
class FileTrace:
    """One file as it was fetched."""

    name: str
    sha256: str


@dataclass(frozen=True)
class IngestTrace:
    """One ingest that brought rows into a snapshot or one before it."""

    manifest_id: str
    at: datetime
    raw_hash: str
    snapshot_hash: str
    files: tuple[FileTrace, ...]


@dataclass(frozen=True)
class SourceTrace:
    """One source: the snapshot the model learned from, and every ingest behind it, oldest first."""

    source: str
    snapshot_hash: str
    ingests: tuple[IngestTrace, ...]


@dataclass(frozen=True)
class ViewTrace:
    """The value of one view that the answer used."""

    label: str
    feature_version: str
    status: str
    event_timestamp: str | None
    watermark: str | None


@dataclass(frozen=True)
class Trace:
    """The chain from an answer to the files: answer → release → version and run → training set → snapshots → files."""

    prediction_id: str
    project: str
    answered_at: datetime
    cutoff: datetime
    output: Mapping[str, Any]
    inputs: Mapping[str, Any]
    entity_keys: Mapping[str, str]
    example_id: str | None
    views: tuple[ViewTrace, ...]
    release_id: str
    release_digest: str | None
    version: int | None
    semantic_version: str | None
    run_id: str | None
    promoted_at: datetime | None
    promoted_by: str | None
    training_set_hash: str | None
    feature_versions: Mapping[str, str]
    sources: tuple[SourceTrace, ...]
    outcome: StoredOutcome | None


def trace(database: Database, prediction_id: str) -> Trace:
    """The chain behind a logged prediction; `UnknownPrediction` if the log does not have it."""
    prediction = PredictionRecords(database, None).find(prediction_id, roles=EVERY_ROLE)
    project, key = prediction.project, prediction.example_key
    outcome = OutcomeRecords(database, project).newest([key]).get(key)
    with database.connect() as connection:
        release = _one(connection, sa.select(releases).where(releases.c.id == prediction.release_id))
        version = _version(connection, project, release)
        set_hash = version.get("training_set_hash")
        training_set = _one(
            connection,
            sa.select(training_sets).where(training_sets.c.project == project, training_sets.c.hash == set_hash),
        )
        lineage = training_set.get("lineage") or {}
        promotion = _promotion(connection, project, release, prediction.answered_at)
        sources = lineage.get("sources", {})
        return Trace(
            prediction_id=prediction_id,
            project=project,
            answered_at=prediction.answered_at,
            cutoff=prediction.cutoff,
            output=prediction.output,
            inputs=prediction.inputs,
            entity_keys=prediction.entity_keys,
            example_id=prediction.example_id,
            views=tuple(ViewTrace(label, **found) for label, found in prediction.views.items()),
            release_id=prediction.release_id,
            release_digest=release.get("digest"),
            version=release.get("version"),
            semantic_version=version.get("semantic_version"),
            run_id=version.get("run_id"),
            promoted_at=promotion.get("at"),
            promoted_by=promotion.get("actor"),
            training_set_hash=set_hash,
            feature_versions=lineage.get("views", {}),
            sources=tuple(_source(connection, project, name, sources[name]) for name in sorted(sources)),
            outcome=outcome,
        )


def _one(connection: sa.Connection, query: sa.Select[Any]) -> Mapping[str, Any]:
    """The row, or nothing where a part of the chain is gone: the rest is still told."""
    return dict(connection.execute(query).mappings().first() or {})


def _version(connection: sa.Connection, project: str, release: Mapping[str, Any]) -> Mapping[str, Any]:
    number = release.get("version")
    query = sa.select(model_versions).where(model_versions.c.project == project, model_versions.c.version == number)
    return _one(connection, query)


def _promotion(
    connection: sa.Connection, project: str, release: Mapping[str, Any], answered_at: datetime
) -> Mapping[str, Any]:
    """The newest entry of the journal that had put the version into Production when it answered."""
    changes = stage_changes
    query = (
        sa.select(changes)
        .where(
            changes.c.project == project,
            changes.c.version == release.get("version"),
            changes.c.to_stage == "Production",
            changes.c.wall_at <= answered_at,
        )
        .order_by(changes.c.sequence.desc())
    )
    return _one(connection, query.limit(1))


def _source(connection: sa.Connection, project: str, source: str, snapshot_hash: str) -> SourceTrace:
    hashes = _ancestry(connection, project, source, snapshot_hash)
    query = (
        sa.select(manifests)
        .where(
            manifests.c.project == project,
            manifests.c.source == source,
            manifests.c.snapshot_hash.in_(hashes),
            manifests.c.status == "new",
        )
        .order_by(manifests.c.started_at, manifests.c.id)
    )
    ingests = tuple(
        IngestTrace(
            row["id"],
            row["finished_at"],
            row["raw_hash"],
            row["snapshot_hash"],
            tuple(FileTrace(file["name"], file["sha256"]) for file in row["files"]),
        )
        for row in connection.execute(query).mappings()
    )
    return SourceTrace(source, snapshot_hash, ingests)


def _ancestry(connection: sa.Connection, project: str, source: str, snapshot_hash: str) -> list[str]:
    """A snapshot and all before it: a merged table holds rows of each."""
    query = sa.select(snapshots.c.hash, snapshots.c.parent_hash).where(
        snapshots.c.project == project, snapshots.c.source == source
    )
    parents = {row.hash: row.parent_hash for row in connection.execute(query)}
    found: list[str] = []
    current: str | None = snapshot_hash
    while current is not None and current not in found:
        found.append(current)
        current = parents.get(current)
    return found
