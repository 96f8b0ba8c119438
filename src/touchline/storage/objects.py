"""Immutable files by key: snapshots, training sets, releases."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol, cast

from touchline import plugins
from touchline.errors import InvalidObjectKey


class ObjectStore(Protocol):
    """Files by key. A key is a relative path (`football/snapshots/matches/3f….parquet`).

    A write is whole or absent: a reader never meets half an object, and a killed writer leaves none.
    """

    def read(self, key: str) -> bytes:
        """The object's bytes; raises `ObjectNotFound`."""

    def write(self, key: str, data: bytes) -> None:
        """Store bytes under a key; the same bytes again change nothing."""

    def write_file(self, key: str, path: Path) -> None:
        """Store a copy of a file under a key; the same bytes again change nothing."""

    def exists(self, key: str) -> bool:
        """Whether an object (not a folder of them) lies under the key."""

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is absent already is no error."""

    def local_path(self, key: str) -> Path:
        """A file, or a folder of objects, that can be scanned where it is; raises `ObjectNotFound`."""


def open_objects(place: str | Path, *, cache: Path | None = None) -> ObjectStore:
    """The object store at a folder or a URL (`file:///srv/objects`, `s3://bucket/folder`): schemes are backends.

    A remote store keeps local copies of what is scanned in `cache`, by default in a new temporary folder.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = open_objects(folder)
    ...     store.write("nba/raw/1", b"tip-off")
    ...     store.list("nba/"), store.read("nba/raw/1")
    (['nba/raw/1'], b'tip-off')
    """
    scheme, found, _ = str(place).partition("://")
    backend = plugins.load("touchline.object_stores", scheme if found else "file")
    return cast(ObjectStore, backend(str(place), cache=cache))


PARTIAL: Final = ".partial"
"""The folder of incomplete files in a store of files: inside its root, since a rename does not cross disks."""


def checked_key(key: str) -> str:
    """The key itself; raises `InvalidObjectKey` for one that could leave the store, or names a folder or part of it."""
    parts = key.split("/")
    if parts[0] == PARTIAL or any(part in {"", ".", ".."} for part in parts) or "\\" in key or "\0" in key:
        raise InvalidObjectKey(key)
    return key
