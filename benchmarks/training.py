"""How good what touchline trains is, beside FLAML and AutoGluon, in the same time on the same rows and cores.

    python benchmarks/training.py --data ../shared/data --seconds 120 [--only telco] [--peers flaml autogluon]

Each peer runs in an environment of its own (made below --envs by venv and pip when it is not there), with everything
it can use installed: AutoGluon with its neural networks, FLAML with CatBoost. All get the same seconds for the whole of
their training, and are judged by the same code on the same test rows, with 95 % intervals over those rows. Nothing here
was chosen by looking at test rows: touchline's own defaults come from validation windows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from peers.runs import peer_python
from touchline.contracts import Contract
from touchline.features import ColumnSpec, Examples, TrainingSet
from touchline.ingest import CsvFiles, Source
from touchline.statistics import interval
from touchline.training import Task, Training, Tune, classification, loss_rows, regression, split_again, train
from touchline.training.data.splits import Split
from touchline.training.evaluation.evaluate import EvaluatedRows, metrics_with_intervals

Array = NDArray[np.float64]
NOW = datetime(2030, 1, 1, tzinfo=UTC)
STAMP = datetime(1970, 1, 1, tzinfo=UTC)
PEERS = {
    "flaml": ["flaml[automl]", "setuptools<81", "catboost", "pyarrow"],
    # Without Ray, whose start alone takes a sixth of two minutes on two cores: folds are then fitted one after another.
    "autogluon": ["autogluon.tabular[lightgbm,xgboost,catboost,fastai]", "pyarrow"],
}
# Of the time; the end of a training cannot be foreseen to the second.
SHARE = 0.95


class Row(Contract):
    """One row of a file."""

    row_id: str


@dataclass(frozen=True)
class Problem:
    """A file, its label, and how it is read."""

    name: str
    label: str
    kind: str
    read: Callable[[Path], pl.DataFrame]


def _adult_as_text(data: Path) -> pl.DataFrame:
    # The spaces before them make Polars read five of the six numbers as text: categories of up to 21,648 levels.
    frame = pl.read_csv(data / "tabular/adult_train.csv.gz").with_columns(pl.col(pl.String).str.strip_chars())
    return frame.with_columns(pl.when(pl.col(pl.String) != "?").then(pl.col(pl.String)))


def _adult(data: Path) -> pl.DataFrame:
    numbers = ["fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
    return _adult_as_text(data).with_columns(pl.col(numbers).cast(pl.Int64))


def _bank(data: Path) -> pl.DataFrame:
    # `duration` is known only after the call.
    frame = pl.read_csv(data / "leads/bank-additional-full.csv.gz", separator=";", infer_schema_length=None)
    return frame.drop("duration")


def _telco(data: Path) -> pl.DataFrame:
    return pl.read_csv(data / "tabular/telco_churn.csv", null_values=[" "]).drop("customerID")


def _california(data: Path) -> pl.DataFrame:
    return pl.read_csv(data / "tabular/california_housing.csv")


PROBLEMS = (
    Problem("adult income", "income", "binary", _adult),
    Problem("adult as text", "income", "binary", _adult_as_text),
    Problem("bank-additional", "y", "binary", _bank),
    Problem("telco churn", "Churn", "binary", _telco),
    Problem("california housing", "median_house_value", "regression", _california),
)


def training_set_of(problem: Problem, frame: pl.DataFrame) -> TrainingSet:
    """The file as a training set without time."""
    inputs = [name for name in frame.columns if name != problem.label]
    rows = frame.with_row_index("example_id").select(
        pl.col("example_id").cast(pl.String),
        pl.lit(STAMP).cast(pl.Datetime("us", "UTC")).alias("cutoff"),
        pl.col(problem.label).alias("label"),
        pl.lit(STAMP).cast(pl.Datetime("us", "UTC")).alias("label_timestamp"),
        *inputs,
    )
    return TrainingSet(rows, tuple(_column(rows[name]) for name in inputs), problem.name)


def _column(column: pl.Series) -> ColumnSpec:
    if column.dtype == pl.String:
        return ColumnSpec(column.name, "category", tuple(column.drop_nulls().unique().sort()))
    return ColumnSpec(column.name, "number")


def task_of(problem: Problem, training_set: TrainingSet) -> Task:
    """The task of the file."""
    rows = Source("rows", contract=Row, key="row_id", provider=CsvFiles("rows.csv"))
    examples = Examples(name="rows", sources=(rows,), function=lambda frame: frame)
    make = regression if problem.kind == "regression" else classification
    return make(examples=examples, inputs=[column.name for column in training_set.columns])


@dataclass(frozen=True)
class Outcome:
    """What one of them said about the test rows, how long it took, and what it had of the processors in that time."""

    name: str
    said: Array
    seconds: float
    processor_seconds: float


def training_of(problem: Problem, seconds: float, seed: int) -> Training:
    """What touchline is told: its own families, a search, and a blend."""
    linear = "ridge" if problem.kind == "regression" else "logistic"
    return Training(
        candidates=(linear, "lightgbm", "xgboost", "forest"),
        seconds=seconds * SHARE,
        tune=Tune(seconds=seconds),
        test=0.2,
        seed=seed,
        blend=True,
        bags=10,
        learning_curve=False,
    )


def run_touchline(problem: Problem, training_set: TrainingSet, seconds: float, seed: int) -> Outcome:
    """Our outcome; what came of each candidate is printed."""
    began, used = time.perf_counter(), time.process_time()
    training = training_of(problem, seconds, seed)
    result = train(task_of(problem, training_set), training, training_set, now=NOW)
    took, used = time.perf_counter() - began, time.process_time() - used
    names = [f"p_{name}" for name in result.model.classes] or ["value"]
    said = result.evaluation.predictions.select(names).to_numpy()
    for report in result.candidates:
        tried = f"{len(report.tuning.trials)} settings tried" if report.tuning else ""
        score = "" if report.score is None else f"{report.score:.6g}"
        print(f"    {report.name:<20} on validation {score:<12} {report.seconds:6.1f} s  {tried} {report.error or ''}")
    print(f"    touchline chose {result.best_candidate}", flush=True)
    return Outcome(f"touchline {version('touchline')}", said, took, used)


def run_peer(name: str, python: Path, folder: Path, preset: str) -> Outcome:
    """The peer's outcome for the job that lies in the folder."""
    job = json.loads((folder / "job.json").read_text()) | {"preset": preset}
    (folder / "job.json").write_text(json.dumps(job))
    peer = Path(__file__).with_name("training_peer.py")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [python, peer, name, folder], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    told = json.loads((folder / "done.json").read_text())
    name = " ".join(part for part in (name, told["version"], preset) if part)
    return Outcome(name, np.load(folder / "predictions.npy"), told["seconds"], told["processor_seconds"])


