"""Snapshots: all versions of all rows of a source, immutable, named by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from sqlalchemy import Connection, insert, select, update

from touchline.errors import SnapshotNotFound
from touchline.ingest.content_hashes import content_hash
from touchline.ingest.event_times import CREATED, EVENT, INSTANT, MANIFEST
from touchline.storage import DataStores, parquet_bytes
from touchline.storage.tables import snapshot_heads, snapshots

if TYPE_CHECKING:
    from touchline.storage import Database, ObjectStore


@dataclass(frozen=True)
class Snapshot:
    """One state of a source: every row version it ever had up to then."""

    project: str
    source: str
    hash: str
    sequence: int
    rows: int
    schema_hash: str
    created_at: datetime
    parent_hash: str | None
    object_key: str
    path: Path

    def scan(self) -> pl.LazyFrame:
        """All versions: the contract's columns, `event_timestamp`, `created_timestamp` and `_manifest`.

        Sorted by key, then created time. `_manifest` is the id of the ingest that brought the version.
        """
        return pl.scan_parquet(self.path)

    def read(self) -> pl.DataFrame:
        """All versions, in memory."""
        return pl.read_parquet(self.path)


def current_rows(versions: pl.DataFrame, key: str | Sequence[str]) -> pl.DataFrame:
    """The newest version of each key.

    >>> versions = pl.DataFrame({"id": [1, 1], "goals": [2, 3], "created_timestamp": [10, 20]})
    >>> current_rows(versions, "id")["goals"].to_list()
    [3]
    """
    keys = [key] if isinstance(key, str) else list(key)
    return versions.sort(*keys, CREATED).unique(keys, keep="last", maintain_order=True)


def rows_known_at(versions: pl.DataFrame, key: str | Sequence[str], instant: datetime) -> pl.DataFrame:
    """The newest version of each key that could be known at an instant."""
    return current_rows(versions.filter(pl.col(CREATED) <= pl.lit(instant, dtype=INSTANT)), key)


def snapshot_hash(versions: pl.DataFrame) -> str:
    """The bytes that a snapshot's hash covers: its content without the ids of the ingests that brought it."""
    return content_hash(versions.drop(MANIFEST))


def read_snapshot(project: str, source: str, stores: DataStores, hash: str | None = None) -> Snapshot:
    """The current snapshot of a source, or the one a hash (or its beginning) names; raises `SnapshotNotFound`."""
    found = find_snapshot(project, source, stores, hash)
    if found is None:
        raise SnapshotNotFound(project, source, hash)
    return found


def find_snapshot(project: str, source: str, stores: DataStores, hash: str | None = None) -> Snapshot | None:
    """The same; None when there is none."""
    query = select(snapshots).where(snapshots.c.project == project, snapshots.c.source == source)
    if hash is None:
        head = select(snapshot_heads.c.hash).where(
            snapshot_heads.c.project == project, snapshot_heads.c.source == source
        )
        query = query.where(snapshots.c.hash == head.scalar_subquery())
    else:
        query = query.where(snapshots.c.hash.startswith(hash, autoescape=True))
    with stores.database.connect() as connection:
        rows = connection.execute(query.order_by(snapshots.c.sequence.desc()).limit(2)).all()
    if len(rows) != 1:
        return None
    row = rows[0]._mapping
    return Snapshot(**row, path=stores.objects.local_path(row["object_key"]))


def list_snapshots(project: str, source: str, database: Database) -> list[tuple[int, str, datetime, int]]:
    """Sequence, hash, creation and rows of every snapshot of a source, newest first."""
    query = (
        select(snapshots.c.sequence, snapshots.c.hash, snapshots.c.created_at, snapshots.c.rows)
        .where(snapshots.c.project == project, snapshots.c.source == source)
        .order_by(snapshots.c.sequence.desc())
    )
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def ancestry(database: Database, project: str, source: str, snapshot_hash: str) -> list[str]:
    """The hashes of a snapshot and of all before it: a merged table holds rows of each."""
    query = select(snapshots.c.hash, snapshots.c.parent_hash).where(
        snapshots.c.project == project, snapshots.c.source == source
    )
    with database.connect() as connection:
        parents = {row.hash: row.parent_hash for row in connection.execute(query)}
    hashes: list[str] = []
    current: str | None = snapshot_hash
    while current is not None and current not in hashes:
        hashes.append(current)
        current = parents.get(current)
    return hashes


def write_snapshot_object(project: str, source: str, versions: pl.DataFrame, objects: ObjectStore) -> tuple[str, str]:
    """The hash and key of versions, stored; nothing refers to them yet."""
    name = snapshot_hash(versions)
    key = f"{project}/snapshots/{source}/{name}.parquet"
    if not objects.exists(key):
        objects.write(key, parquet_bytes(versions))
    return name, key


@dataclass(frozen=True)
class NewHead:
    """A snapshot about to become current."""

    project: str
    source: str
    hash: str
    object_key: str
    rows: int
    schema_hash: str
    parent: Snapshot | None


def move_head(connection: Connection, new: NewHead, *, now: datetime) -> int:
    """Record a snapshot and make it current; its sequence number. Part of the caller's transaction."""
    mine = (snapshots.c.project == new.project) & (snapshots.c.source == new.source)
    sequence = connection.execute(select(snapshots.c.sequence).where(mine, snapshots.c.hash == new.hash)).scalar()
    if sequence is None:
        newest = connection.execute(select(snapshots.c.sequence).where(mine).order_by(snapshots.c.sequence.desc()))
        sequence = (newest.scalar() or 0) + 1
        row = {
            "project": new.project,
            "source": new.source,
            "hash": new.hash,
            "created_at": now,
            "sequence": sequence,
            "rows": new.rows,
            "schema_hash": new.schema_hash,
            "object_key": new.object_key,
            "parent_hash": new.parent.hash if new.parent else None,
        }
        connection.execute(insert(snapshots).values(row))
    head = {"hash": new.hash, "updated_at": now}
    here = (snapshot_heads.c.project == new.project) & (snapshot_heads.c.source == new.source)
    if connection.execute(update(snapshot_heads).where(here).values(head)).rowcount == 0:
        connection.execute(insert(snapshot_heads).values(project=new.project, source=new.source, **head))
    return int(sequence)


def columns_of(versions: pl.DataFrame) -> list[str]:
    """The contract's columns among those of a snapshot."""
    return [name for name in versions.columns if name not in (EVENT, CREATED, MANIFEST)]
