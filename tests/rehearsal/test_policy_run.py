from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.rehearsal.stream import CHANGE, STEPS, a_run, stream, write_project
from touchline.rehearsal.rehearse import Rehearsal, play_policy, read_result
from touchline.rehearsal.report import build_report
from touchline.rehearsal.scratch_home import last_finished_step
from touchline.rehearsal.stepped_run import Steps

PLAYED = Steps(STEPS.first, STEPS.first + timedelta(days=70))
MEASURED = {"seconds", "processor_seconds", "megabytes", "training_seconds"}


def quiet(_: str) -> None:
    pass


def lines_of(place: Path, rows: pl.DataFrame | None = None, *, limit: int | None = None) -> list[dict[str, Any]]:
    run = a_run(place, "weekly", rows=rows)
    run.play(quiet, limit=limit)
    run.close()
    return [{name: value for name, value in line.items() if name not in MEASURED} for line in run.finished()]


_PLAY = """
import pickle, sys
from pathlib import Path
from touchline.rehearsal.rehearse import play_policy
play_policy(pickle.loads(Path(sys.argv[1]).read_bytes()), "weekly", lambda _: None)
"""


def a_rehearsal(place: Path, *policies: str) -> Rehearsal:
    loaded = write_project(place)
    folder = place / "rehearsal"
    folder.mkdir(parents=True)
    stream().write_parquet(folder / "events.parquet")
    return Rehearsal(loaded.folder, "stream", PLAYED, policies, folder, loaded.code_hash)


def report_of(rehearsal: Rehearsal) -> dict[str, Any]:
    return build_report(
        rehearsal, {name: read_result(rehearsal, name) for name in rehearsal.policies}, score="log_loss"
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """Two policies over the whole stream."""
    rehearsal = a_rehearsal(tmp_path_factory.mktemp("played"), "never", "weekly")
    for name in rehearsal.policies:
        play_policy(rehearsal, name, quiet)
    return rehearsal


def test_a_policy_that_retrains_wins_where_the_stream_changes(played: Rehearsal) -> None:
    report = report_of(played)
    never, weekly = report["policies"]
    assert report["predictions"] == 70 * 10
    assert (never["trainings"], never["changes_of_production"]) == (1, 0)
    assert weekly["loss"] < never["loss"] - 0.1
    assert 0 <= weekly["regret"] < never["regret"]
    assert report["recommendation"].startswith("No recommendation: 'weekly' has the lowest loss (log_loss ")
    assert "10 steps are too few" in report["recommendation"]
    assert max(never["skew"], weekly["skew"]) < 1e-12


def test_rows_after_an_instant_change_nothing_before_it(tmp_path: Path) -> None:
    cut = STEPS.at(3)
    is_later = pl.col("created_timestamp") > cut
    other = stream().with_columns(
        bought=pl.when(is_later).then(~pl.col("bought")).otherwise(pl.col("bought")),
    )
    lines, others = lines_of(tmp_path / "a", limit=6), lines_of(tmp_path / "b", other, limit=6)
    assert lines[:4] == others[:4]
    assert lines[5]["predictions"] != others[5]["predictions"]


def test_inputs_of_events_that_lie_ahead_reach_no_training(tmp_path: Path) -> None:
    cut = STEPS.at(3)
    is_later = pl.col("at") > cut + timedelta(days=7)
    other = stream().with_columns(x=pl.when(is_later).then(100 + pl.col("x")).otherwise(pl.col("x")))
    lines, others = lines_of(tmp_path / "a", limit=4), lines_of(tmp_path / "b", other, limit=4)
    assert lines == others


@pytest.mark.scale
def test_a_killed_rehearsal_goes_on_to_the_same_report(tmp_path: Path, played: Rehearsal) -> None:
    whole, killed = replace(played, policies=("weekly",)), a_rehearsal(tmp_path / "killed", "weekly")
    (tmp_path / "rehearsal.pickle").write_bytes(pickle.dumps(killed))
    # A process with a path of its own: MLflow models that other tests load leave theirs in this one.
    process = subprocess.Popen([sys.executable, "-c", _PLAY, str(tmp_path / "rehearsal.pickle")])
    log, deadline = killed.policy_folder("weekly") / "steps.jsonl", time.monotonic() + 600
    while (last_finished_step(log.parent) or 0) < 1:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = log.read_bytes().splitlines()[: (last_finished_step(log.parent) or 0) + 1]
    play_policy(killed, "weekly", quiet)
    assert log.read_bytes().splitlines()[: len(before)] == before
    assert report_of(killed)["hash"] == report_of(whole)["hash"]


def test_a_finished_policy_is_not_played_again(played: Rehearsal) -> None:
    told: list[str] = []
    play_policy(played, "never", told.append)
    assert told == ["never: finished before"]


def test_the_naive_rule_changes_production_where_the_mean_of_the_test_window_is_lower(tmp_path: Path) -> None:
    run = a_run(tmp_path, "weekly-naive", steps=Steps(CHANGE, CHANGE + timedelta(days=42)))
    run.play(quiet)
    run.close()
    lines = run.finished()
    refused = [line for line in lines if line.get("refusal")]
    assert refused
    assert all("log_loss" in line["refusal"] and "above" in line["refusal"] for line in refused)
