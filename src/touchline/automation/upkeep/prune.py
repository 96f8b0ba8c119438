"""Old stored data is deleted that nothing refers to any more: `touchline data prune`.

Retained are: the newest snapshot of each source, the newest histories of each version of a view, all that a registered
model version was trained on, the raw files behind every retained row, and everything younger than the given age. So a
logged prediction can still be traced and replayed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from touchline.automation.runs.pipeline import PIPELINE_LEASE, pipeline_lease_name
from touchline.backup import BACKUP_LEASE
from touchline.features import FeatureHistories, StoredTrainingSets
from touchline.ingest import StoredSnapshots, lock_source, raw_files
from touchline.registry import read_versions
from touchline.storage import hold_lease

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext

_LEASE_TTL: Final = timedelta(minutes=10)
_FOLDERS: Final = ("snapshots", "history", "training_sets", "raw", "quarantine")


@dataclass(frozen=True)
class PrunedKind:
    """The deleted records and files of one kind; `bytes_count` is the size of the files."""

    kind: str
    records: int
    files: int
    bytes_count: int


@dataclass(frozen=True)
class _Unreferenced:
    """The records to drop, by owner, and the object keys that nothing else refers to."""

    snapshots: Sequence[tuple[str, str]]
    histories: Sequence[tuple[str, str, str]]
    training_sets: Sequence[str]
    files: Mapping[str, Sequence[str]]


def find_prunable(context: PipelineContext, *, older_than: timedelta) -> list[PrunedKind]:
    """The data that `prune_data` would delete now, by kind. Changes nothing."""
    return _counts(context, _find(context, before=context.clock.wall() - older_than))


def prune_data(context: PipelineContext, *, older_than: timedelta) -> list[PrunedKind]:
    """Delete the data that nothing refers to. Raises `LeaseHeld` while an ingest or a training runs.

    Records go first: a kill in between leaves files that the next call deletes, and no record without its file.
    """
    with _alone(context):
        unreferenced = _find(context, before=context.clock.wall() - older_than)
        counts = _counts(context, unreferenced)
        project, stores = context.project.name, context.stores
        StoredSnapshots(project, stores).prune(unreferenced.snapshots)
        FeatureHistories(stores).drop(project, unreferenced.histories)
        StoredTrainingSets(project, stores).drop(unreferenced.training_sets)
        for keys in unreferenced.files.values():
            for key in keys:
                stores.objects.delete(key)
    return counts


@contextmanager
def _alone(context: PipelineContext) -> Iterator[None]:
    """Holds what an ingest, a training and a backup hold, since their new files have no record yet."""
    project, stores, clock = context.project.name, context.stores, context.clock
    holder = f"touchline data prune@{socket.gethostname()}:{os.getpid()}"
    with ExitStack() as stack:
        backup = hold_lease(stores.database, BACKUP_LEASE, holder=holder, ttl=_LEASE_TTL, clock=clock)
        stack.enter_context(backup)  # a backup copies the files that its copy of the database names
        name = pipeline_lease_name(project)
        pipeline = hold_lease(stores.database, name, holder=holder, ttl=PIPELINE_LEASE, clock=clock)
        stack.enter_context(pipeline)
        for source in context.project.sources:
            stack.enter_context(lock_source(source, project, stores, clock))
        yield


def _find(context: PipelineContext, *, before: datetime) -> _Unreferenced:
    project, stores = context.project.name, context.stores
    training_sets = StoredTrainingSets(project, stores)
    used_sets = {version.training_set_hash for version in read_versions(stores, project)}
    lineages = training_sets.lineages()
    used = [lineages[hash] for hash in used_sets if hash in lineages]
    snapshots, histories = StoredSnapshots(project, stores), FeatureHistories(stores)
    old_snapshots, snapshot_files = snapshots.unused(
        {(source, hash) for lineage in used for source, hash in lineage.get("sources", {}).items()}, before=before
    )
    old_histories, history_files = histories.unused(
        project, {hash for lineage in used for hash in lineage.get("histories", {}).values()}, before=before
    )
    old_sets, set_files = training_sets.unused(used_sets, before=before)
    retained = {
        "snapshots": snapshot_files,
        "history": history_files,
        "training_sets": set_files,
        **raw_files(project, stores, before=before),
    }
    files = {
        folder: [key for key in stores.objects.list(f"{project}/{folder}/") if key not in retained[folder]]
        for folder in _FOLDERS
    }
    # A view's rejected rows are named by the hash of their history.
    views = {name for name, _ in histories.versions(project)}
    folder = f"{project}/quarantine/"
    files["quarantine"] = [k for k in files["quarantine"] if k.removeprefix(folder).partition("/")[0] not in views]
    return _Unreferenced(old_snapshots, old_histories, old_sets, files)


def _counts(context: PipelineContext, unreferenced: _Unreferenced) -> list[PrunedKind]:
    records = {
        "snapshots": len(unreferenced.snapshots),
        "history": len(unreferenced.histories),
        "training_sets": len(unreferenced.training_sets),
    }
    objects = context.stores.objects
    return [
        PrunedKind(
            folder, records.get(folder, 0), len(keys), sum(objects.local_path(key).stat().st_size for key in keys)
        )
        for folder, keys in unreferenced.files.items()
    ]