def kept(folder: Path | None, run: Callable[[], Outcome]) -> Outcome:
    """What was kept in the folder from an earlier run, else what `run` gives, which is kept."""
    if folder is None:
        return run()
    told = folder / "told.json"
    if not told.exists():
        found = run()
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "predictions.npy", found.said)
        times = {"seconds": found.seconds, "processor_seconds": found.processor_seconds}
        told.write_text(json.dumps({"name": found.name, **times}))
    record = json.loads(told.read_text())
    return Outcome(said=np.load(folder / "predictions.npy"), **record)


def write_job(
    folder: Path,
    problem: Problem,
    training_set: TrainingSet,
    places: Sequence[NDArray[np.int64]],
    job: dict[str, object],
) -> None:
    """Train and test rows as Parquet, and what the peer needs to know."""
    inputs = [column.name for column in training_set.columns]
    frame = training_set.frame
    label = pl.col("label").cast(pl.Float64 if problem.kind == "regression" else pl.String)
    frame[places[0]].select(*inputs, label).write_parquet(folder / "train.parquet")
    frame[places[1]].select(inputs).write_parquet(folder / "test.parquet")
    levels = {column.name: list(column.levels) for column in training_set.columns if column.kind == "category"}
    (folder / "job.json").write_text(json.dumps(job | {"levels": levels, "folder": str(folder)}))


