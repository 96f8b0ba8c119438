"""A run over the steps of a rehearsal: a scratch home, a clock, rows as they were known, and finished steps."""

from __future__ import annotations

import ctypes
import resource
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from touchline.automation import PipelineContext
from touchline.features import build_training_set, compute_view
from touchline.rehearsal.history import HistoryProvider
from touchline.rehearsal.policies import Policy
from touchline.rehearsal.scratch_home import Checkpoints, RehearsalClock, open_scratch
from touchline.rollout import Rollout
from touchline.training import TrainingOptions, train

if TYPE_CHECKING:
    from touchline.automation.runs.steps import SetBuilder, Trainer, ViewComputer
    from touchline.project import LoadedProject, Project
    from touchline.registry import Gate

ACTOR: Final = "rehearsal"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Steps:
    """The instants of a rehearsal: from the first up to the last, a step apart."""

    first: datetime
    last: datetime
    length: timedelta = timedelta(days=7)

    def __len__(self) -> int:
        return max(0, -((self.first - self.last) // self.length))

    def at(self, number: int) -> datetime:
        return self.first + number * self.length


@dataclass(frozen=True)
class Work:
    """Who trains, computes views and joins training sets: this process, or another one that shares its results."""

    trainer: Trainer = train
    view_computer: ViewComputer = compute_view
    set_builder: SetBuilder = build_training_set


class SteppedRun(ABC):
    """A run in a scratch home of its own; `play` goes on after the last step that was finished."""

    def __init__(
        self,
        loaded: LoadedProject,
        histories: Mapping[str, pl.DataFrame],
        policy: Policy,
        steps: Steps,
        folder: Path,
        *,
        work: Work = Work(),
    ) -> None:
        self.policy, self.steps, self.folder = policy, steps, folder
        self._work = work
        self._checkpoints = Checkpoints(folder, folder / "steps.jsonl")
        folder.mkdir(parents=True, exist_ok=True)
        state = self._checkpoints.restore()
        self._next_step = 0 if state is None else int(state["step"]) + 1
        self.clock = RehearsalClock(steps.first if state is None else datetime.fromisoformat(state["instant"]))
        providers = {name: HistoryProvider(_source(loaded.project, name), rows) for name, rows in histories.items()}
        if state is not None:
            for provider in providers.values():
                provider.resume_after(steps.at(int(state["step"])))
        self._loaded = replace(loaded, project=_replayed(loaded.project, policy, providers))
        self.stores = open_scratch(folder, self.clock)

    def context(self, *, gates: tuple[Gate, ...] | None = None) -> PipelineContext:
        """The project in the scratch home; what nobody reads in a rehearsal is switched off."""
        project = self._loaded.project
        loaded = self._loaded if gates is None else replace(self._loaded, project=_with(project, gates=gates))
        options = TrainingOptions(has_diagnostics=False)
        work = self._work
        return PipelineContext(
            loaded,
            self.stores,
            options=options,
            trainer=work.trainer,
            view_computer=work.view_computer,
            set_builder=work.set_builder,
        )

    @property
    def is_over(self) -> bool:
        """Whether nobody needs its further steps."""
        return False

    def finished(self) -> list[dict[str, Any]]:
        """The lines of the finished steps."""
        return self._checkpoints.read()

    def play(self, on_progress: Progress, *, limit: int | None = None) -> None:
        """Play the steps that are not finished, at most `limit` of them."""
        last = len(self.steps) if limit is None else min(len(self.steps), self._next_step + limit)
        for number in range(self._next_step, last):
            if self.is_over:
                return
            began, processor_began = time.perf_counter(), time.process_time()
            line = self._play(number)
            line |= {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - processor_began}
            trim_memory()
            line |= {"megabytes": _megabytes()}
            self._checkpoints.write(number, self.clock.now(), line, is_last=number + 1 == last)
            self._next_step = number + 1
            on_progress(f"{self.policy.name}: {self.steps.at(number):%Y-%m-%d} ({number + 1} of {len(self.steps)})")

    def close(self) -> None:
        self.stores.database.close()

    @abstractmethod
    def _play(self, number: int) -> dict[str, Any]:
        """One step; its line in the log."""


def _source(project: Project, name: str) -> Any:
    return next(source for source in project.sources if source.name == name)


def _replayed(project: Project, policy: Policy, providers: Mapping[str, HistoryProvider]) -> Project:
    """The declaration with rows from history and the policy's retraining; views and examples stay as they are."""
    sources = tuple(source.model_copy(update={"provider": providers[source.name]}) for source in project.sources)
    rollout = policy.rollout
    if policy.decisions == "naive":
        rollout = (rollout or Rollout()).model_copy(update={"holdout_days": 0.0})
    changed = {"sources": sources, "retrain": policy.retrain, "rollout": rollout}
    return _with(project, **changed, daily=None, clock=None, alerts=None)  # each step does the day's work


def _with(project: Project, **fields: Any) -> Project:
    return project.model_copy(update=fields)


def trim_memory() -> None:
    """Give free memory back to the system: each training leaves some between what stays, which glibc retains."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _megabytes() -> float:
    """The resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
