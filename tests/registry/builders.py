"""Trained versions and registries, small, for the tests of this room."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.registry import scale, transforms
from tests.stores import all_stores
from touchline.automation import Stores
from touchline.clock import FrozenClock
from touchline.contracts import Contract
from touchline.features import ColumnSpec, TrainingSet, examples, on_demand
from touchline.ingest import Source
from touchline.registry import Trained, open_tracking
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.manifest import ReleaseManifest
from touchline.storage import Database
from touchline.training import Task, Training, TrainingResult, classification, regression, train

START = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = timedelta(hours=2)


class Row(Contract):
    """One example."""

    row_id: str
    signal: float
    noise: float | None = None
    group: str
    label: str


rows = Source.model_construct(name="rows", contract=Row, key=("row_id",), event_time=None, known_after=timedelta(0))


@examples(source=rows)
def example_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Every row."""
    return rows


gap = on_demand(inputs=["signal", "noise"])(transforms.gap)


def a_task(classes: tuple[str, ...] = ("no", "yes")) -> Task:
    return classification(
        examples=example_rows, inputs=["signal", "noise", "group"], on_demand=[gap], classes=classes, slices=["group"]
    )


def a_number_task() -> Task:
    return regression(examples=example_rows, inputs=["signal", "noise", "group"], on_demand=[gap])


def a_frame(
    count: int = 600, *, seed: int = 1, noise: float = 1.0, classes: tuple[str, ...] = ("no", "yes")
) -> pl.DataFrame:
    """Examples, five a day, whose label follows `signal`; more `noise` makes them harder."""
    rng = np.random.default_rng(seed)
    signal, other = rng.normal(size=(2, count))
    score = signal + rng.normal(scale=noise, size=count)
    edges = np.quantile(score, np.linspace(0, 1, len(classes) + 1)[1:-1])
    cutoffs = [START + timedelta(days=int(day)) for day in np.arange(count) // 5]
    stamp = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "example_id": [f"e{i}" for i in range(count)],
            "cutoff": pl.Series(cutoffs, dtype=stamp),
            "label": [classes[i] for i in np.searchsorted(edges, score)],
            "label_timestamp": pl.Series([cutoff + HOURS for cutoff in cutoffs], dtype=stamp),
            "cluster": [f"{cutoff:%Y-%m-%d}" for cutoff in cutoffs],
            "signal": signal,
            "noise": other,
            "group": rng.choice(["a", "b", "c"], count),
        }
    ).with_columns(gap=(pl.col("signal") - pl.col("noise")) * scale.SCALE)


def a_training_set(frame: pl.DataFrame, name: str = "set-1") -> TrainingSet:
    columns = (
        ColumnSpec("signal", "number"),
        ColumnSpec("noise", "number"),
        ColumnSpec("group", "category", ("a", "b", "c")),
        ColumnSpec("gap", "number", origin="on_demand"),
    )
    return TrainingSet(
        frame, columns, name, {"sources": {"rows": "abc"}, "views": {}, "on_demand": {"gap": gap.version}}
    )


@cache
def a_result(candidate: str, seed: int, task: str, now: datetime) -> TrainingResult:
    training = Training(candidates=(candidate,), calibration=("none",), test=0.4, validation=0.2)
    return train(TASKS[task](), training, a_training_set(_frame(task, seed), f"{task}-{seed}"), now=now)


TASKS = {"two": a_task, "three": lambda: a_task(("a", "b", "c")), "number": a_number_task}


def _frame(task: str, seed: int) -> pl.DataFrame:
    frame = a_frame(seed=seed, classes=("a", "b", "c") if task == "three" else ("no", "yes"))
    return frame.with_columns(label=pl.col("signal") * 3.0 + pl.col("noise")) if task == "number" else frame


def a_trained(
    candidate: str = "logistic",
    *,
    project: str = "p",
    seed: int = 1,
    task: str = "two",
    now: datetime = NOW,
    **more: Any,
) -> Trained:
    """One training; equal arguments give the same one."""
    training_set = a_training_set(_frame(task, seed), f"{task}-{seed}")
    return Trained(project, TASKS[task](), training_set, a_result(candidate, seed, task, now), **more)


def a_registry(database: Database, folder: Path, *, now: datetime = NOW, tracking_uri: str | None = None) -> Stores:
    """A registry in a folder, with MLflow embedded."""
    uri = tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
    tracking = open_tracking(uri, artifacts=folder / "mlflow-artifacts")
    return all_stores(database, folder, clock=FrozenClock(now), tracking=tracking)


def sign_again(folder: Path) -> None:
    """The manifest and the digest of a bundle that somebody has changed on purpose."""
    hashes = {name: value for name, value in file_hashes(folder).items() if name != "release.json"}
    manifest = ReleaseManifest.from_bytes((folder / "release.json").read_bytes())
    (folder / "release.json").write_bytes(replace(manifest, files=hashes).to_bytes())
    (folder / DIGEST_FILE).write_text(digest_of(file_hashes(folder)) + "\n", encoding="ascii")
