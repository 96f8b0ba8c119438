"""The evaluation model looked at from every side, on rows it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.training.data.splits import Split
from touchline.training.evaluation.diagnostics import (
    Attribution,
    Diagnostics,
    LearningPoint,
    PredictedRows,
    classification_tables,
    residual_bins,
    season_reports,
    slice_reports,
)
from touchline.training.evaluation.explanation import ColumnContributions, explain, has_exact_explanation
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.model import Model
from touchline.training.metrics.losses import loss_rows
from touchline.training.search.candidates import Contender
from touchline.training.search.context import SearchContext

Array = NDArray[np.float64]

_SHARES: Final = (0.125, 0.25, 0.5)
_LARGE_CELLS: Final = 5_000_000
_LEAST_ROWS: Final = 40
_EXPLAINED: Final = 500
_WALKED: Final = 40
_BACKGROUND: Final = 200
# The examples, columns and outputs whose contributions are stored one by one.
_DRAWN: Final = 200
_DRAWN_COLUMNS: Final = 10
_DRAWN_OUTPUTS: Final = 4


@dataclass(frozen=True)
class Inspected:
    """A model and the split it is evaluated on."""

    model: Model
    winner: Contender
    context: SearchContext
    split: Split


def inspect(inspected: Inspected, frame: pl.DataFrame, *, slices: tuple[str, ...]) -> Diagnostics:
    """Tables, curves, slices, seasons, learning curve and importance."""
    test = inspected.context.rows.at(inspected.split.test)
    predictions = inspected.model.predict(test.vectors)
    answered = PredictedRows(test, predictions, inspected.model.threshold, inspected.context.training.seed)
    tables = Diagnostics(residuals=residual_bins(test, predictions)) if test.kind == "regression" else None
    vectors, explained = _explanation(inspected)
    return replace(
        tables or classification_tables(test, predictions, threshold=answered.threshold),
        slices=slice_reports(answered, frame, slices),
        seasons=season_reports(answered),
        learning_curve=_learning_curve(inspected, predictions) if inspected.context.training.learning_curve else (),
        importance=explained.importance(),
        attributions=_attributions(explained, vectors[:_DRAWN], inspected.model),
        explained_by=f"{explained.method} ({explained.space})",
    )


def _explanation(inspected: Inspected) -> tuple[Array, ColumnContributions]:
    """A sample of the test vectors, and their explanation."""
    random = np.random.default_rng(inspected.context.training.seed)
    rows = inspected.context.rows
    is_exact = has_exact_explanation(inspected.model)
    test = random.permutation(inspected.split.test)[: _EXPLAINED if is_exact else _WALKED]
    background = random.permutation(inspected.split.train)[:_BACKGROUND]
    vectors = rows.vectors[test]
    return vectors, explain(inspected.model, vectors, rows.vectors[background], seed=inspected.context.training.seed)


def _attributions(explained: ColumnContributions, vectors: Array, model: Model) -> tuple[Attribution, ...]:
    """The contributions of the columns with the largest mean, per output; of two classes the second."""
    outputs = model.outputs[1:] if model.kind == "binary" else model.outputs
    columns = list(explained.importance())[:_DRAWN_COLUMNS]
    return tuple(
        Attribution(
            column=column,
            output=output,
            ranks=_ranks(vectors[:, place], is_number=model.columns[place].kind == "number"),
            contributions=tuple(explained.contributions[: len(vectors), place, number - len(outputs)].tolist()),
        )
        for number, output in enumerate(outputs[:_DRAWN_OUTPUTS])
        for column in columns
        for place in [explained.columns.index(column)]
    )


def _ranks(values: Array, *, is_number: bool) -> tuple[float | None, ...]:
    if not is_number:
        return (None,) * len(values)
    ranks = pl.Series(values).fill_nan(None).rank() - 1
    return tuple((ranks / max(len(values) - ranks.null_count() - 1, 1)).to_list())


def _learning_curve(inspected: Inspected, predictions: Array) -> tuple[LearningPoint, ...]:
    """The same recipe on random parts of the training rows; the last point is the evaluation fit itself."""
    rows, train = inspected.context.rows, inspected.split.train
    test = rows.at(inspected.split.test)
    score = inspected.context.training.score_for(rows.kind)
    order = np.random.default_rng(inspected.context.training.seed).permutation(train)
    points = []
    # Half of the rows take half the time of a fit. Where that is long, the end of the curve shows it as well.
    shares = _SHARES if rows.vectors.size <= _LARGE_CELLS else _SHARES[:-1]
    for share in shares:
        part = np.sort(order[: int(len(order) * share)])
        if len(part) < _LEAST_ROWS or (
            rows.kind != "regression" and len(np.unique(rows.labels[part])) < len(rows.classes)
        ):
            continue
        winner = inspected.winner
        model = fit_recipe(winner.recipe, winner.family, rows, (), on=part, calibrator=winner.calibrator)
        points.append(LearningPoint(len(part), _mean_loss(score, test.labels, model.predict(test.vectors))))
    return (*points, LearningPoint(len(train), _mean_loss(score, test.labels, predictions)))


def _mean_loss(score: str, labels: Array | NDArray[np.int64], predictions: Array) -> float:
    return float(loss_rows(score, labels, predictions).mean())
