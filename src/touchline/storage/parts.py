"""Growing tables in parts: immutable Parquet files, each checked by its digest where it is opened.

A table grows by a part a time. Parts of one size are merged, as in a log-structured merge tree (O'Neil et al. 1996),
so that a table of n rows has few parts and each row is written a few times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import file_digest, sha256
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from touchline.errors import ObjectNotFound, StoredFileDamaged
from touchline.storage.stores import parquet_bytes

if TYPE_CHECKING:
    import polars as pl

    from touchline.storage.objects import ObjectStore

_FAN: Final = 8


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table: object key, rows, bytes, and the SHA-256 of its bytes."""

    key: str
    rows: int
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parts_of(documents: Iterable[Mapping[str, Any]]) -> tuple[Part, ...]:
    """Parts from their JSON."""
    return tuple(Part(**document) for document in documents)


def write_part(objects: ObjectStore, folder: str, rows: pl.DataFrame) -> Part:
    """Store rows under the digest of their file; the same rows again change nothing."""
    data = parquet_bytes(rows)
    digest = sha256(data).hexdigest()
    part = Part(f"{folder}/{digest}.parquet", rows.height, len(data), digest)
    objects.write(part.key, data)
    return part


def open_part(objects: ObjectStore, part: Part) -> Path:
    """The file of a part. Raises `StoredFileDamaged` if it is missing or its bytes are not the stored ones."""
    return open_named(objects, part.key, part.sha256)


def open_named(objects: ObjectStore, key: str, digest: str) -> Path:
    """The file of an object whose SHA-256 begins with `digest`. Raises `StoredFileDamaged` for any other, or none."""
    expected = f"the SHA-256 {digest[:12]}…"
    try:
        path = objects.local_path(key)
    except ObjectNotFound as missing:
        raise StoredFileDamaged(key, "it is missing", expected) from missing
    status = path.stat()
    found = _digest(path, status.st_mtime_ns, status.st_ino)
    if not found.startswith(digest):
        raise StoredFileDamaged(key, f"it has {status.st_size} bytes with the SHA-256 {found[:12]}…", expected)
    return path


def scan_parts(objects: ObjectStore, parts: Sequence[Part]) -> list[pl.LazyFrame]:
    """The rows of each part, checked and in order."""
    import polars as pl

    return [pl.scan_parquet(open_part(objects, part)) for part in parts]


def append_rows(
    objects: ObjectStore, folder: str, parts: tuple[Part, ...], rows: pl.DataFrame, *, sort_by: Sequence[str] = ()
) -> tuple[Part, ...]:
    """The parts of a table with further rows: one part more, or the last ones merged with it. Nothing refers to it yet.

    A written part is sorted by `sort_by`, rows that are equal in these in the order in which they came.
    """
    import polars as pl

    merged = parts_to_merge([*(part.rows for part in parts), rows.height]) - 1
    kept, last = parts[: len(parts) - merged], parts[len(parts) - merged :]
    frame = pl.concat([*(one.collect() for one in scan_parts(objects, last)), rows])
    if sort_by:
        frame = frame.sort(*sort_by, maintain_order=True)
    return (*kept, write_part(objects, folder, frame))


def parts_to_merge(rows: Sequence[int]) -> int:
    """The number of last parts to merge into one, given the rows of all; 1 if none.

    >>> parts_to_merge([20_000, *[100] * 7]), parts_to_merge([20_000, *[100] * 8])
    (1, 8)
    """
    merged = 1
    while True:
        tier = _tier(sum(rows[-merged:]))
        same = next((place for place, count in enumerate(reversed(rows)) if _tier(count) > tier), len(rows))
        if same < _FAN or same <= merged:
            return merged
        merged = same


def _tier(rows: int) -> int:
    return int(log(max(rows, 1), _FAN))


@lru_cache(4096)
def _digest(path: Path, modified_ns: int, inode: int) -> str:  # noqa: ARG001  # they name the state of the file
    """Cached: a file is read whole once a process, and again when it was written since."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
