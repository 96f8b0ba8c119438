"""`ingest_source`: fetch, check, merge, write, then move the head, in that order."""

from __future__ import annotations

import os
import platform
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from touchline.clock import Clock
from touchline.errors import BatchRejected, ProviderFailed, SourceFileEmpty, SourceUnavailable, TouchlineError
from touchline.ingest.batch import Batch, check_batch
from touchline.ingest.ingest_report import Change, changes_in_words, report_words
from touchline.ingest.manifests import Manifest, Status, read_log, record
from touchline.ingest.merge import Merged, first_versions, in_present_form, merge
from touchline.ingest.providers.base import FetchContext, Fetched, HashedProvider, hash_of_files
from touchline.ingest.quarantine import describe_rejected, write_quarantine
from touchline.ingest.snapshots import (
    NewHead,
    Snapshot,
    appended_hash,
    find_snapshot,
    forget_snapshots,
    move_head,
    newest_versions,
    next_instant,
    read_snapshot,
    snapshot_hash,
)
from touchline.ingest.spec import Source
from touchline.storage import DataStores, Lease, append_rows, hold_lease
from touchline.storage.ulids import ulid_at

_LEASE_TTL = timedelta(minutes=2)


@dataclass(frozen=True)
class IngestReport:
    """The result of one ingest. `hidden` counts values withheld until their event is over."""

    manifest: Manifest
    snapshot: Snapshot
    hidden: int

    @property
    def status(self) -> Status:
        return self.manifest.status

    @property
    def snapshot_hash(self) -> str:
        return self.snapshot.hash

    @property
    def message(self) -> str:
        return self.manifest.message

    @property
    def is_new(self) -> bool:
        """Whether the table changed."""
        return self.status == "new"


def ingest_source(
    source: Source, *, project: str, stores: DataStores, clock: Clock, is_backfill: bool = False
) -> IngestReport:
    """Bring a source up to date: one new snapshot, or none when there is nothing new.

    Rows of the first ingest count as known from their events on, and so do those of a declared backfill; rows that any
    other ingest adds or changes count as known from that ingest. A clock that stands still moves on by a microsecond.

    Every ingest leaves a manifest, a failed one too. Raises `LeaseHeld` while another process ingests the same
    source, `BatchRejected` and the errors of the provider; each leaves the last good snapshot current. An origin that
    is down for now gives a report of status "fallback" on that snapshot.
    """
    with lock_source(source, project, stores, clock) as lease:
        parent = find_snapshot(project, source.name, stores)
        return _Ingest(source, project, stores, clock, lease, parent, is_backfill=is_backfill).run()


def ingest_anew(source: Source, *, project: str, stores: DataStores, clock: Clock) -> IngestReport:
    """Read a source as if for the first time; its snapshots are replaced, if that succeeds, in one transaction.

    For a source whose stored files are damaged. All rows count as known from their events on.
    """
    with lock_source(source, project, stores, clock) as lease:
        return _Ingest(source, project, stores, clock, lease, parent=None).run()


def lock_source(source: Source, project: str, stores: DataStores, clock: Clock) -> AbstractContextManager[Lease]:
    """The lease that an ingest of the source holds. Raises `LeaseHeld` while another process has it."""
    holder = f"touchline ingest, process {os.getpid()} on {platform.node()}"
    name = f"{project}/ingest/{source.name}"
    return hold_lease(stores.database, name, holder=holder, ttl=_LEASE_TTL, clock=clock)


@dataclass(frozen=True)
class _Counts:
    rows_in: int = 0
    accepted: int = 0
    rejected: int = 0
    added: int = 0
    changed: int = 0
    settled: int = 0


