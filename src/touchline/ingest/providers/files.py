"""The shared part of file providers: list files, read bytes, report unreadable ones."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from glob import glob
from io import BytesIO
from pathlib import Path
from typing import Protocol

import polars as pl

from touchline.errors import SourceFileMissing, SourceFileUnreadable
from touchline.ingest.providers.base import FetchContext, RawFile

_GZIP = b"\x1f\x8b"
_MOST_UNPACKED_BYTES = 4 * 1024**3  # a few megabytes may unpack to thousands of gigabytes
Prepare = Callable[[pl.DataFrame], pl.DataFrame]


def find_files(pattern: str, context: FetchContext) -> list[Path]:
    """The files a path or glob names, sorted; raises `SourceFileMissing` when there is none."""
    found = sorted(Path(name) for name in glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207  # absolute patterns, too
    if not found:
        raise SourceFileMissing(context.table, pattern, Path.cwd())
    return found


def missing_files(provider: object, base: Path) -> Path | None:
    """The path or glob of a provider of files which no file has, from the folder in which touchline runs; else None."""
    pattern = getattr(provider, "glob", None)
    if pattern is None:
        return None
    place = base / pattern
    return None if any(Path(name).is_file() for name in glob(str(place), recursive=True)) else place  # noqa: PTH207


def hash_files(pattern: str, context: FetchContext) -> tuple[RawFile, ...]:
    """The files that a path or glob names, by their bytes."""
    try:
        return tuple(RawFile.at(path) for path in find_files(pattern, context))
    except OSError as failure:
        name, reason = failure.filename or pattern, failure.strerror or str(failure)
        raise SourceFileUnreadable(context.table, name, reason, "Check it.") from failure


def read_file(path: Path, context: FetchContext) -> tuple[bytes, RawFile]:
    """The unpacked bytes of a file, and the record of the file as it lies there."""
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise SourceFileUnreadable(context.table, path.name, failure.strerror or str(failure), "Check it.") from failure
    raw = context.keep(path.name, content)
    return gunzipped(content, path.name, context.table), raw


def gunzipped(content: bytes, name: str, table: str, *, most_bytes: int = _MOST_UNPACKED_BYTES) -> bytes:
    """Bytes without gzip, whatever the file is called."""
    if not content.startswith(_GZIP):
        return content
    try:
        with gzip.open(BytesIO(content)) as file:
            unpacked = file.read(most_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as damaged:
        raise SourceFileUnreadable(
            table, name, f"its gzip is damaged or cut off ({damaged})", "Download it again."
        ) from damaged
    if len(unpacked) > most_bytes:
        reason = f"its gzip unpacks to more than {most_bytes / 1e6:,.0f} MB"
        raise SourceFileUnreadable(table, name, reason, "Split it, or unpack it yourself.")
    return unpacked


class Naming(Protocol):
    """The mapping of a provider's columns to those of the contract."""

    @property
    def rename(self) -> Mapping[str, str]: ...
    @property
    def ignore(self) -> tuple[str, ...]: ...
    @property
    def prepare(self) -> Prepare | None: ...


def with_columns_named(frame: pl.DataFrame, naming: Naming, column_names: Collection[str]) -> pl.DataFrame:
    """The frame under the contract's names: renamed, ignored columns left out, prepared by the project's function.

    A pattern never leaves out a column that the contract names, so `*` means: only those.
    """
    rename, ignore, prepare = naming.rename, naming.ignore, naming.prepare
    frame = frame.rename({old: new for old, new in rename.items() if old in frame.columns})
    wanted = {*rename.values(), *column_names}
    dropped = [
        name for name in frame.columns if name not in wanted and any(fnmatchcase(name, pattern) for pattern in ignore)
    ]
    frame = frame.drop(dropped)
    return frame if prepare is None else prepare(frame)


def stacked(frames: list[pl.DataFrame], *, row_column: str | None) -> pl.DataFrame:
    """Frames below each other by column name; a column that one lacks is null there; rows numbered on demand."""
    rows = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
    return rows if row_column is None else rows.with_row_index(row_column, offset=1)
