"""The way of a single row through a model: floats in, floats out, no arrays where the model's family allows it.

Most requests carry one row, and making arrays for it costs as much as three hundred trees. The numbers are those of
`Model.predict` to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import numpy as np

from touchline.features.vectors.columns import Vectors
from touchline.registry import Scores
from touchline.training import Model

ScoreRow = Callable[[bytes], list[float]]


def row_scorer(model: Scores, *, may_be_infinite: bool) -> ScoreRow:
    """A function from one row, as float64 values in little endian, to its outputs.

    Numbers of a request are finite; those that are looked up or computed may be infinite.
    """

    def by_arrays(row: bytes) -> list[float]:
        outputs: list[float] = model.predict(_vectors(row))[0].tolist()
        return outputs

    if not isinstance(model, Model):
        return by_arrays
    row_predictor: Callable[[], ScoreRow] | None = getattr(model.estimator, "row_predictor", None)
    if row_predictor is None:
        return by_arrays
    return _prepared(model, row_predictor(), may_be_infinite=may_be_infinite)


def _prepared(model: Model, predict_row: ScoreRow, *, may_be_infinite: bool) -> ScoreRow:
    preparation = model.preparation
    unpack = Struct(f"<{len(model.columns)}d").unpack

    def by_prepared_row(row: bytes) -> list[float]:
        return predict_row(preparation.transform(_vectors(row)).tobytes())

    def by_finite_row(row: bytes) -> list[float]:
        total = sum(unpack(row))  # finite only if every number is; a sum costs a fifth of asking each
        if total - total != 0.0 and np.isinf(_vectors(row)).any():
            return by_prepared_row(row)
        return predict_row(row)

    scorer: ScoreRow = by_prepared_row
    if preparation.keeps_finite_rows:
        scorer = by_finite_row if may_be_infinite else predict_row
    if not model.is_corrected:
        return scorer

    def by_corrected_row(row: bytes) -> list[float]:
        outputs: list[float] = model.corrected(np.array([scorer(row)]))[0].tolist()
        return outputs

    return by_corrected_row


def _vectors(row: bytes) -> Vectors:
    return np.frombuffer(row, dtype="<f8").reshape(1, -1)
