"""Training on the newest rows alone after a change: when it is tried, what decides on it, and what it brings."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.rehearsal.stream import CHANGE, START, a_run
from touchline.automation.runs.records import PipelineRuns
from touchline.registry import GateReport, read_recipe, read_version
from touchline.rehearsal.policy_run import PolicyRun
from touchline.rehearsal.stepped_run import Steps

# A loss alarm needs 20 days in the test window.
STEPS = Steps(START + timedelta(days=35), START + timedelta(days=35 + 63))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PolicyRun:
    """Nine weeks of the stream that turns round, trained anew after a loss incident."""
    run = a_run(tmp_path_factory.mktemp("stream"), "degradation", steps=STEPS, test="21d")
    run.play(lambda _: None)
    return run


def test_only_a_training_after_a_change_tries_the_newest_rows_alone(run: PolicyRun) -> None:
    first, second = reversed(PipelineRuns(run.stores.database, "stream").newest(100, job="retrain"))
    assert first.project_time < CHANGE < second.project_time
    assert [one.detail["is_recent"] for one in (first, second)] == [False, True]
    recipes = [
        read_recipe(run.stores, read_version(run.stores, "stream", one.detail["version"])) for one in (first, second)
    ]
    assert [recipe.is_recent for recipe in recipes] == [False, True]


def test_it_is_a_refresh_whose_gates_decide_at_once(run: PolicyRun) -> None:
    versions = [read_version(run.stores, "stream", version) for version in (1, 2)]
    assert len({version.hashes["declaration"] for version in versions}) == 1
    staging, production = [one for one in run.stores.journal.history("stream") if one.version == 2]
    assert staging.gate_report is not None
    assert "refresh" in {result.kind for result in GateReport.from_json(staging.gate_report).results}
    assert (staging.to_stage, production.to_stage) == ("Staging", "Production")


def test_it_learns_the_new_world_which_all_rows_together_would_hide(run: PolicyRun) -> None:
    """Of 320 rows half are of the old world: learned together they say nothing."""
    answers = [line["predictions"] for line in run.finished() if line["production"] == 2]
    probabilities = np.array([given for answer in answers for _, _, given in answer])
    assert np.abs(probabilities[:, 0] - 0.5).mean() > 0.2
