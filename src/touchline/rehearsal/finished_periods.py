"""The finished periods of a backtest on disk, so that a backtest that was ended continues where it stood."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from touchline.errors import ObjectNotFound
from touchline.storage.file_objects import FileObjects
from touchline.storage.objects import PARTIAL
from touchline.training.fitting.recipe import Recipe

if TYPE_CHECKING:
    from touchline.storage import ObjectStore

_KEY: Final = "key"
_RECIPE: Final = "recipe.json"
_PERIODS: Final = "periods/"


class FinishedPeriods:
    """The chosen recipe and the predictions of each finished period, in a folder.

    `key` covers all that decides them: the files of a backtest with another key are removed. Each file is written whole
    or not at all. `reused` counts the periods that were read. Other files in the folder stay.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.reused = 0
        self._objects: ObjectStore = FileObjects(str(folder))
        if not (self._objects.exists(_KEY) and self._objects.read(_KEY) == key.encode()):
            _remove_files(self._objects)
            self._objects.write(_KEY, key.encode())

    def recipe(self, choose: Callable[[], Recipe]) -> Recipe:
        """The recipe that was chosen before, else the one that is chosen now."""
        try:
            return Recipe.from_json(json.loads(self._objects.read(_RECIPE)))
        except ObjectNotFound:
            chosen = choose()
            self._objects.write(_RECIPE, json.dumps(chosen.to_json()).encode())
            return chosen

    def period(self, start: datetime, end: datetime, predict: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The predictions of a period that was finished before, else those that are made now."""
        name = f"{_PERIODS}{start:%Y-%m-%dT%H%M%S}_{end:%Y-%m-%dT%H%M%S}.parquet"
        try:
            rows = pl.read_parquet(BytesIO(self._objects.read(name)))
            self.reused += 1
        except ObjectNotFound:
            rows = predict()
            file = BytesIO()
            rows.write_parquet(file)
            self._objects.write(name, file.getvalue())
        return rows


def remove_finished_periods(folder: Path) -> None:
    """Remove the files of a complete backtest, and the folder unless it has others."""
    _remove_files(FileObjects(str(folder)))
    for part in (_PERIODS, PARTIAL, ""):
        with suppress(OSError):  # absent, or with files of others
            (folder / part).rmdir()


def _remove_files(objects: ObjectStore) -> None:
    for name in (_KEY, _RECIPE, *objects.list(_PERIODS)):
        objects.delete(name)
