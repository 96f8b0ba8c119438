"""Trainings that another process does ahead of a policy: the policy decides and releases the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.rehearsal.stream import STEPS, stream, write_project
from touchline.rehearsal.policies import find_policies
from touchline.rehearsal.policy_run import PolicyRun
from touchline.rehearsal.shared_trainings import SharedTrainings
from touchline.rehearsal.train_ahead import TrainingRun

MEASURED = {"seconds", "processor_seconds", "megabytes", "training_seconds"}
COUNT = 3
TUNE = "Tune(trials=1, every='28d'), compare_every='28d'"


def quiet(_: str) -> None:
    pass


def decisions_of(run: PolicyRun) -> dict[str, Any]:
    """The steps, the stage changes with the gates' reports, and the digest of each release."""
    state = run.stores.journal.state("stream")
    changes = run.stores.journal.history("stream")
    return {
        "lines": [{name: one for name, one in line.items() if name not in MEASURED} for line in run.finished()],
        "changes": [(one.version, one.from_stage, one.to_stage, one.reason, one.gate_report) for one in changes],
        "releases": dict(state.releases),
    }


def test_a_policy_decides_the_same_with_trainings_done_ahead(tmp_path: Path) -> None:
    """The first step searches settings and compares candidates for the next ones; the policy does the last training."""
    loaded, histories = write_project(tmp_path, TUNE), {"events": stream(days=60)}
    policy = find_policies(["weekly"], loaded.project)[0]
    alone = PolicyRun(loaded, histories, policy, STEPS, tmp_path / "alone")
    alone.play(quiet, limit=COUNT)
    trainings = SharedTrainings(tmp_path / "trainings")
    work = trainings.work_of_policy
    ahead = TrainingRun(loaded, histories, policy, STEPS, trainings.home, trainings=trainings)
    beside = PolicyRun(loaded, histories, policy, STEPS, tmp_path / "beside", work=work)
    ahead.play(quiet, limit=COUNT - 1)
    beside.play(quiet, limit=COUNT)
    assert [line["trained"] for line in ahead.finished()] == [True] * (COUNT - 1)
    assert len(list((tmp_path / "trainings").glob("*/result.pickle"))) == COUNT
    assert decisions_of(beside) == decisions_of(alone)
    assert decisions_of(alone)["releases"]
    for run in (alone, ahead, beside):
        run.close()


def test_trainings_that_policies_have_passed_are_not_done(tmp_path: Path) -> None:
    loaded, histories = write_project(tmp_path), {"events": stream(days=60)}
    policy = find_policies(["weekly"], loaded.project)[0]
    trainings = SharedTrainings(tmp_path / "trainings")
    work = trainings.work_of_policy
    beside = PolicyRun(loaded, histories, policy, STEPS, tmp_path / "beside", work=work)
    beside.play(quiet, limit=1)
    ahead = TrainingRun(loaded, histories, policy, STEPS, trainings.home, trainings=trainings)
    ahead.play(quiet, limit=2)
    assert [line["trained"] for line in ahead.finished()] == [False, True]
    trainings.finish()
    ahead.play(quiet)
    assert len(ahead.finished()) == 2
    for run in (ahead, beside):
        run.close()
