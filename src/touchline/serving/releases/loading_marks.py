"""Marks of releases that are being loaded: one whose process is gone names a release that ends whoever loads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from touchline.errors import ReleaseCrashes
from touchline.predictions.spool import lock_file

MOST_DEATHS: Final = 2


@dataclass(frozen=True)
class LoadingMarks:
    """The marks of all processes of a machine, in a folder. A mark is locked for as long as its process lives."""

    folder: Path

    @contextmanager
    def loading(self, release_id: str) -> Iterator[None]:
        """Mark that this process loads a release, for the block.

        Raises `ReleaseCrashes` where two processes did not survive it. A load that ends in any other way takes all
        marks of the release away.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if (deaths := len(self._left_behind(release_id))) >= MOST_DEATHS:
            raise ReleaseCrashes(release_id, deaths, str(self.folder / f"{release_id}.*"))
        with NamedTemporaryFile(dir=self.folder, prefix=f".{release_id}.", delete=False) as mark:
            lock_file(mark.fileno())
            # Locked before it has its name: nobody takes it for one whose process is gone.
            own = Path(mark.name).rename(self.folder / Path(mark.name).name.removeprefix("."))
            try:
                yield
            finally:
                for path in [own, *self._left_behind(release_id)]:
                    path.unlink(missing_ok=True)

    def _left_behind(self, release_id: str) -> list[Path]:
        return [path for path in self.folder.glob(f"{release_id}.*") if _is_left_behind(path)]


def _is_left_behind(path: Path) -> bool:
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            return lock_file(descriptor)
        finally:
            os.close(descriptor)
    return False
