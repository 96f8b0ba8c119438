"""Four public tables by the command line alone: `init`, `train` and `predict`, without an edit, on rows held out.

    python benchmarks/public_tables.py FOLDER [TABLE ...]

FOLDER holds adult_train.csv.gz and adult_test.csv.gz, telco_churn.csv, california_housing.csv and
bike_sharing_hour.csv. Adult comes with its test rows; the newest fifth of bike's hours is held out; of telco and
california a fifth is drawn (seed 0; of telco class by class). The bars are the project's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

Frames = tuple[pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True)
class Table:
    """A table, its target, how its held-out rows are found, and the bar: an AUC to reach, or an RMSE not to pass."""

    name: str
    target: str
    split: Callable[[Path], Frames]
    bar: float
    positive: str | None = None
    options: tuple[str, ...] = ()


def as_text(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def adult(folder: Path) -> Frames:
    """The published parts; the labels of the test rows end with a dot."""
    known, unseen = as_text(folder / "adult_train.csv.gz"), as_text(folder / "adult_test.csv.gz")
    return known, unseen.with_columns(pl.col("income").str.strip_chars_end("."))


def drawn(name: str, stratify: str | None) -> Callable[[Path], Frames]:
    """A fifth of the rows at random, in the order of the file."""

    def split(folder: Path) -> Frames:
        table = as_text(folder / name)
        labels = table[stratify].to_numpy() if stratify else None
        known, unseen = train_test_split(np.arange(table.height), test_size=0.2, random_state=0, stratify=labels)
        return table[np.sort(known)], table[np.sort(unseen)]

    return split


def newest(name: str) -> Callable[[Path], Frames]:
    """The last fifth of a file in order of time."""

    def split(folder: Path) -> Frames:
        table = as_text(folder / name)
        cut = table.height * 4 // 5
        return table[:cut], table[cut:]

    return split


TABLES = {
    table.name: table
    for table in (
        Table("adult", "income", adult, 0.929, positive=">50K"),
        Table("telco", "Churn", drawn("telco_churn.csv", "Churn"), 0.864, positive="Yes"),
        Table("california", "median_house_value", drawn("california_housing.csv", None), 46_000.0),
        Table("bike", "cnt", newest("bike_sharing_hour.csv"), 68.0),
    )
}


def touchline(place: Path, *words: str) -> str:
    """The output of a command in a home of its own."""
    environment = {**os.environ, "TOUCHLINE_HOME": str(place / "home")}
    done = subprocess.run(["touchline", *words], cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"touchline {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def measured(table: Table, folder: Path) -> str:
    """One line: the measure on the held-out rows, the bar, the seconds of the training, and the chosen candidate."""
    known, unseen = table.split(folder)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        known.write_csv(place / "known.csv")
        unseen.drop(table.target).write_csv(place / "unseen.csv")
        touchline(place, "init", "own", "--from", str(place / "known.csv"), "--target", table.target, *table.options)
        began = time.perf_counter()
        chosen = json.loads(touchline(place, "train", "-p", "own", "--json"))
        seconds = time.perf_counter() - began
        touchline(place, "predict", "-p", "own", "--file", "unseen.csv", "--out", "out.csv")
        rows = pl.read_csv(place / "out.csv", infer_schema=False)
    refused = int(rows["problem"].is_not_null().sum())
    if table.positive is not None:
        scores = rows["score"].cast(pl.Float64).fill_null(0.5).to_numpy()
        value = float(roc_auc_score((unseen[table.target].str.strip_chars() == table.positive).to_numpy(), scores))
        reached, text = value >= table.bar, f"ROC AUC {value:.4f}, bar {table.bar:.3f}"
    else:
        errors = rows["value"].cast(pl.Float64) - unseen[table.target].cast(pl.Float64)
        value = float((errors.drop_nulls() ** 2).mean()) ** 0.5  # type: ignore[arg-type]  # of numbers
        reached, text = value <= table.bar, f"RMSE {value:,.1f}, bar {table.bar:,.0f}"
    verdict = "reached" if reached else "MISSED"
    return (
        f"{table.name:<11} {known.height:>6} + {unseen.height:>5} rows  {text}  {verdict:<8} {refused} refused  "
        f"{seconds:.0f} s  {chosen.get('best_candidate', chosen.get('candidate', ''))}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("tables", nargs="*", default=list(TABLES))
    options = parser.parse_args()
    if options.folder is None:
        print("no folder of public tables was named, so there is nothing to measure")
        return
    for name in options.tables:
        print(measured(TABLES[name], options.folder), flush=True)


if __name__ == "__main__":
    main()
