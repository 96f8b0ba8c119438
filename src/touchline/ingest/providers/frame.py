"""Rows from a function: data that a package carries, or anything else Python can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from touchline.errors import SourceFileMissing
from touchline.ingest.content_hashes import content_hash
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile


@dataclass(frozen=True)
class FrameProvider:
    """The rows a function returns, with the files they came from.

    >>> provider = FrameProvider(lambda: (pl.DataFrame({"id": [1]}), ()))
    """

    function: Callable[[], tuple[pl.DataFrame, Sequence[RawFile]]]

    def fetch(self, context: FetchContext) -> Fetched:
        """Raises `SourceFileMissing` where the function raises `FileNotFoundError`."""
        try:
            frame, files = self.function()
        except FileNotFoundError as missing:
            path = missing.filename  # None where the function itself raised it, with a sentence
            reason = None if path is not None else str(missing).removesuffix(".")
            raise SourceFileMissing(context.table, str(path or ""), Path.cwd(), reason=reason) from missing
        # The function's own code may change what it makes of the same files, so the rows count too.
        rows = content_hash(frame)
        parts = [*sorted(file.sha256 for file in files), rows]
        raw_hash = rows if not files else sha256("\n".join(parts).encode()).hexdigest()
        return Fetched(frame=frame, files=tuple(files), raw_hash=raw_hash)
