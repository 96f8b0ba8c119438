"""MLflow's own tools work on what touchline registers, and say the same as the release."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.registry.builders import NOW, a_frame, a_task, a_trained, a_training_set
from tests.servers import spare_port
from touchline.errors import TrackingUnavailable
from touchline.features import decode
from touchline.registry import (
    Decision,
    Registry,
    Tracking,
    Trained,
    load_release,
    promote,
    read_versions,
    record_version,
)
from touchline.training import Training, Tune, train

pytestmark = pytest.mark.services


def as_mlflow_says(
    registry: Registry, version: int, rows: list[dict[str, Any]], *, has_classes: bool = True
) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        import pandas

        place = registry.tracking.client.get_model_version("p", str(version)).source
        params = {"output": "probabilities" if has_classes else "prediction"}
        answer = mlflow.pyfunc.load_model(place).predict(pandas.DataFrame(rows), params=params)
    outputs: np.ndarray[Any, Any] = answer.to_numpy().reshape(len(rows), -1)
    return outputs


@pytest.mark.parametrize(
    ("candidate", "task"),
    [("logistic", "three"), ("lightgbm", "two"), ("ridge", "number"), ("forest", "three"), ("xgboost", "two")],
)
def test_mlflow_and_the_release_say_the_same(registry: Registry, candidate: str, task: str) -> None:
    trained = a_trained(candidate, task=task)
    version = record_version(registry, trained).version
    done = promote(registry, "p", version.version, Decision("ann"))
    assert done.release is not None
    release = load_release(done.release.path, digest=done.release.digest)
    vectors = trained.result.self_test.vectors
    rows = decode(release.manifest.columns, vectors)
    said = as_mlflow_says(registry, 1, rows, has_classes=task != "number")
    assert np.abs(said - release.model.predict(vectors)).max() <= 1e-9


def test_the_model_version_has_signature_example_and_stated_requirements(two: Registry) -> None:
    place = two.tracking.client.get_model_version("p", "1").source
    from mlflow.models import Model

    folder = Path(place.removeprefix("file://"))
    record = Model.load(folder)
    assert record.signature.inputs.input_names() == ["signal", "noise", "group", "gap"]
    assert record.signature.outputs.input_names() == ["prediction"]
    assert (folder / "input_example.json").exists()
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert {line.partition("==")[0] for line in requirements} == {"mlflow", "numpy", "pandas"}
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".joblib")]


def answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the server answers."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


@pytest.mark.services
def test_mlflow_models_serve_answers_with_the_production_version(registry: Registry) -> None:
    trained = a_trained()
    record_version(registry, trained)
    promote(registry, "p", 1, Decision("ann"))
    port = spare_port()
    command = ["models", "serve", "-m", "models:/p@production", "--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command],
        env={**os.environ, "MLFLOW_TRACKING_URI": registry.tracking.uri, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        answers(f"http://127.0.0.1:{port}/ping", process)
        vectors = trained.result.self_test.vectors[:3]
        rows = decode(trained.result.model.columns, vectors)
        body = json.dumps({"dataframe_records": rows, "params": {"output": "probabilities"}}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            said = [[row["p_no"], row["p_yes"]] for row in json.load(answer)["predictions"]]
        assert np.abs(np.array(said) - trained.result.model.predict(vectors)).max() <= 1e-9
    finally:
        process.terminate()
        process.wait(timeout=120)


def test_a_locked_database_registers_nothing_and_is_tried_again(registry: Registry, tmp_path: Path) -> None:
    uri = registry.tracking.uri
    tracking = Tracking(f"{uri}?timeout=0.1", artifacts=tmp_path / "mlflow-artifacts", patience=(0.0,))
    impatient = dataclasses.replace(registry, open_tracking=lambda: tracking)
    lock = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TrackingUnavailable, match=r"did not answer in 2 attempts .*locked"):
        record_version(impatient, a_trained())
    assert read_versions(registry, "p") == []
    lock.execute("ROLLBACK")
    lock.close()
    assert record_version(impatient, a_trained()).version.version == 1


def test_where_embedded_mlflow_keeps_its_files_is_never_left_to_chance() -> None:
    with pytest.raises(ValueError, match="say with artifacts= where its files lie"):
        Tracking("sqlite:///mlflow.db")


def test_a_stranger_sees_in_mlflow_what_a_version_is(two: Registry) -> None:
    promote(two, "p", 1, Decision("ann"))
    client = two.tracking.client
    version = client.get_model_version_by_alias("p", "production")
    assert "the best of 1 candidates" in version.description
    assert "log_loss" in version.description
    run = client.get_run(version.run_id)
    assert run.info.run_name.startswith("logistic 2024-01-01")
    assert run.data.tags["mlflow.note.content"] == version.description
    assert {"test.from", "test.to", "train.rows", "seed", "model.strength"} <= set(run.data.params)
    names = {item.path for item in client.list_artifacts(version.run_id)}
    assert {"card.md", "card.html", "plots", "evaluation.json"} <= names


def test_experiment_model_and_every_run_say_what_they_are(two: Registry) -> None:
    client = two.tracking.client
    experiment = client.get_experiment_by_name("p/training")
    assert "Every run is one training" in experiment.tags["mlflow.note.content"]
    assert "models:/p@production" in client.get_registered_model("p").description
    runs = client.search_runs([experiment.experiment_id])
    assert [run for run in runs if not run.data.tags.get("mlflow.note.content")] == []
    (child, _) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert "It was chosen." in child.data.tags["mlflow.note.content"]
    assert {run.data.tags["mlflow.source.name"] for run in runs} == {"touchline train"}


def test_the_settings_tried_for_a_candidate_are_runs_below_it(registry: Registry) -> None:
    training = Training(candidates=("logistic",), calibration=("none",), smote=False, test=0.4, tune=Tune(trials=3))
    training_set = a_training_set(a_frame())
    result = train(a_task(), training, training_set, now=NOW)
    ((name, tuning),) = [(report.name, report.tuning) for report in result.candidates if report.tuning]
    version = record_version(registry, Trained("p", a_task(), training_set, result)).version
    client = registry.tracking.client
    runs = client.search_runs([client.get_experiment_by_name("p/training").experiment_id])
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == version.run_id]
    (candidate,) = [run for run in below if run.info.run_name == name]
    trials = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == candidate.info.run_id]
    assert {run.info.run_name for run in trials} == {f"{name} trial {one.number}" for one in tuning.trials}
    assert candidate.data.params["search.sampler"] == tuning.sampler
    statuses = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
    assert sorted(run.info.status for run in trials) == sorted(statuses[one.state] for one in tuning.trials)