def judge(problem: Problem, labels: Array, outcome: Outcome) -> str:
    """One line: the metrics with their intervals over the test rows."""
    evaluated = EvaluatedRows(
        "regression" if problem.kind == "regression" else "binary", labels, np.arange(len(labels))
    )
    found = metrics_with_intervals(evaluated, outcome.said)
    shown = [
        f"{name} {found[name].value:.5g} [{found[name].low:.5g}, {found[name].high:.5g}]"
        for name in (("rmse", "r2") if problem.kind == "regression" else ("log_loss", "roc_auc"))
    ]
    took = f"in {outcome.seconds:.0f} s ({outcome.processor_seconds:.0f} s of processors)"
    return f"  {outcome.name:<34} {'  '.join(shown)}  {took}"


def compare(problem: Problem, labels: Array, ours: Outcome, theirs: Outcome) -> str:
    """One line: the difference of the mean losses with its interval over the same rows; below 0 ours is better."""
    score = "mse" if problem.kind == "regression" else "log_loss"
    a, b = (loss_rows(score, labels, outcome.said) for outcome in (ours, theirs))
    gap = interval(a - b, None)
    verdict = "level" if gap.low <= 0 <= gap.high else "better" if gap.high < 0 else "worse"
    apart = f"{(a - b).mean():+.4g} [{gap.low:+.4g}, {gap.high:+.4g}]"
    return f"    {score} less theirs {apart}, ratio {a.mean() / b.mean():.4f}: touchline is {verdict}"


def ask_peers(
    problem: Problem, training_set: TrainingSet, split: Split, classes: Sequence[str], options: argparse.Namespace
) -> Iterator[Outcome]:
    """What each peer says about the test rows."""
    job = {
        "kind": problem.kind,
        "seconds": options.seconds,
        "cores": options.cores,
        "seed": options.seed,
        "classes": list(classes),
    }
    for peer in options.peers:
        python = peer_python(options.envs, peer, PEERS[peer])
        for preset in options.presets if peer == "autogluon" else ("",):

            def run(peer: str = peer, python: Path = python, preset: str = preset) -> Outcome:
                with tempfile.TemporaryDirectory() as place:
                    write_job(Path(place), problem, training_set, (split.train, split.test), job)
                    return run_peer(peer, python, Path(place), preset)

            name = f"{problem.name}-{peer}-{preset}-{options.seconds:g}-{options.cores}-{options.seed}"
            yield kept(options.keep and options.keep / name.replace(" ", "_"), run)


def run_problem(problem: Problem, options: argparse.Namespace) -> None:
    """All of them on one file, printed."""
    training_set = training_set_of(problem, problem.read(options.data))
    print(f"{problem.name}: {training_set.frame.height:,} rows × {len(training_set.columns)} columns", flush=True)
    training = training_of(problem, options.seconds, options.seed)
    split = split_again(task_of(problem, training_set), training, training_set, now=NOW)
    truth, classes = training_set.frame[split.test]["label"], ()
    if problem.kind != "regression":
        classes = tuple(sorted(truth.cast(pl.String).unique()))
        truth = truth.cast(pl.String).replace_strict(list(classes), [0, 1])
    labels = truth.cast(pl.Float64 if problem.kind == "regression" else pl.Int64).to_numpy()
    ours = run_touchline(problem, training_set, options.seconds, options.seed)
    print(judge(problem, labels, ours), flush=True)
    for theirs in ask_peers(problem, training_set, split, classes, options):
        print(judge(problem, labels, theirs))
        print(compare(problem, labels, ours, theirs), flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real data")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="*", default=[problem.name for problem in PROBLEMS])
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--presets", nargs="*", default=["best_quality"], help="of AutoGluon")
    parser.add_argument("--keep", type=Path, help="keep what peers said here, and do not ask them again")
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the peers' environments lie")
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data} is not there: this benchmark needs the folder of real data (--data).")
    options.envs = options.envs.absolute()
    print(f"{options.cores} cores, {options.seconds:g} s each, a fifth of the rows for the test, seed {options.seed}")
    for name in ("lightgbm", "xgboost-cpu", "scikit-learn", "optuna"):
        print(f"  {name} {version(name)}", end="")
    print(flush=True)
    for problem in PROBLEMS:
        if problem.name in options.only:
            run_problem(problem, options)


if __name__ == "__main__":
    main()
