"""Runs are found by what they scored; versions are compared, taken away and made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.builders import a_frame, a_task, a_trained, a_training_set
from touchline.errors import FolderNotEmpty, InvalidFilter, RunNotFound, RunValueUnknown
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    Material,
    Registry,
    RunQuery,
    best_run,
    compare_runs,
    compare_versions,
    count_runs,
    download_release,
    list_runs,
    load_release,
    promote,
    read_card,
    read_version,
    record_version,
    reproduce,
)
from touchline.training import Training

pytestmark = pytest.mark.services

TRAINING = Training(candidates=("logistic",), calibration=("none",), test=0.4, validation=0.2)


def test_runs_are_listed_with_their_versions_and_stages(two: Registry) -> None:
    promote(two, "p", 1, Decision("ann"))
    runs = list_runs(two, "p", RunQuery(sort="candidate"))
    assert {(run.version, run.stage, run.params["candidate"]) for run in runs} == {
        (1, "Production", "logistic"),
        (2, "None", "logistic"),
    }
    with_children = list_runs(two, "p", RunQuery(has_children=True))
    assert {run.parent_id for run in with_children} == {None, *(run.run_id for run in runs)}


def test_runs_are_filtered_and_sorted_by_metric(two: Registry) -> None:
    by_loss = list_runs(two, "p", RunQuery(sort="log_loss"))
    losses = [run.metrics["log_loss"] for run in by_loss]
    assert losses == sorted(losses)
    between = f"log_loss < {sum(losses) / 2} and candidate = logistic"
    assert [run.run_id for run in list_runs(two, "p", RunQuery(between))] == [by_loss[0].run_id]
    assert list_runs(two, "p", RunQuery("candidate != 'logistic'")) == []


def test_the_best_run_knows_which_end_is_best(two: Registry) -> None:
    runs = list_runs(two, "p")
    assert best_run(two, "p", "log_loss").metrics["log_loss"] == min(run.metrics["log_loss"] for run in runs)
    assert best_run(two, "p", "roc_auc").metrics["roc_auc"] == max(run.metrics["roc_auc"] for run in runs)
    with pytest.raises(RunNotFound, match="p has no run with a log_loss that matches 'log_loss < 0', of 2 trainings"):
        best_run(two, "p", "log_loss", where="log_loss < 0")


def test_a_metric_or_parameter_that_no_run_has_is_named_with_the_nearest(two: Registry) -> None:
    with pytest.raises(RunValueUnknown, match=r"has a metric 'acc'. Did you mean 'accuracy'\? The runs have: .*brier"):
        best_run(two, "p", "acc")
    for query in (RunQuery("log_los < 1"), RunQuery("candidat = x"), RunQuery(sort="-log_los"), RunQuery("x = 1")):
        with pytest.raises(
            RunValueUnknown, match=r"No run of p has a metric or parameter .* The runs have: .*log_loss"
        ):
            list_runs(two, "p", query)


def test_a_parameter_that_is_a_number_is_found_too(two: Registry) -> None:
    seed = list_runs(two, "p")[0].params["seed"]
    assert seed.isdecimal()
    assert len(list_runs(two, "p", RunQuery(f"seed = {seed}"))) == 2
    with pytest.raises(InvalidFilter, match="seed is a parameter, which only = and != compare"):
        list_runs(two, "p", RunQuery("seed < 8"))
    with pytest.raises(InvalidFilter, match="log_loss is a metric, so its value is a number"):
        list_runs(two, "p", RunQuery("log_loss = low"))


def test_all_runs_are_counted(two: Registry) -> None:
    assert (count_runs(two, "p"), count_runs(two, "nobody")) == (2, 0)
    assert count_runs(two, "p", has_children=True) == len(list_runs(two, "p", RunQuery(has_children=True)))


@pytest.mark.parametrize("where", ["log_loss", "log_loss <", "candidate < logistic", "a = 'it''s'"])
def test_a_filter_that_cannot_be_read_says_how_to_write_one(two: Registry, where: str) -> None:
    with pytest.raises(InvalidFilter, match="Write NAME SIGN VALUE"):
        list_runs(two, "p", RunQuery(where))


def test_an_unknown_project_has_no_runs(two: Registry) -> None:
    assert list_runs(two, "nobody") == []


def test_runs_are_compared_by_what_differs(two: Registry) -> None:
    found = compare_runs(two, "p", ["1", list_runs(two, "p", RunQuery(sort="log_loss"))[0].run_id])
    assert "candidate" not in found.params
    assert len(found.metrics["log_loss"]) == 2
    with pytest.raises(RunNotFound):
        compare_runs(two, "p", ["99"])


def test_versions_are_compared_on_the_rows_both_were_judged_on(two: Registry) -> None:
    record_version(two, a_trained("lightgbm"))
    found = compare_versions(two, "p", 1, 3)
    assert found.paired is not None
    assert found.paired.rows == 240
    order = "log_loss of version 1 minus that of version 3"
    assert found.sentence.startswith(f"{order}: {found.paired.difference:+.4f} (95 %")
    assert found.hashes["data"][0] == found.hashes["data"][1]
    assert found.recipe["family"] == ("logistic", "lightgbm")
    assert found.metrics["log_loss"][0] == read_version(two, "p", 1).metrics["log_loss"]


def test_a_downloaded_release_is_whole_and_never_mixed(two: Registry, tmp_path: Path) -> None:
    folder = download_release(two, "p", 2, tmp_path / "away")
    assert load_release(folder).manifest.version == 2
    with pytest.raises(FolderNotEmpty):
        download_release(two, "p", 2, tmp_path / "away")


def test_a_version_made_again_predicts_the_same_bit_for_bit(two: Registry) -> None:
    material = Material(a_task(), TRAINING, a_training_set(a_frame(seed=2), "two-2"))
    found = reproduce(two, read_version(two, "p", 2), material)
    assert (found.is_same, found.gap, found.changed, found.rows) == (True, 0.0, (), 240)


def test_trees_are_made_again_bit_for_bit_too(registry: Registry) -> None:
    version = record_version(registry, a_trained("lightgbm")).version
    training = TRAINING.model_copy(update={"candidates": ("lightgbm",)})
    found = reproduce(registry, version, Material(a_task(), training, a_training_set(a_frame(), "two-1")))
    assert found.is_same


def test_other_data_make_another_version_and_say_so(two: Registry) -> None:
    changed = a_training_set(a_frame(seed=2, noise=2.0), "other")
    found = reproduce(two, read_version(two, "p", 2), Material(a_task(), TRAINING, changed))
    assert not found.is_same
    assert found.changed == ("training set: two-2 then, other now",)


def test_the_card_tells_the_training_and_what_was_decided(two: Registry) -> None:
    promote(two, "p", 1, Decision("ann"), inputs=GateInputs((Gate("accuracy", at_least=0.52),)))
    card = read_card(two, "p", "Production")
    loss = f"{card.version.metrics['log_loss'].value:.4g}"
    for text in (card.markdown, card.html):
        assert loss in text
        assert "0.771 is within the gate" in text
        assert "is in Production" in text
        assert card.version.hashes["environment"] in text
    assert card.html.count("</body>") == 1


def test_the_artifacts_of_the_run_are_the_stored_files(two: Registry, tmp_path: Path) -> None:
    version = read_version(two, "p", 1)
    folder = Path(two.tracking.client.download_artifacts(version.run_id, "", str(tmp_path)))
    names = ["evaluation.json", "card.md", "card.html", *(f"plots/{path.name}" for path in folder.glob("plots/*"))]
    assert len(names) > 8
    for name in names:
        assert (folder / name).read_bytes() == two.objects.read(f"{version.object_key}/{name}"), name
