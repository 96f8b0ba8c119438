"""The protocol of providers: a fetch request comes in, raw tables go out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.storage import Database, ObjectStore

BROKEN_SCHEMA = {"value": pl.String(), "record": pl.String()}


@dataclass(frozen=True)
class RawFile:
    """One file as it came: its name and the SHA-256 of its bytes."""

    name: str
    sha256: str
    bytes_count: int

    @classmethod
    def at(cls, path: Path) -> RawFile:
        """The file at a path, read in pieces."""
        with path.open("rb") as file:
            return cls(path.name, file_digest(file, "sha256").hexdigest(), path.stat().st_size)

    @classmethod
    def of(cls, name: str, content: bytes) -> RawFile:
        """The file of that name with these bytes."""
        return cls(name, sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class FetchContext:
    """The context of a fetch: source, requested columns, store of raw bytes, and time (`sleep` waits)."""

    project: str
    source: str
    columns: tuple[str, ...]
    required: frozenset[str]
    database: Database
    objects: ObjectStore
    clock: Clock
    sleep: Callable[[float], None] = time.sleep

    @property
    def table(self) -> str:
        """The name of the table in messages."""
        return f"{self.project}.{self.source}"

    def has_raw(self, file: RawFile) -> bool:
        """Whether the bytes of a file are stored."""
        return self.objects.exists(f"{self.project}/raw/{file.sha256}")

    def keep(self, name: str, content: bytes) -> RawFile:
        """Store bytes as they came, under their hash, so that a snapshot can be traced to them."""
        file = RawFile.of(name, content)
        self.objects.write(f"{self.project}/raw/{file.sha256}", content)
        return file


def no_broken_lines() -> pl.DataFrame:
    """No line that could not be read as a row."""
    return pl.DataFrame(schema=BROKEN_SCHEMA)


@dataclass(frozen=True)
class Fetched:
    """A batch: its rows, the bytes they came from, and lines that were no rows (`value`: why, `record`: the line).

    `file_rows` counts the rows of each file, in the order of the frame: where two files have a row of one key, the
    later file corrects the earlier one. `message` is told with the report: a budget nearly spent, an answer that had
    not changed.
    """

    frame: pl.DataFrame
    files: tuple[RawFile, ...]
    raw_hash: str
    request_count: int = 0
    message: str = ""
    broken: pl.DataFrame = field(default_factory=no_broken_lines)
    file_rows: tuple[int, ...] = ()


@runtime_checkable
class Provider(Protocol):
    """Brings the rows of a source. Reading the same origin twice must give the same `raw_hash`."""

    def fetch(self, context: FetchContext) -> Fetched:
        """All rows the origin has now; raises when it cannot be read."""


@runtime_checkable
class HashedProvider(Protocol):
    """A provider that can hash its files without reading their rows: equal bytes are not read again."""

    def hash_files(self, context: FetchContext) -> tuple[RawFile, ...]:
        """The files that `fetch` would read, as they are now."""


def hash_of_files(files: tuple[RawFile, ...]) -> str:
    """The file's own SHA-256 for one file, else the hash over all of them whatever their order."""
    if len(files) == 1:
        return files[0].sha256
    return sha256("\n".join(sorted(file.sha256 for file in files)).encode()).hexdigest()


def described(value: Any) -> str:
    """A provider's declaration as text, functions by their code: what must be equal to trust equal bytes."""
    if callable(value) and not isinstance(value, type):
        return _code(value)
    fields = getattr(type(value), "model_fields", None) or getattr(value, "__dataclass_fields__", None)
    if fields is None:
        return repr(value)
    return f"{type(value).__name__}({', '.join(f'{name}={described(getattr(value, name))}' for name in fields)})"


def _code(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(getattr(function, "__qualname__", type(function).__name__))
