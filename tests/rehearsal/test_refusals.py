"""Bad input to a rehearsal: each is a clear error, with the next step."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.rehearsal.stream import START, STEPS, stream, write_project
from touchline.errors import RehearsalRefused
from touchline.project import LoadedProject, load_project
from touchline.rehearsal.rehearse import Rehearsal, environment_of_children, play_policy, prepare, rehearse
from touchline.rehearsal.stepped_run import Steps

FEW = Steps(STEPS.first, STEPS.first + timedelta(days=35))


def prepared(loaded: LoadedProject, place: Path, steps: Steps = STEPS, *policies: str) -> Rehearsal:
    """A rehearsal whose rows lie where `prepare` would have put those of snapshots."""
    rehearsal = prepare(loaded, {}, steps, policies or ["never"], root=place / "rehearsals")
    stream().write_parquet(rehearsal.folder / "events.parquet")
    return rehearsal


def test_an_end_before_the_beginning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RehearsalRefused, match="--to 2024-01-29 is not after --from 2024-05-06; exchange them"):
        prepared(write_project(tmp_path), tmp_path, Steps(STEPS.last, STEPS.first))


def test_too_few_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RehearsalRefused, match="are 2 steps; give at least 4"):
        prepared(write_project(tmp_path), tmp_path, Steps(START, START + timedelta(days=14)))


def test_examples_without_a_time_are_refused(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    text = path.read_text().replace('event_time="at", known_after=timedelta(hours=1),\n', "\n")
    path.write_text(text.replace('\n    hidden_until_known=("bought",),', "\n   "))
    with pytest.raises(RehearsalRefused, match="'events', which declares no event_time"):
        prepared(load_project(path.parent, base=tmp_path), tmp_path)


def test_a_time_before_all_history_is_refused_with_what_kept_models_away(tmp_path: Path) -> None:
    early = Steps(START - timedelta(days=60), START - timedelta(days=25))
    with pytest.raises(RehearsalRefused, match=r"no policy predicted an example.*the last training failed with: "):
        rehearse(prepared(write_project(tmp_path), tmp_path, early), workers=1)


def test_code_that_was_edited_in_the_middle_ends_the_rehearsal_until_the_edit_is_taken_back(tmp_path: Path) -> None:
    loaded = write_project(tmp_path)
    rehearsal = prepared(loaded, tmp_path, FEW)
    path = loaded.folder / "project.py"
    before = path.read_text()
    path.write_text(before + "\n# a note\n")
    with pytest.raises(RehearsalRefused, match="was edited while the rehearsal ran"):
        play_policy(rehearsal, "never")
    path.write_text(before)
    play_policy(rehearsal, "never")
    assert (rehearsal.policy_folder("never") / "scores.npz").exists()


def test_a_refusal_of_a_worker_process_reaches_its_parent(tmp_path: Path) -> None:
    loaded = write_project(tmp_path)
    rehearsal = prepared(loaded, tmp_path)
    (loaded.folder / "project.py").write_text((loaded.folder / "project.py").read_text() + "# a note\n")
    with pytest.raises(RehearsalRefused, match="was edited while the rehearsal ran") as refused:
        rehearse(rehearsal, workers=1)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.project) == (str(refused.value), "stream")


def test_two_processes_do_not_rehearse_one_policy(tmp_path: Path) -> None:
    rehearsal = prepared(write_project(tmp_path), tmp_path, FEW)
    refusals: list[str] = []

    def in_between(_: str) -> None:
        if not refusals:
            with pytest.raises(RehearsalRefused, match="another process rehearses policy 'never'") as refused:
                play_policy(rehearsal, "never")
            refusals.append(str(refused.value))

    play_policy(rehearsal, "never", in_between)
    assert refusals


def test_the_processes_of_a_rehearsal_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code = "import os, polars; print(os.environ['OMP_NUM_THREADS'], polars.thread_pool_size())"
    ask = [sys.executable, "-c", code]
    with environment_of_children(1):
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split() == ["3", "1"]
    assert "POLARS_MAX_THREADS" not in os.environ
