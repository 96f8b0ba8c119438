"""What a training leaves in the registry and in MLflow."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest

from tests.registry.builders import NOW, a_trained
from touchline.errors import TrackingUnavailable, VersionNotFound
from touchline.registry import Registry, read_version, read_versions, record_version

pytestmark = pytest.mark.services


def test_the_first_version_is_1_0_0_in_none(registry: Registry) -> None:
    recorded = record_version(registry, a_trained(ticket="ABC-1"))
    version = recorded.version
    assert (recorded.is_new, version.version, version.semantic_version, version.stage) == (True, 1, "1.0.0", "None")
    assert version.ticket == "ABC-1"
    assert set(version.hashes) == {"data", "feature", "code", "environment", "recipe", "declaration"}
    assert version.metrics["log_loss"].value < version.baseline["log_loss"].value


def test_the_same_training_is_recorded_once(registry: Registry) -> None:
    record_version(registry, a_trained())
    again = record_version(registry, a_trained())
    assert (again.is_new, again.version.version, len(read_versions(registry, "p"))) == (False, 1, 1)


def test_new_data_is_a_patch_a_new_recipe_a_minor_and_new_classes_a_major(registry: Registry) -> None:
    trainings = [a_trained(), a_trained(seed=2), a_trained("lightgbm", seed=2), a_trained(task="three")]
    numbers = [record_version(registry, trained).version.semantic_version for trained in trainings]
    assert numbers == ["1.0.0", "1.0.1", "1.1.0", "2.0.0"]


def test_the_numbers_in_mlflow_are_those_of_the_record(registry: Registry) -> None:
    version = record_version(registry, a_trained()).version
    run = registry.tracking.client.get_run(version.run_id)
    assert run.data.metrics["log_loss"] == version.metrics["log_loss"].value
    assert run.data.metrics["log_loss_low"] == version.metrics["log_loss"].low
    assert run.data.metrics["baseline_log_loss"] == version.baseline["log_loss"].value
    assert run.data.params["candidate"] == "logistic"
    assert run.inputs.dataset_inputs[0].dataset.digest == "two-1"
    names = {item.path for item in registry.tracking.client.list_artifacts(version.run_id)}
    assert {"evaluation.json", "metadata.json", "features.json", "lineage.json"} <= names


def test_every_candidate_is_a_run_below_the_training(registry: Registry) -> None:
    version = record_version(registry, a_trained()).version
    client = registry.tracking.client
    experiment = client.get_experiment_by_name("p/training").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{version.run_id}'")
    assert [run.info.run_name for run in children] == ["logistic"]
    assert "validation_log_loss" in children[0].data.metrics


def test_a_run_that_was_cut_off_is_replaced_not_doubled(registry: Registry) -> None:
    client = registry.tracking.client
    experiment = client.create_experiment("p/training", artifact_location=f"file://{registry.objects.root}/mlflow")  # type: ignore[attr-defined]
    first = record_version(registry, a_trained()).version
    client.update_run(first.run_id, status="RUNNING")
    logged = client.search_runs([experiment], "tags.`touchline.key` != ''")
    assert len(logged) == 1
    # The row was never written: as after a kill between MLflow and the database.
    with registry.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM model_versions")
        connection.exec_driver_sql("DELETE FROM version_metrics")
    again = record_version(registry, a_trained()).version
    assert again.run_id != first.run_id
    assert len(client.search_runs([experiment], "tags.`touchline.key` != ''")) == 1


def test_a_kill_after_mlflow_registers_no_second_version(registry: Registry) -> None:
    first = record_version(registry, a_trained()).version
    with registry.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM model_versions")
        connection.exec_driver_sql("DELETE FROM version_metrics")
    again = record_version(registry, a_trained()).version
    assert (again.version, again.run_id) == (first.version, first.run_id)
    assert len(registry.tracking.client.search_model_versions("name = 'p'")) == 1


def test_mlflow_away_registers_nothing_and_the_next_attempt_succeeds(registry: Registry) -> None:
    unreachable = type(registry.tracking)("http://127.0.0.1:9", patience=(0.0,))
    away = dataclasses.replace(registry, open_tracking=lambda: unreachable)
    with pytest.raises(TrackingUnavailable, match=r"did not answer in 2 attempts .* Nothing was registered"):
        record_version(away, a_trained())
    assert read_versions(registry, "p") == []
    assert record_version(registry, a_trained()).version.version == 1


def test_a_later_training_on_the_same_data_is_a_new_version(registry: Registry) -> None:
    record_version(registry, a_trained())
    later = record_version(registry, a_trained(now=NOW + timedelta(days=7)))
    assert (later.is_new, later.version.version, later.version.semantic_version) == (True, 2, "1.0.1")


def test_an_unknown_version_lists_those_there_are(registry: Registry) -> None:
    record_version(registry, a_trained())
    with pytest.raises(VersionNotFound, match=r"p has no version 'Production'. Versions: 1 \(1.0.0, None\)"):
        read_version(registry, "p", "Production")
    with pytest.raises(VersionNotFound, match="p has no version '99999999999999999999'"):
        read_version(registry, "p", "9" * 20)


def test_a_regression_is_recorded_too(registry: Registry) -> None:
    version = record_version(registry, a_trained("ridge", task="number")).version
    assert "rmse" in version.metrics
    facts = json.loads(registry.objects.read(f"{version.object_key}/facts.json"))
    assert (facts["task"], facts["classes"]) == ("regression", [])
