"""What a long history costs: a million logged predictions exported, two hundred versions listed and compared.

    python benchmarks/long_history.py [predictions] [versions] [--rows 1000000] [--versions 200]

predictions: answers of one year with 30 inputs each, then `export_predictions`.
versions: small trainings recorded in MLflow; `touchline runs list` and `compare` are run as programs, at 20 versions
and at all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.predictions.builders import a_row
from tests.registry.builders import a_registry, a_trained
from touchline.predictions import export_predictions
from touchline.registry import record_version
from touchline.storage import Database, open_objects
from touchline.storage.tables import predictions as log

START = datetime(2025, 1, 1, tzinfo=UTC)
_PART = 10_000
_PROJECT = """
import polars as pl
from touchline import Contract, CsvFiles, Project, Source, classification, examples

class Row(Contract):
    row_id: str
    signal: float
    label: str

rows = Source("rows", contract=Row, key="row_id", provider=CsvFiles("rows.csv"))

@examples(source=rows)
def example_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    \"\"\"Every row.\"\"\"
    return rows.with_columns(example_id="row_id")

project = Project(
    name="p", sources=[rows], task=classification(examples=example_rows, inputs=["signal"], classes=["no", "yes"])
)
"""


def log_rows(count: int) -> Iterator[dict[str, Any]]:
    """Answers over one year in the order of time, 30 inputs each."""
    chance, step = np.random.default_rng(1), timedelta(days=365) / count
    for number in range(count):
        vector = chance.normal(size=30)
        inputs = {f"input_{place}": float(value) for place, value in enumerate(vector)}
        at = START + number * step
        yield a_row(f"{number:026}", inputs=inputs, vector=vector.astype("<f8").tobytes(), cutoff=at, answered_at=at)


def export(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database.open(f"sqlite:///{folder / 'touchline.db'}")
        database.migrate()
        rows = log_rows(count)
        while part := list(islice(rows, _PART)):
            with database.begin() as connection:
                connection.execute(log.insert(), part)
        size = (folder / "touchline.db").stat().st_size / 1e6
        began = time.perf_counter()
        done = export_predictions(
            database, open_objects(folder / "objects"), "shop", since=None, until=datetime.now(UTC) + timedelta(days=1)
        )
        seconds = time.perf_counter() - began
        files = len(done.object_keys)
        print(f"export: {done.rows:,} predictions ({size:.0f} MB) to {files} files in {seconds:.1f} s")


def versions(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        home.mkdir()
        database = Database.open(f"sqlite:///{home / 'touchline.db'}")
        database.migrate()
        registry = a_registry(database, home)
        project = Path(name) / "projects" / "p"
        project.mkdir(parents=True)
        (project / "project.py").write_text(_PROJECT)
        for number in range(1, count + 1):
            began = time.perf_counter()
            record_version(registry, a_trained(seed=number))
            seconds = time.perf_counter() - began
            if number in (min(20, count), count):
                print(f"versions: {number} recorded, the last in {seconds:.1f} s with its training")
                _time_commands(Path(name), home, number)


def _time_commands(folder: Path, home: Path, count: int) -> None:
    environment = os.environ | {
        "TOUCHLINE_HOME": str(home),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }
    for words in (["list"], ["list", "--limit", "1"], ["compare", "1", str(count)], ["best", "log_loss"]):
        command = [sys.executable, "-m", "touchline.cli.main", "runs", *words, "-p", "p", "--json"]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        print(f"   runs {' '.join(words):<20} {time.perf_counter() - began:5.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=["predictions", "versions", []], default=[])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=200)
    given = parser.parse_args()
    which = given.which or ["predictions", "versions"]
    if "predictions" in which:
        export(given.rows)
    if "versions" in which:
        versions(given.versions)


if __name__ == "__main__":
    main()
