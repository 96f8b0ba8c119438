"""The trainings of a rehearsal, each done once: policies that train on the same rows at the same instant share it.

A training is a pure function of its training set, its declaration and its instant, so a process of its own can train
ahead of the policies (`train_ahead`), and policies read what another has trained. The results lie in files below the
rehearsal's folder, which its own processes alone write and read.
"""

from __future__ import annotations

import fcntl
import json
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from touchline.automation.runs.kept_candidates import KeptCandidates
from touchline.registry import declared_families
from touchline.rehearsal.shared_histories import SharedHistories
from touchline.rehearsal.shared_training_sets import SharedTrainingSets
from touchline.rehearsal.stepped_run import Work
from touchline.training import library_versions, train
from touchline.training.fitting.model import Model

if TYPE_CHECKING:
    from touchline.automation.runs.steps import Trainer
    from touchline.features import TrainingSet
    from touchline.training import Family, Task, Training, TrainingOptions, TrainingResult

_RESULT: Final = "result.pickle"
_NEWEST: Final = "newest_request.json"
_FINISHED: Final = "finished"


@dataclass(frozen=True)
class RequestedTraining:
    """The instant of a training that a policy has asked for, and its candidates; None where all candidates compete."""

    at: datetime
    candidates: KeptCandidates | None


class SharedTrainings:
    """Trains as `touchline.training.train` does, and stores each result for the other processes of the rehearsal.

    A process that asks for a training that another one is at waits for it; a killed process leaves none half done.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        """The folder of the process that trains ahead."""
        return self._folder / "ahead"

    @property
    def histories(self) -> SharedHistories:
        """The feature histories of the same processes."""
        return SharedHistories(self._folder / "histories")

    @property
    def work_of_policy(self) -> Work:
        """How a policy works: it takes over what the other processes have done, and notes what it trains."""
        return self._work(self.train)

    @property
    def work_ahead(self) -> Work:
        """How the process that trains ahead works."""
        return self._work(self.train_ahead)

    def _work(self, trainer: Trainer) -> Work:
        return Work(trainer, self.histories.compute_view, SharedTrainingSets(self._folder / "training_sets").build)

    def train(
        self, task: Task, training: Training, training_set: TrainingSet, *, now: datetime, options: TrainingOptions
    ) -> TrainingResult:
        """The result for a policy, which notes how far the policies are."""
        self._note_request(now, training)
        return self.train_ahead(task, training, training_set, now=now, options=options)

    def train_ahead(
        self, task: Task, training: Training, training_set: TrainingSet, *, now: datetime, options: TrainingOptions
    ) -> TrainingResult:
        """The stored result, else that of a training now, which is stored."""
        name = self._name(training, training_set, now)
        families = declared_families(training)
        with self._held(name):
            result = self._read(name, families)
            if result is None:
                result = train(task, training, training_set, now=now, options=options)
                self._write(name, result)
        return result

    def newest_request(self) -> RequestedTraining | None:
        """The newest training that a policy has asked for; None before the first."""
        try:
            found = json.loads((self._folder / _NEWEST).read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        names = found["candidates"]
        candidates = None if names is None else KeptCandidates.from_json(names)
        return RequestedTraining(datetime.fromisoformat(found["at"]), candidates)

    @property
    def is_finished(self) -> bool:
        """Whether no policy will ask any more."""
        return (self._folder / _FINISHED).exists()

    def finish(self) -> None:
        """End the training ahead: all policies are played."""
        (self._folder / _FINISHED).touch()

    def begin(self) -> None:
        """Begin, or go on after a stop."""
        (self._folder / _FINISHED).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete all results, which no policy needs any more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _note_request(self, now: datetime, training: Training) -> None:
        newest = self.newest_request()
        if newest is None or now > newest.at:
            candidates = KeptCandidates.in_training(training)
            note = {"at": now.isoformat(), "candidates": candidates and candidates.to_json()}
            fresh = self._folder / f"{now.timestamp():.6f}.new"
            fresh.write_text(json.dumps(note), encoding="utf-8")
            fresh.replace(self._folder / _NEWEST)

    def _name(self, training: Training, training_set: TrainingSet, now: datetime) -> str:
        """A name that covers what decides the result; the rehearsal's folder is of one state of the project's code."""
        parts = [training_set.hash, training.model_dump_json(), now.isoformat(), library_versions()]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        """One process at a time works on a training; the system frees the lock of one that was killed."""
        with (self._folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, name: str, families: Mapping[str, Family]) -> TrainingResult | None:
        folder = self._folder / name
        if not folder.exists():
            return None
        with (folder / _RESULT).open("rb") as file:
            result: TrainingResult = _Reader(file, folder, families).load()
        return result

    def _write(self, name: str, result: TrainingResult) -> None:
        fresh = self._folder / f"{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)  # of a process that was killed
        fresh.mkdir()
        with (fresh / _RESULT).open("wb") as file:
            _Writer(file, fresh).dump(replace(result, libraries=dict(result.libraries)))
        fresh.replace(self._folder / name)


class _Writer(pickle.Pickler):
    """A result without its models, which are exported beside it as a release has them."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._folder = folder
        self._models: list[Model] = []

    def persistent_id(self, one: Any) -> str | None:
        if not isinstance(one, Model):
            return None
        self._models.append(one)
        name = f"model{len(self._models)}"
        one.export(self._folder / name)
        return name


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, folder: Path, families: Mapping[str, Family]) -> None:
        super().__init__(file)
        self._folder, self._families = folder, families

    def persistent_load(self, name: str) -> Model:
        return Model.restore(self._folder / name, self._families)
