"""`data show`, `data quarantine`, `data checkout`, `data freshness`: what is stored, told in one object each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from touchline.errors import ManifestNotFound
from touchline.ingest.event_times import EVENT
from touchline.ingest.manifests import Manifest, read_log, read_manifest
from touchline.ingest.quarantine import BrokenRule, broken_rules, read_quarantine
from touchline.ingest.snapshots import (
    Snapshot,
    columns_of,
    current_rows,
    find_snapshot,
    list_snapshots,
    read_snapshot,
)
from touchline.ingest.spec import CONSTANT_STAMP, Source
from touchline.ingest.summary import ColumnSummary, summarise
from touchline.storage import DataStores, validate_table_file, write_table


@dataclass(frozen=True)
class SnapshotListing:
    """One line of the list of a source's snapshots."""

    sequence: int
    hash: str
    created_at: datetime
    rows: int


@dataclass(frozen=True)
class SnapshotView:
    """A snapshot and what is in it. `versions` counts row versions, `keys` rows of the current table."""

    snapshot: Snapshot
    versions: int
    keys: int
    first_event: datetime | None
    newest_event: datetime | None
    columns: tuple[ColumnSummary, ...]
    head: pl.DataFrame
    all_snapshots: tuple[SnapshotListing, ...]


@dataclass(frozen=True)
class QuarantineView:
    """The rejected rows of one ingest, and the rules they break. `manifest` is None when nothing was ever rejected."""

    manifest: Manifest | None
    rules: tuple[BrokenRule, ...]
    rows: pl.DataFrame

    def sentence(self, source: str) -> str:
        """The verdict on the rejected rows of a source."""
        if self.manifest is None:
            return f"No row of the source {source} was ever rejected."
        rejected, at = self.manifest.rejected, self.manifest.finished_at
        if not rejected:
            return f"The ingest {self.manifest.id} of {at:%Y-%m-%d %H:%M} UTC rejected no row."
        broken = f"{len(self.rules)} rules" if len(self.rules) > 1 else "one rule"
        of_all = f"{rejected} of {self.manifest.rows_in} rows of {source}"
        if not self.rules:
            return f"{of_all} were rejected on {at:%Y-%m-%d %H:%M} UTC. They are not stored: {self.manifest.message}"
        return f"{of_all} were rejected on {at:%Y-%m-%d %H:%M} UTC: they break {broken}."


@dataclass(frozen=True)
class Freshness:
    """The age of a source: `age` is wall time since its last good ingest; `newest_event` is at most project time.

    `newest_day` is its day where the source's events have a day and no time: such a row counts from the end of its day.
    """

    project: str
    source: str
    last_ingest_at: datetime | None
    last_status: str | None
    last_change_at: datetime | None
    newest_event: datetime | None
    age: timedelta | None
    max_age: timedelta | None
    rows: int
    last_message: str = ""
    newest_day: date | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the source is older than it declares to be allowed, or was never ingested."""
        return self.age is None or (self.max_age is not None and self.age > self.max_age)


def show_snapshot(
    source: Source, *, project: str, stores: DataStores, hash: str | None = None, rows: int = 10
) -> SnapshotView:
    """The current snapshot of a source, or one named by the beginning of its hash, with its first rows."""
    snapshot = read_snapshot(project, source.name, stores, hash)
    versions = snapshot.read()
    current = current_rows(versions, source.keys)
    listed = [SnapshotListing(*line) for line in list_snapshots(project, source.name, stores.database)]
    return SnapshotView(
        snapshot=snapshot,
        versions=versions.height,
        keys=current.height,
        first_event=_event(versions[EVENT].min()),
        newest_event=_event(versions[EVENT].max()),
        columns=tuple(summarise(current[name]) for name in columns_of(versions)),
        head=current.head(rows),
        all_snapshots=tuple(listed),
    )


def show_quarantine(project: str, source: str, *, stores: DataStores, manifest_id: str | None = None) -> QuarantineView:
    """The rejected rows of one ingest, by default of the last that rejected any; raises `ManifestNotFound`."""
    if manifest_id is not None:
        manifest: Manifest | None = read_manifest(stores.database, manifest_id)
        if manifest is None or (manifest.project, manifest.source) != (project, source):
            raise ManifestNotFound(manifest_id)
    else:
        log = read_log(stores.database, project, source, limit=200)
        manifest = next((entry for entry in log if entry.rejected), None)
    if manifest is None:
        return QuarantineView(None, (), pl.DataFrame())
    rejected = read_quarantine(manifest, stores.objects)
    return QuarantineView(manifest, tuple(broken_rules(rejected)), rejected)


def checkout(
    source: Source, path: Path, *, project: str, stores: DataStores, hash: str | None = None, versions: bool = True
) -> Snapshot:
    """Write a snapshot to a file, Parquet or CSV by its ending; `versions=False` writes the current table alone.

    Raises `FolderMissing` and `TableFormatUnknown`.
    """
    validate_table_file(path)
    snapshot = read_snapshot(project, source.name, stores, hash)
    rows = snapshot.read()
    table = rows if versions else current_rows(rows, source.keys).select(columns_of(rows))
    write_table(table, path)
    return snapshot


def read_freshness(source: Source, *, project: str, stores: DataStores, now: datetime, wall: datetime) -> Freshness:
    """The time of a source's last ingest, and its newest event at project time `now`."""
    log = read_log(stores.database, project, source.name, limit=200)
    good = [manifest for manifest in log if manifest.status in ("new", "unchanged")]
    changes = [manifest for manifest in good if manifest.status == "new"]
    snapshot = find_snapshot(project, source.name, stores)
    newest = None
    if snapshot is not None:
        newest = snapshot.scan().filter(pl.col(EVENT) <= now).select(pl.col(EVENT).max()).collect().item()
    return Freshness(
        project=project,
        source=source.name,
        last_ingest_at=good[0].finished_at if good else None,
        last_status=log[0].status if log else None,
        last_change_at=changes[0].finished_at if changes else None,
        newest_event=_event(newest),
        age=wall - good[0].finished_at if good else None,
        max_age=source.max_age,
        rows=snapshot.rows if snapshot else 0,
        last_message=log[0].message if log else "",
        newest_day=_day(source, _event(newest)),
    )


def _day(source: Source, stamp: datetime | None) -> date | None:
    column = source.compiled.fields.get(source.event_time or "")
    if stamp is None or column is None or column.kind != "date" or source.known_at is not None:
        return None
    return (stamp - source.known_after).astimezone(ZoneInfo(source.zone)).date() - timedelta(days=1)


def _event(stamp: object) -> datetime | None:
    """The instant of an event; None without rows, and where all rows have the stamp of a source without times."""
    return stamp if isinstance(stamp, datetime) and stamp != CONSTANT_STAMP else None
