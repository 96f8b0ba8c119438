"""The evidence of gates: a version's numbers and its predictions of the test rows, beside those of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import Dependence
from touchline.training import decide, loss_rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceModel:
    """Whom a version must beat, and what it predicts for the same test rows in the same order; NaN: nothing."""

    name: str
    predictions: Array
    threshold: float = 0.5


@dataclass(frozen=True)
class Look:
    """A look at test rows: its number in the project, the share of alpha it spends, the share of fresh rows."""

    number: int
    alpha_share: float
    fresh_share: float = 1.0


FIRST_LOOK: Final = Look(1, 0.5)
# For what spends nothing of the budget: a refresh.
NO_LOOK: Final = Look(0, 1.0)


@dataclass(frozen=True)
class RefreshEvidence:
    """A refresh beside Production as served.

    `labels`, `predictions`, `production` and `clusters` are of rows that neither has learned from, in order of time;
    `newest` and `newest_production` are predictions of the newest rows by the two models that ship. `spread` is the
    standard deviation of the labels, by which values are measured; 1 for probabilities. `constant` is the prediction
    of the constant baseline that Production was evaluated beside.
    """

    labels: NDArray[np.float64]
    predictions: Array
    production: ReferenceModel
    clusters: NDArray[np.int64]
    newest: Array
    newest_production: Array
    dependence: Dependence = "serial"
    spread: float = 1.0
    constant: Array | None = None

    @property
    def rows(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Evidence:
    """A version's evaluation on its test rows, in order of time.

    `labels` are class indices, or values in a regression; `clusters` are what rows share (a match day).
    `dependence` is "none" where the rows have no time, so that their order means nothing.
    `not_comparable` says why Production has no predictions of these rows. `look` says how much alpha the
    comparisons may spend. `refresh` is given where the version
    repeats Production's recipe; otherwise `changes` says how it differs.
    """

    project: str
    version: int
    metrics: Mapping[str, float]
    labels: NDArray[np.float64]
    predictions: Array
    clusters: NDArray[np.int64]
    production: ReferenceModel | None = None
    not_comparable: str | None = None
    baseline: ReferenceModel | None = None
    named: Mapping[str, ReferenceModel] = field(default_factory=dict)
    look: Look = FIRST_LOOK
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    approvals: Sequence[str] = ()
    rows_name: str = "examples"
    stage: str = "None"
    dependence: Dependence = "serial"
    threshold: float = 0.5
    refresh: RefreshEvidence | None = None
    is_recalibration: bool = False
    changes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.labels)


def losses(metric: str, labels: NDArray[np.float64], predictions: Array, *, threshold: float = 0.5) -> Array:
    """The cost of each row, whose mean is (or falls with) the metric; smaller is better.

    `threshold` decides between two classes, as in the metrics of the evaluation.

    >>> losses("accuracy", np.array([1.0, 0.0]), np.array([[0.2, 0.8], [0.4, 0.6]])).tolist()
    [0.0, 1.0]
    """
    if metric == "accuracy":
        return np.asarray(decide(predictions, threshold) != labels, dtype=np.float64)
    return loss_rows("mse" if metric == "rmse" else metric, labels, predictions)
