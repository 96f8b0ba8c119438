"""`touchline init` and `touchline train` of a wide table, beside a plain LightGBM script on the same rows.

    python benchmarks/wide_table.py [--rows 20000] [--columns 500] [--limit 3]

The script reads the file, fits once with early stopping on a fifth of the rows and once more on all rows, with the same
settings and threads. Ours is the declaration as `init` writes it: two candidates and their blend, the evaluation on
test rows, diagnostics, the run in MLflow and the release. Each is a process of its own. Processor seconds, seconds and
their ratios are printed; the exit code is 1 where the ratio of the seconds is above the limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

SCRIPT = """
import sys
import lightgbm
import numpy as np
import polars as pl

frame = pl.read_csv(sys.argv[1])
matrix, labels = frame.drop("id", "target").to_numpy(), (frame["target"] == "yes").to_numpy().astype(float)
params = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "verbosity": -1,
    "num_threads": int(sys.argv[2]), "deterministic": True, "force_row_wise": True, "seed": 7,
}
is_held = np.random.default_rng(7).random(len(labels)) < 0.2
fit, held = (lightgbm.Dataset(matrix[part], labels[part]) for part in (~is_held, is_held))
stop = lightgbm.early_stopping(40, verbose=False)
rounds = lightgbm.train(params, fit, 1000, valid_sets=[held], callbacks=[stop]).best_iteration
lightgbm.train(params, lightgbm.Dataset(matrix, labels), rounds).save_model(sys.argv[1] + ".txt")
print(rounds)
"""


@dataclass(frozen=True)
class Cost:
    """The cost of a process with all that it started."""

    seconds: float
    processor_seconds: float
    output: str


def write_table(path: Path, rows: int, columns: int) -> None:
    """A binary target that a tenth of the columns tell something about, with a null in every fiftieth cell."""
    chance = np.random.default_rng(1)
    matrix = chance.normal(size=(rows, columns)).round(4)
    told = max(columns // 10, 1)
    weights = chance.normal(size=told) / np.sqrt(told)
    score = matrix[:, :told] @ weights + 0.5 * matrix[:, 0] * matrix[:, told - 1] + chance.normal(size=rows)
    matrix[chance.random(matrix.shape) < 0.02] = np.nan
    frame = pl.DataFrame(matrix, schema=[f"c{number:03}" for number in range(columns)]).fill_nan(None)
    target = pl.Series("target", np.where(score > 0.5, "yes", "no"))
    ids = pl.Series("id", [f"r{number:06}" for number in range(rows)])
    frame.with_columns(target).insert_column(0, ids).write_csv(path)


def cost_of(command: list[str], folder: Path) -> Cost:
    """Run a command in the folder; its own home lies there too."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"TOUCHLINE_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):  # 3: a gate refused the version
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, used, done.stdout)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=500)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the script")
    parser.add_argument("--limit", type=float, default=3.0, help="largest ratio of the seconds")
    options = parser.parse_args()
    touchline = str(Path(sys.executable).with_name("touchline"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_table(folder / "wide.csv", options.rows, options.columns)
        print(f"{options.rows:,} rows × {options.columns} columns, {options.threads} threads", flush=True)
        (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
        plain = cost_of([sys.executable, "script.py", "wide.csv", str(options.threads)], folder)
        print(f"  plain script     {plain.seconds:7.1f} s {plain.processor_seconds:7.1f} s of processors", flush=True)
        init = cost_of([touchline, "init", "wide", "--from", "wide.csv", "--target", "target"], folder)
        ours = cost_of([touchline, "train", "-p", "wide"], folder)
        for name, cost in (("touchline init", init), ("touchline train", ours)):
            print(f"  {name:<16} {cost.seconds:7.1f} s {cost.processor_seconds:7.1f} s of processors")
    ratio = ours.seconds / plain.seconds
    print(f"  train over script: {ratio:.2f} of seconds (at most {options.limit:g}), ", end="")
    print(f"{ours.processor_seconds / plain.processor_seconds:.2f} of processor seconds")
    if ratio > options.limit:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
