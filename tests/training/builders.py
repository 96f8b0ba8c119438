"""Small training sets and tasks for the tests of this room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from touchline.contracts import Contract
from touchline.features import ColumnSpec, Examples, TrainingSet
from touchline.ingest import CsvFiles, Source
from touchline.training import Task, Training, classification, regression

NOW = datetime(2030, 1, 1, tzinfo=UTC)
START = datetime(2020, 1, 1, tzinfo=UTC)
QUICK = Training(candidates=("logistic",), calibration=("none",), validation=0.2)


class Row(Contract):
    """One row of the source; the training sets below are built directly."""

    row_id: str


def some_examples() -> Examples:
    rows = Source("rows", contract=Row, key="row_id", provider=CsvFiles("rows.csv"))
    return Examples(name="rows", sources=(rows,), function=lambda rows: rows)


def a_task(classes: tuple[str, ...] = ("no", "yes"), **changes: object) -> Task:
    return classification(examples=some_examples(), inputs=["signal", "noise", "group"], classes=classes, **changes)  # type: ignore[arg-type]


def a_regression() -> Task:
    return regression(examples=some_examples(), inputs=["signal", "noise", "group"])


def a_frame(
    rows: int = 400, *, seed: int = 1, classes: tuple[str, ...] = ("no", "yes"), timed: bool = True
) -> pl.DataFrame:
    """Examples whose label follows `signal`, ten a day, each known two hours after its cutoff."""
    random = np.random.default_rng(seed)
    signal, noise = random.normal(size=(2, rows))
    score = signal + random.normal(scale=0.8, size=rows)
    edges = np.quantile(score, np.linspace(0, 1, len(classes) + 1)[1:-1])
    days = np.arange(rows) // 10 if timed else np.zeros(rows)
    cutoffs = [START + timedelta(days=int(day)) for day in days]
    return pl.DataFrame(
        {
            "example_id": [f"e{i}" for i in range(rows)],
            "cutoff": pl.Series(cutoffs, dtype=pl.Datetime("us", "UTC")),
            "label": [classes[i] for i in np.searchsorted(edges, score)],
            "label_timestamp": pl.Series([c + timedelta(hours=2) for c in cutoffs], dtype=pl.Datetime("us", "UTC")),
            "cluster": [f"{c:%Y-%m-%d}" for c in cutoffs],
            "signal": signal,
            "noise": noise,
            "group": random.choice(["a", "b", "c"], rows),
        }
    )


def a_training_set(
    frame: pl.DataFrame | None = None, inputs: tuple[str, ...] = ("signal", "noise", "group")
) -> TrainingSet:
    frame = a_frame() if frame is None else frame
    return TrainingSet(frame, tuple(_column(frame[name]) for name in inputs), "hash-of-the-set", {})


def a_number_set(rows: int = 400) -> TrainingSet:
    """A training set whose label is a number."""
    frame = a_frame(rows)
    values = frame["signal"] * 3.0 + frame["noise"] * 0.1
    return a_training_set(frame.with_columns(label=values))


def _column(column: pl.Series) -> ColumnSpec:
    if column.dtype == pl.String:
        return ColumnSpec(column.name, "category", tuple(column.drop_nulls().unique().sort()))
    return ColumnSpec(column.name, "number")
