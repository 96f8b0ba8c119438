"""The trainings that policies with a schedule will ask for, done before they do, by a process of its own.

What a scheduled training learns from depends on the data and the instant, not on what gates or rollouts decide. So a
second core trains for the coming steps while the policies apply gates, settle and predict. A training that depends on
more, as one after drift that looks at the newest rows alone, is done by the policy that asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from touchline.automation.runs import steps
from touchline.automation.runs.kept_candidates import KeptCandidates, comparison_record, recent_comparisons
from touchline.automation.runs.kept_settings import search_record, with_kept_settings
from touchline.automation.runs.pipeline import carried_out, pipeline_lease, version_of_training
from touchline.automation.runs.records import PipelineRuns, RunRequest
from touchline.automation.runs.training_key import training_key
from touchline.automation.schedule.triggers import times_between
from touchline.errors import TouchlineError
from touchline.rehearsal.stepped_run import ACTOR, SteppedRun, Steps
from touchline.training import library_versions

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from touchline.automation import PipelineContext
    from touchline.features import TrainingSet
    from touchline.project import LoadedProject
    from touchline.rehearsal.policies import Policy
    from touchline.rehearsal.shared_trainings import SharedTrainings
    from touchline.training import Training

# So many results at most wait for a policy: they take disk, and a policy may turn to other trainings.
_MOST_WAITING: Final = 12
_POLL_SECONDS: Final = 0.05


def first_scheduled(policies: Sequence[Policy]) -> Policy | None:
    """The first policy whose trainings are known beforehand: those of a schedule without a condition."""
    return next((one for one in policies if one.retrain.schedule is not None and one.retrain.only_if is None), None)


class TrainingRun(SteppedRun):
    """The trainings of a policy's schedule, without what follows them; `trainings` stores their results."""

    def __init__(
        self,
        loaded: LoadedProject,
        histories: Mapping[str, pl.DataFrame],
        policy: Policy,
        steps: Steps,
        folder: Path,
        *,
        trainings: SharedTrainings,
    ) -> None:
        super().__init__(loaded, histories, policy, steps, folder, work=trainings.work_ahead)
        self._trainings = trainings
        self._waiting: tuple[datetime, ...] = ()
        self._requested: KeptCandidates | None = None

    @property
    def is_over(self) -> bool:
        return self._trainings.is_finished

    def _play(self, number: int) -> dict[str, Any]:
        self.clock.move_to(self.steps.at(number))
        context = self.context()
        steps.ingest_all(context)
        snapshots = steps.current_snapshots(context)
        histories = steps.compute_features(context, snapshots)
        declared, runs = context.project.training, PipelineRuns(self.stores.database, context.project.name)
        context = with_kept_settings(context, runs)
        comparisons = recent_comparisons(context, runs, declared)
        # What a search or a comparison finds decides the trainings after it, so none of them is left out.
        is_search = context.project.training.tune.is_on or (declared.compare_every is not None and not comparisons)
        if not self._is_due(number) or not (is_search or self._has_turn()):
            return {"trained": False}
        if comparisons:
            context = self._expected_candidates(comparisons[0]).apply(context)
        examples = steps.current_examples(context, snapshots)
        training_set = steps.join_training_set(context, examples, snapshots=snapshots, histories=histories)
        try:
            return {"trained": self._train(context, training_set, declared)}
        except TouchlineError as failure:  # the policy that trains then has the same, and reports it
            return {"trained": False, "failure": str(failure)}

    def _is_due(self, number: int) -> bool:
        if number == 0:
            return True  # the first version of every policy
        before, now = self.steps.at(number - 1), self.steps.at(number)
        return any(times_between(self.policy.retrain, before, now))

    def _has_turn(self) -> bool:
        """Wait while many results wait; False where the policies are further than this run."""
        while True:
            newest = self._trainings.newest_request()
            if self.is_over or (newest is not None and newest.at >= self.clock.now()):
                return False
            self._waiting = tuple(at for at in self._waiting if newest is None or at > newest.at)
            if len(self._waiting) < _MOST_WAITING:
                return True
            time.sleep(_POLL_SECONDS)

    def _expected_candidates(self, comparison: Mapping[str, Any]) -> KeptCandidates:
        """Those that a policy has asked for last: gates refuse most winners of a later comparison.

        Before a policy has asked for any, the winner's.
        """
        newest = self._trainings.newest_request()
        if newest is not None and newest.candidates is not None:
            self._requested = newest.candidates
        return self._requested or KeptCandidates.from_json(comparison["winner"])

    def _train(self, context: PipelineContext, training_set: TrainingSet, declared: Training) -> bool:
        """Train as the pipeline does; False where nothing is new."""
        runs = PipelineRuns(context.stores.database, context.project.name)
        key = training_key(context.loaded, training_set.hash, library_versions())
        if version_of_training(runs, key) is not None:
            return False
        with pipeline_lease(context, ACTOR) as lease:
            run, _ = runs.request(RunRequest("retrain", "schedule", ACTOR), clock=context.clock)
            with carried_out(context, run, lease) as record:
                self._waiting = (*self._waiting, context.clock.now())
                result = steps.train_candidates(context, training_set)
                found = search_record(context.project.training, result)
                found |= comparison_record(context, result, declared=declared)
                record.finish("done", {"training_key": key, "version": 0, **found})  # no version is recorded
        return True
