"""A registered model works in MLflow's own tools without touchline; rows in are rows out, or an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.registry.builders import a_trained
from touchline.features import decode
from touchline.registry import Registry, record_version

pytestmark = [pytest.mark.services, pytest.mark.filterwarnings("ignore")]

# No site module, so no `.pth` file: the installed libraries are found, touchline's working copy is not.
_ALONE = """
import sys
sys.path.append(sys.argv[1])
import importlib.util
assert importlib.util.find_spec("touchline") is None
import json, mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[2])
frame = pandas.DataFrame(json.loads(sys.argv[3]))
predictions = model.predict(frame)
outputs = model.predict(frame, params={"output": sys.argv[4]})
answer = pandas.DataFrame(outputs).assign(predicted=predictions)
import touchline
assert touchline.__file__.startswith(sys.argv[2].removeprefix("file://")), touchline.__file__
print(json.dumps(answer.to_dict("list")))
"""


def _place(registry: Registry, version: int = 1) -> str:
    place: str = registry.tracking.client.get_model_version("p", str(version)).source
    return place


@pytest.mark.parametrize(
    ("candidate", "task"),
    [("logistic", "three"), ("lightgbm", "two"), ("ridge", "number"), ("forest", "three"), ("xgboost", "two")],
)
def test_the_model_predicts_the_same_without_touchline(registry: Registry, candidate: str, task: str) -> None:
    trained = a_trained(candidate, task=task)
    record_version(registry, trained)
    vectors = trained.result.self_test.vectors[:5]
    rows = json.dumps(decode(trained.result.model.columns, vectors))
    libraries = sysconfig.get_path("purelib")
    output = "prediction" if task == "number" else "probabilities"
    command = [sys.executable, "-I", "-S", "-c", _ALONE, libraries, _place(registry), rows, output]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = trained.result.model.predict(vectors)
    names = [f"p_{name}" for name in trained.result.model.classes] or ["prediction"]
    for place, name in enumerate(names):
        assert answer[name] == pytest.approx(expected[:, place].tolist(), abs=1e-12)
    classes = trained.result.model.classes
    if len(classes) > 2:
        assert answer["predicted"] == [classes[place] for place in expected.argmax(axis=1)]


@pytest.fixture
def loaded(registry: Registry) -> Any:
    import mlflow.pyfunc

    record_version(registry, a_trained())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlflow.pyfunc.load_model(_place(registry))


def _rows() -> dict[str, list[Any]]:
    return {"signal": [1, 2], "noise": [0, None], "group": ["a", None], "gap": [3, 4]}


def test_whole_numbers_and_missing_values_are_taken(loaded: Any) -> None:
    import pandas

    answer = loaded.predict(pandas.DataFrame(_rows()))
    assert len(answer) == 2
    again = loaded.predict(pandas.DataFrame(_rows()).astype({"signal": "float64", "gap": "Int64"}))
    assert answer.equals(again)


@pytest.mark.parametrize("form", ["misspelt", "numpy", "list"])
def test_columns_that_are_missing_are_named(loaded: Any, form: str) -> None:
    import pandas
    from mlflow.exceptions import MlflowException

    frame = pandas.DataFrame(_rows())
    given = {"misspelt": frame.rename(columns={"signal": "sginal"}), "numpy": frame.to_numpy(), "list": [1, 2]}[form]
    with pytest.raises(MlflowException, match=r"missing inputs .*'signal'"):
        loaded.predict(given)


def test_text_in_place_of_a_number_is_refused_by_name(loaded: Any) -> None:
    import pandas
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="signal"):
        loaded.predict(pandas.DataFrame({**_rows(), "signal": ["high", "low"]}))


@pytest.mark.parametrize(("task", "kind"), [("two", "classifier"), ("number", "regressor")])
def test_mlflow_evaluates_the_model(registry: Registry, task: str, kind: str) -> None:
    import mlflow
    import mlflow.models
    import pandas

    trained = a_trained("lightgbm", task=task)
    record_version(registry, trained)
    frame = pandas.DataFrame(trained.training_set.frame.to_dicts()).dropna(subset=["label"])
    mlflow.set_tracking_uri(registry.tracking.uri)
    try:
        with warnings.catch_warnings(), mlflow.start_run(experiment_id=_experiment(registry)):
            warnings.simplefilter("ignore")
            found = mlflow.models.evaluate(_place(registry), frame, targets="label", model_type=kind)
    finally:
        mlflow.set_tracking_uri(None)  # MLflow writes it into the environment, where later tests would read it
    assert "MLFLOW_TRACKING_URI" not in os.environ
    expected = {"classifier": "accuracy_score", "regressor": "mean_absolute_error"}[kind]
    assert found.metrics["example_count"] == len(frame)
    assert 0 < found.metrics[expected] < (1.01 if kind == "classifier" else 10)


def _experiment(registry: Registry) -> str:
    experiment = registry.tracking.client.get_experiment_by_name("p/training")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    return str(experiment.experiment_id)


def test_the_training_set_of_a_run_can_be_read(registry: Registry) -> None:
    import mlflow.data
    import polars as pl

    trained = a_trained()
    registry.objects.write(f"p/training_sets/{trained.training_set.hash}.parquet", b"bytes")
    recorded = record_version(registry, trained)
    (given,) = registry.tracking.client.get_run(recorded.version.run_id).inputs.dataset_inputs
    assert Path(mlflow.data.get_source(given.dataset).load()).read_bytes() == b"bytes"
    assert isinstance(trained.training_set.frame, pl.DataFrame)


def test_loading_a_model_leaves_the_package_that_is_loaded_first_on_the_path(two: Registry) -> None:
    import mlflow

    def copies() -> list[str]:
        return [place for place in sys.path if (Path(place) / "touchline").is_dir()]

    before, path = copies(), list(sys.path)
    try:
        mlflow.pyfunc.load_model(_place(two))
        assert copies() == before
    finally:
        sys.path[:] = path
