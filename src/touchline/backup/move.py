"""Move a home from the embedded stores to servers: the metadata database to PostgreSQL, the objects to a bucket.

The old stores stay as they are. The target must be empty, and what arrives is counted and hashed on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from touchline.errors import BackupRefused, CopyDiffers
from touchline.predictions import prepare_months
from touchline.storage import Database, ObjectStore, TableCopy, copy_tables


@dataclass(frozen=True)
class ObjectsCopy:
    """Copied objects; the digest is of all keys and contents, read back from the target."""

    objects: int
    size: int
    digest: str


def move_database(
    source: Database, target: Database, *, on_progress: Callable[[str], None] = lambda _: None
) -> list[TableCopy]:
    """Copy every table into an empty database and compare both. Raises `BackupRefused` or `CopyDiffers`."""
    if source.url == target.url:
        raise BackupRefused(f"{target.name} is the database that is in use: name another.")
    target.migrate()
    on_progress("prepare the months of the prediction log")
    prepare_months(source, target)
    return copy_tables(source, target, on_progress=on_progress)


def move_objects(
    source: ObjectStore, target: ObjectStore, *, on_progress: Callable[[str], None] = lambda _: None
) -> ObjectsCopy:
    """Copy every object into an empty store and read each back. Raises `BackupRefused` or `CopyDiffers`."""
    if there := target.list():
        raise BackupRefused(f"The target store has objects already ({there[0]} …): name an empty folder or bucket.")
    keys, whole, size = source.list(), hashlib.sha256(), 0
    for place, key in enumerate(keys):
        if place % 100 == 0:
            on_progress(f"copy object {place} of {len(keys)}")
        data = source.read(key)
        target.write(key, data)
        expected, actual = (hashlib.sha256(content).hexdigest() for content in (data, target.read(key)))
        if actual != expected:
            raise CopyDiffers(f"object {key}", actual, expected)
        whole.update(f"{key}\0{actual}\n".encode())
        size += len(data)
    _require_same_keys(keys, target.list())
    return ObjectsCopy(len(keys), size, whole.hexdigest())


def _require_same_keys(expected: Sequence[str], actual: Sequence[str]) -> None:
    if differing := sorted(set(expected) ^ set(actual)):
        raise CopyDiffers("the objects", f"{len(actual)} keys", f"{len(expected)} keys (first: {differing[0]})")
