"""One policy over the steps of a rehearsal: the pipeline, monitoring and rollouts of production, step by step."""

from __future__ import annotations

import ctypes
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.automation import (
    PipelineContext,
    PipelineReport,
    check_production_drift,
    check_production_performance,
    decide_due,
    ingest_and_settle,
    next_run,
    resume_pipeline,
    run_pipeline,
)
from touchline.automation.promotion.promote import move_to_production
from touchline.errors import TouchlineError
from touchline.registry import Gate, read_version
from touchline.rehearsal.history import HistoryProvider
from touchline.rehearsal.policies import Policy
from touchline.rehearsal.predict_open import OpenPredictor
from touchline.rehearsal.scratch_home import Checkpoints, RehearsalClock, open_scratch
from touchline.rollout import Rollout
from touchline.training import TrainingOptions

if TYPE_CHECKING:
    from touchline.project import LoadedProject, Project

ACTOR = "rehearsal"
_STEPS_PER_TRIM = 8
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


class PolicyRun:
    """One policy in a scratch home of its own; `play` goes on after the last step that was finished."""

    def __init__(
        self, loaded: LoadedProject, histories: Mapping[str, pl.DataFrame], policy: Policy, steps: Steps, folder: Path
    ) -> None:
        self.policy, self.steps, self.folder = policy, steps, folder
        self._histories = histories
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
        self._predictor = OpenPredictor(self.context())

    def context(self, *, gates: tuple[Gate, ...] | None = None) -> PipelineContext:
        """The project in the scratch home; what nobody reads in a rehearsal is switched off."""
        project = self._loaded.project
        loaded = self._loaded if gates is None else replace(self._loaded, project=_with(project, gates=gates))
        return PipelineContext(loaded, self.stores, options=TrainingOptions(has_diagnostics=False))

    def finished(self) -> list[dict[str, Any]]:
        """The lines of the finished steps."""
        return self._checkpoints.read()

    def play(self, on_progress: Progress, *, limit: int | None = None) -> None:
        """Play the steps that are not finished, at most `limit` of them."""
        last = len(self.steps) if limit is None else min(len(self.steps), self._next_step + limit)
        for number in range(self._next_step, last):
            began, processor_began = time.perf_counter(), time.process_time()
            line = self._play(self.steps.at(number))
            line |= {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - processor_began}
            if number % _STEPS_PER_TRIM == 0:
                trim_memory()
            line |= {"megabytes": _megabytes()}
            self._checkpoints.write(number, self.clock.now(), line, is_last=number + 1 == last)
            self._next_step = number + 1
            on_progress(f"{self.policy.name}: {self.steps.at(number):%Y-%m-%d} ({number + 1} of {len(self.steps)})")

    def close(self) -> None:
        self.stores.database.close()

    # --- one step ---

    def _play(self, now: datetime) -> dict[str, Any]:
        """Ingest and settle, monitor, train where it is due, and predict what comes before the next step."""
        self.clock.move_to(now)
        line: dict[str, Any] = {"at": now.isoformat(), "trained": None}
        ingest_and_settle(self.context(), self._loaded.project.sources)
        line |= self._monitor()
        ticks = decide_due(self._loaded.project, self.stores, actor=ACTOR)
        line["reasons"] = [tick.trigger for tick in ticks]
        run = next_run(self._loaded.name, self.stores)
        if self._production() is None:
            line |= self._train(lambda: run_pipeline(self.context(gates=()), trigger="first", actor=ACTOR))
        elif run is not None:
            context = self.context(gates=self._gates())
            line |= self._train(lambda: resume_pipeline(context, run.id, actor=ACTOR))
        line["production"] = self._production()
        predicted = self._predictor.predict(now + self.steps.length)
        return line | {"predictions": [list(asdict(one).values()) for one in predicted]}

    def _production(self) -> int | None:
        return self.stores.journal.state(self._loaded.name).production

    def _train(self, pipeline: Callable[[], PipelineReport | None]) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            report = pipeline()
        except TouchlineError as failure:  # as too few examples; production goes on with what it has
            return {"failure": f"{type(failure).__name__}: {failure}", "training_seconds": time.perf_counter() - began}
        seconds = {"training_seconds": time.perf_counter() - began}
        if report is None:
            return seconds
        if self.policy.decisions == "naive":
            self._promote_at_once(report)
        refusal = str(report.refusal) if report.refusal is not None else None
        trained = report.version.version if report.is_new else None
        return {"trained": trained, "refusal": refusal, "rollout": report.rollout, **seconds}

    def _gates(self) -> tuple[Gate, ...] | None:
        """None: the declared ones. The naive rule: the mean loss on the test window is at most Production's on its own.

        The first version has passed without gates, so that all policies begin alike.
        """
        production = self._production()
        if self.policy.decisions == "statistical" or production is None:
            return None
        version = read_version(self.stores, self._loaded.name, production)
        metric = self._loaded.project.training.score_for(self._loaded.project.task.kind)
        value = version.metrics[metric].value if metric in version.metrics else None
        return () if value is None else (Gate(metric, at_most=value),)

    def _promote_at_once(self, report: PipelineReport) -> None:
        version = read_version(self.stores, self._loaded.name, report.version.version)
        if version.stage == "Staging":
            move_to_production(self.context(), version.version, reason="its mean loss is lower")

    def _monitor(self) -> dict[str, Any]:
        if self._production() is None:
            return {"drift": None, "loss": None}
        drift = check_production_drift(self._loaded.project, self.stores)
        loss = check_production_performance(self._loaded.project, self.stores)
        return {"drift": drift.state, "loss": loss.state}


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
