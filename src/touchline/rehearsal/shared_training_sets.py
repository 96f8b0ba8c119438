"""The newest training sets of a rehearsal, each joined once: equal examples, histories and columns give equal rows."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from touchline.features import build_training_set
from touchline.ingest import content_hash

if TYPE_CHECKING:
    import polars as pl

    from touchline.features import FeatureHistory, OnDemand, PartitionRunner, TrainingSet, ViewJoin

# A set takes megabytes. The process that trains ahead is at most twelve trainings further than the policies.
_MOST_STORED: Final = 16


class SharedTrainingSets:
    """Builds as `touchline.features.build_training_set` does, and stores the newest for the other processes.

    The folder is of one state of the project's code, and its own processes alone write and read it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def build(
        self,
        examples: pl.DataFrame,
        joins: Sequence[ViewJoin],
        histories: Mapping[str, FeatureHistory],
        inputs: Sequence[str] = (),
        on_demand: Sequence[OnDemand] = (),
        *,
        runner: PartitionRunner | None = None,
    ) -> TrainingSet:
        """The training set, read where another process has joined it."""
        parts = [
            content_hash(examples),
            sorted((name, history.hash) for name, history in histories.items()),
            [(join.view.name, join.view.feature_version, list(join.example_columns), join.prefix) for join in joins],
            list(inputs),
            [(one.name, one.version) for one in on_demand],
        ]
        path = self._folder / f"{sha256(json.dumps(parts).encode()).hexdigest()[:32]}.pickle"
        try:
            stored: TrainingSet = pickle.loads(path.read_bytes())
        except FileNotFoundError:
            training_set = build_training_set(examples, joins, histories, inputs, on_demand, runner=runner)
            self._store(path, training_set)
            return training_set
        return stored

    def _store(self, path: Path, training_set: TrainingSet) -> None:
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(pickle.dumps(training_set, protocol=pickle.HIGHEST_PROTOCOL))
        fresh.replace(path)
        stored = sorted((one.stat().st_mtime_ns, one) for one in self._folder.glob("*.pickle"))
        for _, old in stored[:-_MOST_STORED]:
            old.unlink(missing_ok=True)
