"""One peer's fit and predictions, in the peer's own environment. Called by benchmarks/training.py.

    python training_peer.py flaml|autogluon JOB_FOLDER

The folder holds train.parquet, test.parquet and job.json; predictions.npy and done.json are written into it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def run_flaml(job: dict[str, Any], train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """FLAML's default search over all its learners."""
    from flaml import AutoML

    found = AutoML()
    found.fit(
        train.drop(columns="label"),
        train["label"],
        task="regression" if job["kind"] == "regression" else "classification",
        metric="mse" if job["kind"] == "regression" else "log_loss",
        time_budget=job["seconds"],
        n_jobs=job["cores"],
        seed=job["seed"],
        verbose=0,
    )
    if job["kind"] == "regression":
        return np.asarray(found.predict(test), dtype=float)[:, None]
    said = np.asarray(found.predict_proba(test), dtype=float)
    return said[:, [list(found.classes_).index(name) for name in job["classes"]]]


def run_autogluon(job: dict[str, Any], train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """AutoGluon with the preset that is asked for.

    Its trial of whether stacking pays takes a quarter of the time and fails in two minutes on two cores; without it,
    and with folds fitted one after another on both cores, all of the time goes into models.
    """
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor(
        label="label",
        problem_type="regression" if job["kind"] == "regression" else "binary",
        eval_metric="root_mean_squared_error" if job["kind"] == "regression" else "log_loss",
        path=str(Path(job["folder"]) / "autogluon"),
        verbosity=0,
    )
    predictor.fit(
        train,
        time_limit=job["seconds"],
        presets=job["preset"],
        num_cpus=job["cores"],
        dynamic_stacking=False,
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
    )
    if job["kind"] == "regression":
        return np.asarray(predictor.predict(test), dtype=float)[:, None]
    return predictor.predict_proba(test)[job["classes"]].to_numpy(dtype=float)


def main() -> None:
    """Run the job of the folder."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    job = json.loads((folder / "job.json").read_text())
    train, test = pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "test.parquet")
    for frame in (train, test):
        for column in frame.select_dtypes("object").columns.difference(["label"]):
            frame[column] = pd.Categorical(frame[column], categories=job["levels"][column])
    began = time.perf_counter()
    said = {"flaml": run_flaml, "autogluon": run_autogluon}[name](job, train, test)
    seconds = time.perf_counter() - began
    used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    np.save(folder / "predictions.npy", said)
    told = {
        "seconds": seconds,
        "processor_seconds": used,
        "version": version({"flaml": "flaml", "autogluon": "autogluon.tabular"}[name]),
    }
    (folder / "done.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
