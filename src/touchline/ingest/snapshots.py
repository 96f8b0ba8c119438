"""Snapshots: all versions of all rows of a source, in immutable parts that snapshots share, named by their content."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from touchline.errors import SnapshotNotFound, SnapshotPruned
from touchline.ingest.content_hashes import content_hash
from touchline.ingest.event_times import CREATED, EVENT, INGESTED, INSTANT, MANIFEST, VERSION
from touchline.storage import DataStores, Part, open_part, parts_of, scan_parts
from touchline.storage.tables import snapshot_heads, snapshots

if TYPE_CHECKING:
    from touchline.storage import Database, ObjectStore

_TICK = timedelta(microseconds=1)
_SUPERSEDED = "__superseded__"


@dataclass(frozen=True)
class Snapshot:
    """One state of a source: every row version it ever had up to then. `ingested_at` is project time.

    `is_appended` says that it is its parent and versions that are known from `ingested_at` on, nothing else.
    """

    project: str
    source: str
    hash: str
    sequence: int
    rows: int
    schema_hash: str
    created_at: datetime
    parent_hash: str | None
    ingested_at: datetime
    is_appended: bool
    keys: tuple[str, ...]
    parts: tuple[Part, ...]
    objects: ObjectStore = field(repr=False, compare=False)

    def scan_ingested(self) -> pl.LazyFrame:
        """All versions as they were ingested: the contract's columns, `event_timestamp`, `created_timestamp`,
        `_manifest`, `_ingested` and `_version`. Raises `StoredFileDamaged` or `SnapshotPruned`.
        """
        if not self.parts:
            raise SnapshotPruned(self.project, self.source, self.hash, self.sequence)
        return pl.concat(scan_parts(self.objects, self.parts))

    def scan(self) -> pl.LazyFrame:
        """The versions that were ever known: the contract's columns, `event_timestamp`, `created_timestamp` and
        `_manifest`, in no order. Raises `StoredFileDamaged`.

        `_manifest` is the id of the ingest that brought the version. A version that another one replaced before it
        could be known is left out.
        """
        versions = self.scan_ingested()
        never_known = self._never_known(versions)
        if len(never_known):
            versions = versions.join(never_known.lazy(), on=[*self.keys, VERSION], how="anti")
        return versions.drop(INGESTED, VERSION)

    def read(self) -> pl.DataFrame:
        """The same in memory, sorted by key, then created time."""
        return self.scan().sort(*self.keys, CREATED).collect()

    def files(self) -> list[Path]:
        """The files of its parts, each checked. Raises `StoredFileDamaged`."""
        return [open_part(self.objects, part) for part in self.parts]

    def _never_known(self, versions: pl.LazyFrame) -> pl.DataFrame:
        """Key and number of the versions that were replaced before the instant from which they would be known."""
        keys = list(self.keys)
        replaced = versions.filter(pl.col(VERSION) > 0).select(keys).unique()
        several = versions.select(*keys, VERSION, CREATED, INGESTED).join(replaced, on=keys, how="semi")
        since = pl.coalesce(INGESTED, CREATED)
        superseded = since.reverse().cum_min().reverse().shift(-1).over(keys)
        return (
            several.sort(*keys, VERSION)
            .with_columns(superseded.alias(_SUPERSEDED))
            .filter(pl.col(CREATED) >= pl.col(_SUPERSEDED))
            .select(*keys, VERSION)
            .collect()
        )


@dataclass(frozen=True)
class StoredSnapshots:
    """The records of a project's snapshots, for deleting the files of old ones."""

    project: str
    stores: DataStores

    def unused(
        self, used: Collection[tuple[str, str]], *, before: datetime
    ) -> tuple[list[tuple[str, str]], frozenset[str]]:
        """Source and hash of the snapshots from before an instant that are neither current nor `used`, and the object
        keys of the others.
        """
        heads = select(snapshot_heads.c.source, snapshot_heads.c.hash).where(snapshot_heads.c.project == self.project)
        query = select(snapshots).where(snapshots.c.project == self.project)
        with self.stores.database.connect() as connection:
            retained = {(row.source, row.hash) for row in connection.execute(heads)} | set(used)
            rows = connection.execute(query).all()
        old: list[tuple[str, str]] = []
        keys: set[str] = set()
        for row in rows:
            if row.created_at < before and (row.source, row.hash) not in retained:
                old += [(row.source, row.hash)] if row.parts else []
            else:
                keys |= {part.key for part in parts_of(row.parts)}
        return old, frozenset(keys)

    def prune(self, old: Sequence[tuple[str, str]]) -> None:
        """Take the files of these from their records. The records stay: later snapshots count their ingests."""
        with self.stores.database.begin() as connection:
            for source, hash in old:
                mine = (snapshots.c.project == self.project) & (snapshots.c.source == source)
                connection.execute(update(snapshots).where(mine, snapshots.c.hash == hash).values(parts=[]))


