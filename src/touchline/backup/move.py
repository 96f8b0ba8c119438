"""Move a home from the embedded stores to servers: the metadata database to PostgreSQL, the objects to a bucket.

The old stores stay as they are. What arrives is counted and hashed on both sides. A move that ended half-way goes on
where it was when it is run again: until everything is there, a mark in the target names the home that its objects come
from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from touchline.errors import BackupRefused, CopyDiffers, ObjectNotFound
from touchline.predictions import prepare_months
from touchline.storage import Database, ObjectStore, TableCopy, copy_tables, require_empty_or_copy
from touchline.storage.ulids import Ulids

_MARK: Final = "unfinished_move"
_ID_FILE: Final = "move_id"


@dataclass(frozen=True)
class ObjectsCopy:
    """Copied objects, of which `already_there` came with an earlier try.

    The digest is of all keys and contents, read back from the target. `others` are objects of the target that the home
    has no longer.
    """

    objects: int
    size: int
    digest: str
    already_there: int = 0
    others: int = 0


def move_database(
    source: Database, target: Database, *, on_progress: Callable[[str], None] = lambda _: None
) -> list[TableCopy]:
    """Copy every table into an empty database and compare both. Raises `BackupRefused` or `CopyDiffers`.

    The rows come in one transaction. A database that has them already, and no others, stays as it is.
    """
    _require_other(source, target)
    target.migrate()
    on_progress("prepare the months of the prediction log")
    prepare_months(source, target)
    return copy_tables(source, target, on_progress=on_progress)


def require_usable_database(source: Database, target: Database) -> None:
    """Raise `BackupRefused` where `move_database` would refuse the target; creates its tables."""
    _require_other(source, target)
    target.migrate()
    require_empty_or_copy(source, target)


def move_objects(
    source: ObjectStore, target: ObjectStore, home: Path, *, on_progress: Callable[[str], None] = lambda _: None
) -> ObjectsCopy:
    """Copy every object into a store and read each back. Raises `BackupRefused` or `CopyDiffers`.

    The store is empty, or has objects of this home only: those of an earlier try are not copied again.
    """
    expected_keys = source.list()
    found = set(target.list())
    is_ours = _has_mark(target, home)
    if _MARK in found and not is_ours:
        _require_ours(is_ours, [_MARK], "another home is being moved there")
    found.discard(_MARK)
    if others := sorted(found - set(expected_keys)):
        _require_ours(is_ours, others, f"{len(others)} of them are not of this home")
    if not found:
        target.write(_MARK, _move_id(home))
        is_ours = True
    whole, size, already_there = hashlib.sha256(), 0, 0
    for place, key in enumerate(expected_keys):
        if place % 100 == 0:
            on_progress(f"copy object {place} of {len(expected_keys)}, {already_there} were there already")
        data = source.read(key)
        if key in found and target.read(key) == data:
            already_there += 1
        else:
            if key in found:
                _require_ours(is_ours, [key], "its content is not that of this home")
            target.write(key, data)
            _require_same(key, data, target.read(key))
        whole.update(f"{key}\0{hashlib.sha256(data).hexdigest()}\n".encode())
        size += len(data)
    if missing := sorted(set(expected_keys) - set(target.list())):
        raise CopyDiffers("the objects", f"{len(missing)} keys less", f"them (first: {missing[0]})")
    return ObjectsCopy(len(expected_keys), size, whole.hexdigest(), already_there, len(others))


def end_move(target: ObjectStore, home: Path) -> None:
    """Take the mark of the unfinished move from the store: everything is there."""
    target.delete(_MARK)
    (home / _ID_FILE).unlink(missing_ok=True)


def _require_other(source: Database, target: Database) -> None:
    if source.url == target.url:
        raise BackupRefused(f"{target.name} is the database that is in use: name another.")


def _require_ours(is_ours: bool, keys: list[str], why: str) -> None:
    """Raise where an object is neither of this home nor of an earlier try to move it."""
    if not is_ours:
        raise BackupRefused(
            f"The target store has objects already ({keys[0]} …): {why}, and no unfinished move of this home began "
            "there. Two homes would be mixed: name an empty folder or bucket."
        )


def _require_same(key: str, expected: bytes, actual: bytes) -> None:
    if actual != expected:
        hashes = [hashlib.sha256(content).hexdigest() for content in (actual, expected)]
        raise CopyDiffers(f"object {key}", *hashes)


def _has_mark(target: ObjectStore, home: Path) -> bool:
    with suppress(ObjectNotFound, FileNotFoundError):
        return target.read(_MARK) == (home / _ID_FILE).read_bytes() != b""
    return False


def _move_id(home: Path) -> bytes:
    """The name of this home's move, which lies in the home until the move has ended."""
    file = home / _ID_FILE
    if not file.exists() or not file.read_bytes():
        file.write_text(Ulids().next())
    return file.read_bytes()
