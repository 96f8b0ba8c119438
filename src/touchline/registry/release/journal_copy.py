"""A copy of each stage change in the object store: it tells a database that lost its newest entries, and restores them.

SQLite drops the end of a damaged write-ahead log without a word, and a backup of the database may be older than the
release that served last. Without a copy, the release before would answer and nothing would say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from touchline.errors import StoredFileDamaged
from touchline.registry.journal.stages import StageChange
from touchline.registry.journal.versions import ModelVersion, Registry, add_version, read_version
from touchline.registry.release.digest import sha256_of
from touchline.registry.release.releases import Release, Releases

if TYPE_CHECKING:
    from touchline.storage import ObjectStore


@dataclass(frozen=True)
class ChangeCopy:
    """A stage change with the records that it needs: its version, and the digest of its release."""

    change: StageChange
    version: ModelVersion
    release_digest: str | None


@dataclass(frozen=True)
class LostChanges:
    """The copied changes that the database does not have, and the first entry of which it has another one."""

    lost: tuple[ChangeCopy, ...]
    conflict: ChangeCopy | None
    copies: int


def copy_changes(registry: Registry, project: str) -> None:
    """Copy the changes that have no copy yet. Copies are not read: `touchline doctor` finds the damaged ones."""
    copied = {sequence for sequence, _ in _keys(registry.objects, project)}
    history = registry.journal.history(project)
    if len(copied) == len(history):
        return
    versions: dict[int, ModelVersion] = {}
    for change in history:
        if change.sequence not in copied:
            if change.version not in versions:
                versions[change.version] = read_version(registry, project, change.version)
            digest = Releases(registry).digest(change.release_id) if change.release_id else None
            _write(registry, ChangeCopy(change, versions[change.version], digest))


def newest_copy(objects: ObjectStore, project: str) -> int:
    """The sequence of the newest copied change; 0 where there is none."""
    return max((sequence for sequence, _ in _keys(objects, project)), default=0)


def lost_changes(registry: Registry, project: str) -> LostChanges:
    """The copied changes that the journal lacks. Raises `StoredFileDamaged` for a copy that is not as written."""
    history = {change.sequence: change for change in registry.journal.history(project)}
    copies = [_read(registry.objects, key) for _, key in _keys(registry.objects, project)]
    differing = (one for one in copies if history.get(one.change.sequence, one.change) != one.change)
    lost = tuple(one for one in copies if one.change.sequence not in history)
    return LostChanges(lost, next(differing, None), len(copies))


def restore_changes(registry: Registry, project: str) -> int:
    """Write the changes that the database lacks back from their copies, with versions and releases; how many."""
    lost = lost_changes(registry, project).lost
    for copied in lost:
        add_version(registry, project, copied.version.version, partial(_as_it_was, copied.version))
    with registry.database.begin() as connection:
        for copied in lost:
            if copied.release_digest is not None:
                Releases.record(connection, _release_of(registry, copied), at=copied.change.at)
            registry.journal.restore(connection, copied.change)
    return len(lost)


def forget_damaged_copies(registry: Registry, project: str) -> int:
    """Delete the copies that are not as written; how many. `copy_changes` writes them again."""
    damaged = [key for _, key in _keys(registry.objects, project) if not _is_sound(registry.objects, key)]
    for key in damaged:
        registry.objects.delete(key)
    return len(damaged)


def _keys(objects: ObjectStore, project: str) -> Iterator[tuple[int, str]]:
    """Sequence and key of each copy, oldest first; the hash of the content is part of the name."""
    for key in objects.list(f"{project}/journal/"):
        sequence = key.rpartition("/")[2].partition("-")[0]
        if sequence.isdecimal():
            yield int(sequence), key


def _write(registry: Registry, copied: ChangeCopy) -> None:
    data = _adapter().dump_json(copied, indent=1)
    name = f"{copied.change.sequence:08d}-{sha256_of(data)[:16]}.json"
    registry.objects.write(f"{copied.change.project}/journal/{name}", data)


def _read(objects: ObjectStore, key: str) -> ChangeCopy:
    data = objects.read(key)
    actual, expected = sha256_of(data)[:16], key.rpartition("-")[2].removesuffix(".json")
    if actual != expected:
        raise StoredFileDamaged(key, f"its content has the hash {actual}", f"the hash {expected}")
    return _adapter().validate_python(json.loads(data))


def _is_sound(objects: ObjectStore, key: str) -> bool:
    return sha256_of(objects.read(key))[:16] == key.rpartition("-")[2].removesuffix(".json")


def _as_it_was(version: ModelVersion, _newest: ModelVersion | None) -> ModelVersion:
    return version


def _release_of(registry: Registry, copied: ChangeCopy) -> Release:
    change = copied.change
    key = f"{change.project}/releases/{change.release_id}"
    path = registry.objects.local_path(key)
    return Release(str(change.release_id), change.project, change.version, str(copied.release_digest), key, path)


@cache
def _adapter() -> TypeAdapter[ChangeCopy]:
    return TypeAdapter(ChangeCopy)
