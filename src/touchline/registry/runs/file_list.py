"""The list of a run's files with their hashes, by which a damaged or missing file is found before it is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from touchline.errors import ObjectNotFound, StoredFileDamaged
from touchline.registry.release.digest import sha256_of

if TYPE_CHECKING:
    from touchline.registry.journal.versions import ModelVersion
    from touchline.storage import ObjectStore

_LIST = "files-"
_MISSING = "it is missing"
_FOR_PEOPLE = ("plots/", "card.", "evaluation.json")
_ADDED_LATER = "opponents/"  # fitted when a gate compares


def write_file_list(objects: ObjectStore, object_key: str) -> None:
    """List the files below a key as they are now. The hash of the list is part of its name."""
    keys = [key for key in objects.list(f"{object_key}/") if not _is_apart(key, object_key)]
    hashes = {key.removeprefix(f"{object_key}/"): sha256_of(objects.read(key)) for key in keys}
    data = json.dumps(hashes, indent=1, sort_keys=True).encode()
    objects.write(f"{object_key}/{_LIST}{sha256_of(data)[:16]}.json", data)


def find_file_list(objects: ObjectStore, object_key: str) -> str | None:
    """The key of the list; None for a run that was recorded before there were lists."""
    return next((key for key in objects.list(f"{object_key}/{_LIST}")), None)


def damaged_files(objects: ObjectStore, object_key: str) -> Iterator[tuple[str, str, str]]:
    """Key, problem and listed hash of each file that is not as listed. Raises `StoredFileDamaged` for the list."""
    listed_in = find_file_list(objects, object_key)
    if listed_in is None:
        return
    data = objects.read(listed_in)
    actual, expected = sha256_of(data)[:16], listed_in.rpartition(_LIST)[2].removesuffix(".json")
    if actual != expected:
        raise StoredFileDamaged(listed_in, f"its content has the hash {actual}", f"the hash {expected}")
    for name, listed in json.loads(data).items():
        key = f"{object_key}/{name}"
        try:
            found = sha256_of(objects.read(key))
        except ObjectNotFound:
            yield key, _MISSING, listed
            continue
        if found != listed:
            yield key, f"its content has the hash {found[:16]}", listed


def validate_run_files(objects: ObjectStore, version: ModelVersion) -> None:
    """Raise `StoredFileDamaged` if a file that gates and releases read has other content than was written."""
    for key, problem, listed in damaged_files(objects, version.object_key):
        is_read = not key.removeprefix(f"{version.object_key}/").startswith(_FOR_PEOPLE)
        if is_read and problem != _MISSING:
            raise StoredFileDamaged(key, problem, f"the hash {listed[:16]}")


def _is_apart(key: str, object_key: str) -> bool:
    return key.removeprefix(f"{object_key}/").startswith((_LIST, _ADDED_LATER))