def newest_versions(versions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The version with the highest number of each key."""
    if not versions[VERSION].max():
        return versions
    return versions.sort(VERSION).unique(list(keys), keep="last", maintain_order=True)


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
    """The hash of versions: their content without the ids of the ingests that brought them."""
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
        rows = connection.execute(query.order_by(snapshots.c.sequence.desc()).limit(2)).mappings().all()
    return _snapshot(rows[0], stores) if len(rows) == 1 else None


def _snapshot(row: RowMapping, stores: DataStores) -> Snapshot:
    values: dict[str, Any] = {**row, "keys": tuple(row["keys"]), "parts": parts_of(row["parts"])}
    return Snapshot(**values, objects=stores.objects)


def all_snapshots(project: str, source: str, stores: DataStores) -> list[Snapshot]:
    """Every snapshot of a source, newest first."""
    query = select(snapshots).where(snapshots.c.project == project, snapshots.c.source == source)
    with stores.database.connect() as connection:
        rows = connection.execute(query.order_by(snapshots.c.sequence.desc())).mappings().all()
    return [_snapshot(row, stores) for row in rows]


def forget_snapshots(connection: Connection, project: str, source: str) -> None:
    """Drop the records of a source's snapshots; manifests and files stay. Part of the caller's transaction."""
    for table in (snapshot_heads, snapshots):
        connection.execute(delete(table).where(table.c.project == project, table.c.source == source))


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


@dataclass(frozen=True)
class NewHead:
    """A snapshot about to become current."""

    project: str
    source: str
    hash: str
    schema_hash: str
    parent: Snapshot | None
    ingested_at: datetime
    is_appended: bool
    keys: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def appended_hash(parent: Snapshot, versions: pl.DataFrame) -> str:
    """The hash of a snapshot and further versions."""
    return sha256(f"{parent.hash} {snapshot_hash(versions)}".encode()).hexdigest()


def next_instant(project: str, database: Database, now: datetime) -> datetime:
    """Project time of an ingest: a microsecond after `now` and after every earlier ingest.

    A prediction at a standing clock is so told apart from an ingest at the same time.
    """
    query = select(func.max(snapshots.c.ingested_at)).where(snapshots.c.project == project)
    with database.connect() as connection:
        last: datetime | None = connection.scalar(query)
    return max(now, last or now) + _TICK


def later_ingests(database: Database, snapshot: Snapshot, earlier_hash: str) -> list[datetime] | None:
    """The instants of the ingests from an earlier snapshot to this one; None if one did more than append versions."""
    columns = (snapshots.c.hash, snapshots.c.parent_hash, snapshots.c.is_appended, snapshots.c.ingested_at)
    query = select(*columns).where(snapshots.c.project == snapshot.project, snapshots.c.source == snapshot.source)
    with database.connect() as connection:
        rows = {row.hash: row for row in connection.execute(query)}
    instants: list[datetime] = []
    current = snapshot.hash
    while current != earlier_hash:
        row = rows.get(current)
        if row is None or not row.is_appended:
            return None
        instants.append(row.ingested_at)
        current = row.parent_hash
    return instants[::-1]


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
            "parent_hash": new.parent.hash if new.parent else None,
            "ingested_at": new.ingested_at,
            "is_appended": new.is_appended,
            "keys": list(new.keys),
            "parts": [part.to_json() for part in new.parts],
        }
        connection.execute(insert(snapshots).values(row))
    head = {"hash": new.hash, "updated_at": now}
    here = (snapshot_heads.c.project == new.project) & (snapshot_heads.c.source == new.source)
    if connection.execute(update(snapshot_heads).where(here).values(head)).rowcount == 0:
        connection.execute(insert(snapshot_heads).values(project=new.project, source=new.source, **head))
    return int(sequence)


def columns_of(versions: pl.DataFrame) -> list[str]:
    """The contract's columns among those of a snapshot."""
    return [name for name in versions.columns if name not in _OWN_COLUMNS]


def stored_schema(snapshot: Snapshot) -> dict[str, pl.DataType]:
    """The contract's columns of a stored snapshot with their types; its rows are not read."""
    schema = snapshot.scan_ingested().collect_schema()
    return {name: kind for name, kind in schema.items() if name not in _OWN_COLUMNS}


def schema_changes(before: Snapshot, after: Snapshot) -> list[str]:
    """The differences between the schemas of two snapshots in words; none where a snapshot's files are gone."""
    if not before.parts or not after.parts:
        return []
    old, new = stored_schema(before), stored_schema(after)
    changes = [f"column {name} is new" for name in new if name not in old]
    changes += [f"column {name} is gone" for name in old if name not in new]
    retyped = [name for name in old if name in new and new[name] != old[name]]
    return changes + [f"column {name} was {old[name]} and is {new[name]}" for name in retyped]


def stored_columns(snapshot: Snapshot) -> list[str]:
    """The contract's columns of a stored snapshot; its rows are not read."""
    return list(stored_schema(snapshot))


_OWN_COLUMNS = (EVENT, CREATED, MANIFEST, INGESTED, VERSION)