@dataclass
class _Ingest:
    """One ingest under its lease. `parent` is the snapshot to add to; without one, its snapshot replaces all."""

    source: Source
    project: str
    stores: DataStores
    clock: Clock
    lease: Lease
    parent: Snapshot | None
    is_backfill: bool = False

    def __post_init__(self) -> None:
        self.started_at, self.began = self.clock.wall(), time.perf_counter()
        self.id = ulid_at(self.started_at)
        self.table = f"{self.project}.{self.source.name}"
        self.schema_hash = self.source.schema_hash

    def run(self) -> IngestReport:
        try:
            fetched = self._fetch()
        except SourceUnavailable as failure:
            if failure.temporary and self.parent is not None:
                return self._fall_back(failure, self.parent)
            self._record_failure(failure)
            raise
        except TouchlineError as failure:
            self._record_failure(failure)
            raise
        try:
            return self._take(fetched)
        except TouchlineError as failure:
            if not isinstance(failure, BatchRejected):
                self._record_failure(failure, fetched)
            raise

    def _fetch(self) -> Fetched:
        compiled, provider = self.source.compiled, self.source.provider
        context = FetchContext(
            project=self.project,
            source=self.source.name,
            columns=tuple(compiled.columns),
            required=frozenset(name for name, spec in compiled.fields.items() if spec.required),
            database=self.stores.database,
            objects=self.stores.objects,
            clock=self.clock,
        )
        try:
            if isinstance(provider, HashedProvider) and self.parent is not None:
                files = provider.hash_files(context)
                unread = Fetched(pl.DataFrame(), files, hash_of_files(files))
                if self._known_already(unread) is not None and all(map(context.has_raw, files)):
                    return unread
            fetched: Fetched = provider.fetch(context)
        except TouchlineError:
            raise
        except Exception as failure:  # a project's own function may raise anything; the cause is chained
            raise ProviderFailed(self.table, type(self.source.provider).__name__, failure) from failure
        return fetched

    def _take(self, fetched: Fetched) -> IngestReport:
        known = self._known_already(fetched)
        if known is not None and self.parent is not None:
            counts = _Counts(known.rows_in, known.accepted, known.rejected)
            return self._finish_unchanged(fetched, counts, self.parent, hidden=0)
        if fetched.frame.height + fetched.broken.height == 0:
            if self.parent is None:
                raise SourceFileEmpty(self.table, "the batch")
            return self._finish_unchanged(fetched, _Counts(), self.parent, hidden=0)
        batch = check_batch(self.source, fetched, table=self.table, clock=self.clock)
        write_quarantine(
            f"{self.project}/quarantine/{self.source.name}/{self.id}.parquet", batch.rejected, self.stores.objects
        )
        self._refuse_when_too_many_are_broken(fetched, batch)
        change = self._merge(batch)
        self._refuse_when_a_dataset_check_fails(fetched, batch, change)
        return self._store(fetched, batch, change)

    def _merge(self, batch: Batch) -> Change:
        """The versions that the batch adds to the stored ones, in the declared form."""
        if self.parent is None:
            empty = batch.rows.clear()
            return Change(first_versions(self.source, batch.rows, manifest=self.id), empty, None, self.clock.now())
        instant = next_instant(self.project, self.stores.database, self.clock.now())
        stored = self.parent.scan_ingested().collect()
        restated = None
        if self.schema_hash != self.parent.schema_hash or self.source.keys != self.parent.keys:
            present = in_present_form(self.source, stored)
            restated = None if present.equals(stored) else present
            stored = present
        current = newest_versions(stored, self.source.keys)
        merged = merge(
            self.source,
            current,
            batch.rows,
            absent=batch.absent,
            known_from=None if self.is_backfill else instant,
            manifest=self.id,
        )
        return Change(merged, current, restated, instant)

    def _known_already(self, fetched: Fetched) -> Manifest | None:
        """The last good ingest, when it read the same bytes in the same way and left nothing waiting."""
        if self.source.hidden_until_known or self.parent is None or self.is_backfill:
            return None
        for manifest in read_log(self.stores.database, self.project, self.source.name, limit=10):
            if manifest.status in ("new", "unchanged"):
                same = (manifest.raw_hash, manifest.schema_hash, manifest.snapshot_hash) == (
                    fetched.raw_hash,
                    self.schema_hash,
                    self.parent.hash,
                )
                return manifest if same and not manifest.held_back and not manifest.rejected else None
        return None

    def _refuse_when_too_many_are_broken(self, fetched: Fetched, batch: Batch) -> None:
        allowed = self.source.max_rejected_share
        if batch.rejected_rows <= allowed * batch.rows_in:
            return
        share = batch.rejected_rows / batch.rows_in
        broken = describe_rejected(batch.rejected, batch.rows_in, self.source.keys)
        reasons = f"{broken}; {share:.1%} of the rows, at most {allowed:.1%} are allowed"
        step = f"See every row: touchline data quarantine {self.source.name} -p {self.project}"
        self._reject(fetched, batch, reasons, step)

    def _refuse_when_a_dataset_check_fails(self, fetched: Fetched, batch: Batch, change: Change) -> None:
        compiled = self.source.compiled
        if not compiled.has_dataset_checks:
            return
        messages = compiled.check_dataset(change.table(self.source).select(list(compiled.columns)))
        if messages:
            step = "Correct the data, or the check in the contract, and ingest again."
            self._reject(fetched, batch, "; ".join(messages), step)

    def _reject(self, fetched: Fetched, batch: Batch, reasons: str, step: str) -> None:
        snapshot = self.parent.sequence if self.parent else None
        error = BatchRejected(self.table, reasons, snapshot=snapshot, next_step=step)
        manifest = self._manifest("rejected", fetched, batch_counts(batch), None, str(error))
        with self.stores.database.begin() as connection:
            record(connection, manifest)
        raise error

    def _store(self, fetched: Fetched, batch: Batch, change: Change) -> IngestReport:
        merged = change.merged
        if self.parent is not None and merged.versions.is_empty() and change.restated is None:
            return self._finish_unchanged(fetched, batch_counts(batch), self.parent, hidden=batch.hidden, batch=batch)
        head = self._new_head(change)
        counts = batch_counts(batch, merged)
        message = report_words(changes_in_words(self.source, self.parent, change), batch, fetched.message)
        manifest = self._manifest("new", fetched, counts, head.hash, message)
        with self.stores.database.begin() as connection:
            self.lease.require(connection)
            record(connection, manifest)
            if self.parent is None:
                forget_snapshots(connection, self.project, self.source.name)
            move_head(connection, head, now=manifest.finished_at)
        self.clock.move_to(change.instant)
        return IngestReport(manifest, read_snapshot(self.project, self.source.name, self.stores), batch.hidden)

    def _new_head(self, change: Change) -> NewHead:
        parent, versions = self.parent, change.merged.versions
        if change.restated is not None:
            parent, versions = None, pl.concat([change.restated, versions])
        folder = f"{self.project}/snapshots/{self.source.name}"
        return NewHead(
            project=self.project,
            source=self.source.name,
            hash=snapshot_hash(versions) if parent is None else appended_hash(parent, versions),
            schema_hash=self.schema_hash,
            parent=self.parent,
            ingested_at=change.instant,
            is_appended=parent is not None and not self.is_backfill,
            keys=self.source.keys,
            parts=append_rows(self.stores.objects, folder, parent.parts if parent else (), versions),
        )

    def _finish_unchanged(
        self, fetched: Fetched, counts: _Counts, parent: Snapshot, *, hidden: int, batch: Batch | None = None
    ) -> IngestReport:
        manifest = self._manifest(
            "unchanged", fetched, counts, parent.hash, report_words("nothing new", batch, fetched.message)
        )
        with self.stores.database.begin() as connection:
            record(connection, manifest)
        return IngestReport(manifest, parent, hidden)

    def _fall_back(self, failure: SourceUnavailable, parent: Snapshot) -> IngestReport:
        message = f"{failure} Snapshot {parent.sequence} of {parent.created_at:%Y-%m-%d %H:%M} UTC stands in."
        manifest = self._manifest(
            "fallback", None, _Counts(), parent.hash, message, request_count=failure.request_count
        )
        with self.stores.database.begin() as connection:
            record(connection, manifest)
        return IngestReport(manifest, parent, 0)

    def _record_failure(self, failure: TouchlineError, fetched: Fetched | None = None) -> None:
        count = getattr(failure, "request_count", 0)
        manifest = self._manifest("failed", fetched, _Counts(), None, str(failure), request_count=count)
        try:
            with self.stores.database.begin() as connection:
                record(connection, manifest)
        except TouchlineError as second:  # the first failure is the one to tell; this one goes with it
            failure.add_note(f"The ingest could not be logged either: {second}")

    def _manifest(
        self,
        status: Status,
        fetched: Fetched | None,
        counts: _Counts,
        snapshot_hash: str | None,
        message: str,
        *,
        request_count: int = 0,
    ) -> Manifest:
        finished_at: datetime = self.clock.wall()
        return Manifest(
            id=self.id,
            project=self.project,
            source=self.source.name,
            started_at=self.started_at,
            finished_at=finished_at,
            raw_hash=fetched.raw_hash if fetched else "",
            snapshot_hash=snapshot_hash,
            schema_hash=self.schema_hash,
            status=status,
            **vars(counts),
            request_count=fetched.request_count if fetched else request_count,
            is_backfill=self.is_backfill,
            duration_seconds=time.perf_counter() - self.began,
            files=fetched.files if fetched else (),
            message=message,
        )


def batch_counts(batch: Batch, merged: Merged | None = None) -> _Counts:
    """The numbers of a manifest; without a merge nothing was added."""
    accepted = batch.rows_in - batch.rejected_rows - batch.held_back
    if merged is None:
        return _Counts(batch.rows_in, accepted, batch.rejected_rows)
    return _Counts(batch.rows_in, accepted, batch.rejected_rows, merged.added, merged.changed, merged.settled)
