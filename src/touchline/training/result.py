"""The result of a training: the models, their evaluation, and everything that a record or a card needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import Profile
from touchline.training.data.checks import Finding
from touchline.training.data.splits import Split, SplitReport
from touchline.training.evaluation.diagnostics import Diagnostics
from touchline.training.evaluation.evaluate import Evaluation
from touchline.training.fitting.model import Model
from touchline.training.fitting.recipe import Recipe
from touchline.training.search.candidates import CandidateReport


@dataclass(frozen=True)
class SelfTest:
    """Vectors and the shipping model's outputs for them: a release is tested with these before it serves.

    `places` are the rows of the training set that the vectors come from.
    """

    vectors: NDArray[np.float64]
    outputs: NDArray[np.float64]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class TrainingResult:
    """One training.

    `evaluation_model` knew only labels before the test window; `model` knows all of them and ships. `profile` is the
    reference for drift: the test window, and what the evaluation model said about it without having seen it.
    """

    findings: tuple[Finding, ...]
    candidates: tuple[CandidateReport, ...]
    best_candidate: str
    rows: Split
    evaluation: Evaluation
    diagnostics: Diagnostics
    evaluation_model: Model
    model: Model
    recipe: Recipe
    profile: Profile
    self_test: SelfTest
    training_set_hash: str
    trained_at: datetime
    threshold_rule: str
    seconds: float
    libraries: Mapping[str, str]

    @property
    def split(self) -> SplitReport:
        return self.rows.report
