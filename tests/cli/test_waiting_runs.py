"""Runs that wait: a backfill asks for them in measure, they can be withdrawn, and one that is ended waits no more."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import a_shop
from tests.cli.test_schedule import database_of, hold, runs_of
from tests.test_loop import until
from touchline.automation import PipelineRuns, RunRequest
from touchline.clock import SystemClock
from touchline.errors import BackfillTooLarge

pytestmark = pytest.mark.services


def test_a_large_backfill_needs_a_word_begins_with_the_data_and_can_be_withdrawn(tmp_path: Path) -> None:
    with a_shop(tmp_path) as cli:
        cli.run("ingest")
        first = cli.json("data", "show", "visits")["first_event"][:10]
        wide = ("schedule", "backfill", "retrain", "--from", "1990-01-01")
        with pytest.raises(
            BackfillTooLarge, match=rf"asks for (\d\d+) runs, from {first[:4]}.* or --yes to ask"
        ) as large:
            cli.run(*wide)
        assert runs_of(cli) == []
        printed = cli.run(*wide, "--yes")
        assert f"shop: {len(large.value.times)} runs of retrain asked for" in printed
        assert re.search(rf"left out: 1\d\d\d times before the first data of {first}", printed)
        assert "touchline schedule cancel retrain -p shop" in printed
        database = database_of(cli)
        PipelineRuns(database, "shop").request(RunRequest("daily"), clock=SystemClock())
        database.close()
        printed = cli.run("schedule", "cancel", "retrain", "--reason", "too many")
        assert f"{len(large.value.times)} waiting runs of retrain cancelled" in printed
        runs = runs_of(cli)
        assert {(run.job, run.status) for run in runs} == {("daily", "queued"), ("retrain", "stopped")}
        assert (runs[-1].failure or "").endswith(": too many")
        assert "0 waiting runs of retrain cancelled" in cli.run("schedule", "cancel", "retrain")


def test_a_training_by_hand_that_is_ended_is_stopped_with_the_next_command(tmp_path: Path) -> None:
    with a_shop(tmp_path) as fresh:
        hold(fresh)
        command = [sys.executable, "-m", "touchline.cli.main", "train"]
        with subprocess.Popen(
            command, cwd=fresh.place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            until(lambda: any(run.attempts == 1 for run in runs_of(fresh)))
            process.terminate()
            assert process.wait(timeout=240) == 128 + signal.SIGTERM
        [run] = runs_of(fresh)
        assert (run.status, run.failure) == (
            "stopped",
            "its process was ended (SIGTERM); to start anew: touchline retrain",
        )
