"""Rows that a function reads from a folder of files, in whatever layout a source has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from touchline.errors import SourceFileMissing
from touchline.ingest.providers.base import FetchContext, Fetched, Provider, RawFile
from touchline.ingest.providers.frame import FrameProvider


@dataclass(frozen=True)
class DataFolder:
    """What `read(folder)` returns: a frame and its files. Without a folder, the rows of another provider.

    The folder is the one that the environment variable names; `touchline backtest --data` gives another. A project can
    so carry a small sample and take a person's own files in the layout that `read` knows.
    """

    read: Callable[[Path], tuple[pl.DataFrame, Sequence[RawFile]]]
    variable: str
    otherwise: Provider | None = None
    folder: Path | None = None

    def at(self, folder: Path) -> DataFolder:
        """The same files from another folder."""
        return replace(self, folder=folder)

    def fetch(self, context: FetchContext) -> Fetched:
        """Raises `SourceFileMissing` where there is no folder, or no file in it that `read` can use."""
        named = os.environ.get(self.variable)
        folder = self.folder or (Path(named) if named else None)
        if folder is None and self.otherwise is not None:
            return self.otherwise.fetch(context)
        if folder is None or not folder.is_dir():
            raise SourceFileMissing(context.table, str(folder or f"${self.variable}"), Path.cwd())
        return FrameProvider(lambda: self.read(folder)).fetch(context)
