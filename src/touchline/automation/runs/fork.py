"""A new training that takes over what an earlier run found in its first steps: a run and a step come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from touchline.automation.runs.records import PipelineRuns, Run, RunRequest
from touchline.errors import RunStopped, StepNotReached, UnknownName, UnknownRun
from touchline.features.offline.training_set import TrainingSet, read_training_set
from touchline.ingest import Snapshot, read_snapshot
from touchline.predictions import Settled

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.clock import Clock

TRAINING_STEPS: Final = ("ingest", "features", "settle", "training_set", "train", "materialize", "promote")
FIRST_STEPS: Final = ("features", "settle", "training_set", "train", "materialize")
"""A fork begins at one of these: a promotion alone is `touchline models promote`."""


@dataclass(frozen=True)
class Origin:
    """The run that a fork takes over, and the outputs of the steps that it does; empty for a run that is no fork."""

    run_id: str = ""
    fork_id: str = ""
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)

    def has(self, step: str) -> bool:
        return step in self.outputs

    def output(self, step: str) -> dict[str, Any]:
        """What the step found, with the run that found it."""
        return {**self.outputs[step], "from_run": self.run_id} if self.has(step) else {}

    def snapshots(self, context: PipelineContext) -> dict[str, Snapshot]:
        """The snapshots that the run has seen; none where this run ingests."""
        project = context.project.name
        return {name: read_snapshot(project, name, context.stores, hash) for name, hash in self.seen.items()}

    def settled(self) -> Settled | None:
        found = self.outputs.get("settle")
        return None if found is None else Settled(**{name: found[name] for name in Settled.__dataclass_fields__})

    def training_set(self, context: PipelineContext) -> TrainingSet | None:
        found = self.outputs.get("training_set")
        if found is None:
            return None
        return read_training_set(found["hash"], project=context.project.name, stores=context.stores)

    def require_same(self, step: str, output: Mapping[str, Any]) -> None:
        """Raise `RunStopped` where a step that is taken over would find something else today."""
        changed = [name for name, found in self.outputs.get(step, {}).items() if output.get(name, found) != found]
        if changed:
            reason = f"{', '.join(changed)} changed since run {self.run_id}: fork it from {step}"
            raise RunStopped("the project", self.fork_id, reason)


def fork_run(runs: PipelineRuns, run_id: str, step: str, *, actor: str, clock: Clock) -> Run:
    """Ask for a training that begins at a step of an earlier one.

    Raises `UnknownName` for a step at which no fork begins, `StepNotReached` where the run did not come that far.
    """
    if step not in FIRST_STEPS:
        raise UnknownName("step", step, list(FIRST_STEPS))
    origin = runs.find(run_id)
    if origin.job != "retrain":
        raise UnknownRun(origin.job, run_id)
    done = _done(runs, run_id)
    missing = [name for name in _before(step) if name not in done]
    if missing:
        raise StepNotReached(run_id, step, missing)
    reason = f"fork of run {run_id} from {step}"
    request = RunRequest("retrain", "fork", actor, reason, is_forced=step == "train", fork=(run_id, step))
    return runs.request(request, clock=clock)[0]


def read_origin(runs: PipelineRuns, run: Run) -> Origin:
    """What a run takes over."""
    if run.fork is None:
        return Origin()
    run_id, step = run.fork
    done = _done(runs, run_id)
    outputs = {name: done[name] for name in _before(step)}
    return Origin(run_id, run.id, outputs, runs.find(run_id).detail["snapshots"])


def _done(runs: PipelineRuns, run_id: str) -> dict[str, dict[str, Any]]:
    """The outputs of the finished steps of a run, those of its newest attempt last."""
    return {step.name: dict(step.output) for step in runs.steps(run_id) if step.status == "done"}


def _before(step: str) -> tuple[str, ...]:
    return TRAINING_STEPS[: TRAINING_STEPS.index(step)]
