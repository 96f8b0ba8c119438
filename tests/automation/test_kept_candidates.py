"""Comparisons of all candidates: how often, and what is trained between two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.stream import a_run
from touchline.automation import run_pipeline
from touchline.automation.runs.kept_candidates import KeptCandidates
from touchline.automation.runs.records import PipelineRuns
from touchline.registry import read_recipe, read_version
from touchline.training import Recipe


def test_between_two_comparisons_the_recipe_of_production_alone_is_trained(tmp_path: Path) -> None:
    run = a_run(tmp_path, "weekly", tune='Tune(trials=2, windows=1, every="1y"), compare_every="14d"')
    run.play(lambda _: None, limit=4)
    run_pipeline(run.context(), trigger="manual", actor="a person", is_forced=True)
    details = [one.detail for one in PipelineRuns(run.stores.database, "stream").newest(9, job="retrain")][::-1]
    assert ["comparison" in detail for detail in details] == [True, False, True, False, True]
    versions = [read_version(run.stores, "stream", detail["version"]) for detail in details]
    trained = [KeptCandidates.of(read_recipe(run.stores, version)).to_json() for version in versions]
    assert [detail["kept"] for detail in details] == [None, trained[0], None, trained[3], None]
    assert all(len(one["names"]) == 1 for one in trained)
    run.close()


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        ("lightgbm", "lightgbm"),
        ("lightgbm+tuned 2", "lightgbm+tuned"),
        ("lightgbm+tuned+smote", "lightgbm+tuned"),
        ("lightgbm+curved+tuned", "lightgbm"),
    ],
)
def test_what_a_training_tries_of_itself_is_kept_by_its_candidate(candidate: str, name: str) -> None:
    alone = Recipe(candidate=candidate, family="lightgbm", params={}, columns=(), seed=1)
    blend = Recipe(candidate="blend", family="blend", params={}, columns=(), seed=1, members=(alone, alone))
    assert KeptCandidates.of(alone) == KeptCandidates((name,), is_blend=False)
    assert KeptCandidates.of(blend) == KeptCandidates((name,), is_blend=True)
