"""Manifests: one line for every ingest, whatever came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, func, insert, select

from touchline.errors import ManifestNotFound
from touchline.ingest.providers.base import RawFile
from touchline.ingest.providers.http_cache import cached_responses
from touchline.ingest.snapshots import ancestry
from touchline.storage import Database, DataStores
from touchline.storage.tables import manifests

Status = Literal["new", "unchanged", "rejected", "failed", "fallback"]


def last_ingests(database: Database, project: str) -> dict[str, datetime]:
    """The end of the last good ingest of each source that was ever ingested, without reading a snapshot."""
    columns = manifests.c
    newest = select(columns.source, func.max(columns.finished_at).label("at"))
    good = newest.where(columns.project == project, columns.status.in_(["new", "unchanged"])).group_by(columns.source)
    with database.connect() as connection:
        return {row.source: row.at for row in connection.execute(good)}


@dataclass(frozen=True)
class Manifest:
    """The record of one ingest: rows read, accepted, rejected and changed.

    `changed` counts rows with a corrected value, `settled` other rows with a value where there was none. Rows of a
    backfill count as known from their events on. `rows_in` less `accepted` and `rejected` are rows that project time
    has not reached.
    """

    id: str
    project: str
    source: str
    started_at: datetime
    finished_at: datetime
    raw_hash: str
    snapshot_hash: str | None
    schema_hash: str
    status: Status
    rows_in: int
    accepted: int
    rejected: int
    added: int
    changed: int
    settled: int
    request_count: int
    duration_seconds: float
    is_backfill: bool
    files: tuple[RawFile, ...]
    message: str

    @property
    def held_back(self) -> int:
        return self.rows_in - self.accepted - self.rejected

    @property
    def quarantine_key(self) -> str:
        """The path of its rejected rows, if it has any."""
        return f"{self.project}/quarantine/{self.source}/{self.id}.parquet"


def record(connection: Connection, manifest: Manifest) -> None:
    """Write a manifest; part of the caller's transaction."""
    row = {name: value for name, value in vars(manifest).items() if name != "files"}
    connection.execute(insert(manifests).values(**row, files=[asdict(file) for file in manifest.files]))


def read_log(database: Database, project: str, source: str | None = None, *, limit: int = 50) -> list[Manifest]:
    """The ingests of a project, or of one source, newest first."""
    query = select(manifests).where(manifests.c.project == project)
    if source is not None:
        query = query.where(manifests.c.source == source)
    query = query.order_by(manifests.c.started_at.desc(), manifests.c.id.desc()).limit(limit)
    with database.connect() as connection:
        return [_manifest(row) for row in connection.execute(query).mappings()]


def read_manifest(database: Database, manifest_id: str) -> Manifest:
    """The manifest of one ingest; raises `ManifestNotFound`."""
    with database.connect() as connection:
        row = connection.execute(select(manifests).where(manifests.c.id == manifest_id)).mappings().one_or_none()
    if row is None:
        raise ManifestNotFound(manifest_id)
    return _manifest(row)


def read_ingests(database: Database, project: str, source: str, snapshot_hash: str) -> list[Manifest]:
    """Every ingest that brought rows into a snapshot or into one before it, oldest first."""
    query = select(manifests).where(
        manifests.c.project == project,
        manifests.c.source == source,
        manifests.c.snapshot_hash.in_(ancestry(database, project, source, snapshot_hash)),
        manifests.c.status == "new",
    )
    with database.connect() as connection:
        rows = connection.execute(query.order_by(manifests.c.started_at, manifests.c.id)).mappings()
        return [_manifest(row) for row in rows]


def raw_files(project: str, stores: DataStores, *, before: datetime) -> dict[str, frozenset[str]]:
    """The object keys to retain under `raw` and `quarantine`.

    Raw bytes stay while an ingest brought rows from them, or an HTTP response may be used again; of other ingests, raw
    bytes and rejected rows stay as long as the ingest is not from before `before`.
    """
    with stores.database.connect() as connection:
        rows = connection.execute(select(manifests).where(manifests.c.project == project)).mappings().all()
    raw, rejected = set(cached_responses(project, stores.database)), set()
    for manifest in map(_manifest, rows):
        is_young = manifest.started_at >= before
        if is_young or manifest.status == "new":
            raw |= {f"{project}/raw/{file.sha256}" for file in manifest.files}
        if is_young:
            rejected.add(manifest.quarantine_key)
    return {"raw": frozenset(raw), "quarantine": frozenset(rejected)}


def _manifest(row: RowMapping) -> Manifest:
    values: dict[str, Any] = {field.name: row[field.name] for field in fields(Manifest)}
    values["files"] = tuple(RawFile(**file) for file in values["files"])
    return Manifest(**values)
