"""Searches of settings: how often, and what competes between two of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.rehearsal.stream import STEPS, a_run
from touchline.automation.runs.records import PipelineRuns
from touchline.registry import read_version


def trainings(place: Path, tune: str, *, steps: int) -> list[tuple[int, dict[str, Any] | None, str]]:
    """The step, the noted search and the winner's name of each training."""
    run = a_run(place, "weekly", tune=tune)
    run.play(lambda _: None, limit=steps)
    found = []
    for one in reversed(PipelineRuns(run.stores.database, "stream").newest(100, job="retrain")):
        version = read_version(run.stores, "stream", one.detail["version"])
        number = (version.created_at - STEPS.first) // timedelta(days=7)
        found.append((number, one.detail.get("search"), version.name))
    run.close()
    return found


def test_settings_are_searched_again_when_the_last_search_is_old_enough(tmp_path: Path) -> None:
    found = trainings(tmp_path, 'Tune(trials=3, windows=1, every="21d")', steps=7)
    assert [step for step, search, _ in found if search is not None] == [0, 3, 6]
    settings = [search["settings"]["logistic"]["strength"] for _, search, _ in found if search is not None]
    assert len(set(settings)) > 1


def test_without_a_length_of_time_every_training_searches(tmp_path: Path) -> None:
    assert all(search is not None for _, search, _ in trainings(tmp_path, "Tune(trials=2, windows=1)", steps=3))


def test_found_settings_compete_under_their_name_until_then(tmp_path: Path) -> None:
    found = trainings(tmp_path, 'Tune(trials=5, windows=1, every="1y")', steps=4)
    assert [step for step, search, _ in found if search is not None] == [0]
    assert {name for _, _, name in found} <= {"logistic", "logistic+tuned"}
    assert "logistic+tuned" in {name for step, _, name in found if step}
