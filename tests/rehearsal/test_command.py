"""The command line, with real processes: a rehearsal, its report, and a policy taken into the declaration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.rehearsal.stream import stream, write_project
from touchline.project import load_project

pytestmark = pytest.mark.services


def run(place: Path, *words: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "touchline.cli.main", *words, "-p", "stream"]
    environment = {**os.environ, "TOUCHLINE_HOME": str(place / "home")}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_rehearsal_is_reported_and_its_policy_enters_the_declaration(tmp_path: Path) -> None:
    project = write_project(tmp_path).folder
    events = stream(days=70).select("event_id", pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "x", "bought")
    events.write_csv(tmp_path / "events.csv")
    assert "there is no policy 'weakly'" in run(tmp_path, "ingest") + run(
        tmp_path, "rehearse", "--from", "2024-01-29", "--to", "2024-02-26", "--policy", "weakly", code=2
    )
    later = run(tmp_path, "rehearse", "--from", "2025-01-29", "--to", "2025-04-26", code=2)
    assert "no example has its cutoff; the cutoffs of all go from 2024-01-01 to 2024-03-10" in later
    words = ["rehearse", "--from", "2024-01-29", "--to", "2024-02-26", "--policy", "drift", "--policy", "weekly"]
    words += ["--workers", "2"]  # so that one of them trains ahead, also where there is a single core
    report: dict[str, Any] = json.loads(run(tmp_path, *words, "--json", "--out", str(tmp_path / "out")))
    assert [policy["name"] for policy in report["policies"]] == ["drift", "weekly"]
    assert not list((tmp_path / "home").rglob("trainings-*"))
    assert json.loads((tmp_path / "out" / "report.json").read_text())["hash"] == report["hash"]
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    applied = run(tmp_path, *words, "--apply", "drift")
    assert "project.py: retrain=Retrain(schedule=None, on_drift=True)" in applied
    assert "nothing is in Production" in applied
    assert load_project(project, base=tmp_path).project.retrain.schedule is None


def test_examples_that_have_their_label_at_once_are_refused_before_anything_is_played(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    path.write_text(path.read_text().replace('cutoff="at"', 'cutoff="event_timestamp"'))
    events = stream(days=40).select("event_id", pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "x", "bought")
    events.write_csv(tmp_path / "events.csv")
    run(tmp_path, "ingest")
    refused = run(tmp_path, "rehearse", "--from", "2024-01-08", "--to", "2024-02-08", code=2)
    assert "each of the 310 examples from 2024-01-08 to 2024-02-08 has its label at its cutoff" in refused
    assert not (tmp_path / "home" / "rehearsals").exists()
