"""Rare classes: what is drawn is drawn from the rows of the fit alone, and only where it is due."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.training import Candidate, FitRequest, Fitted, Training, TrainingResult, train
from touchline.training.data.balance import balanced_weights, fit_oversampled, imbalance
from touchline.training.estimators.base import FitRows
from touchline.training.estimators.linear import LOGISTIC, LogisticFamily


@dataclass
class Watched(LogisticFamily):
    """A family that keeps what it is given to fit."""

    name = "watched"
    seen: list[FitRequest] = field(default_factory=list)

    def fit(self, request: FitRequest) -> Fitted:
        self.seen.append(request)
        return super().fit(request)


def oversampled(counts: tuple[int, ...]) -> FitRequest:
    """What the family is given after SMOTE on so many rows of each class."""
    random = np.random.default_rng(2)
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = FitRows(random.normal(size=(len(labels), 2)) + labels[:, None], labels)
    held = FitRows(random.normal(size=(5, 2)), np.array([0, 1, 0, 1, 0]))
    family = Watched()
    fit_oversampled(family, FitRequest("binary", len(counts), rows, held, {"strength": 1.0}, seed=1))
    return family.seen[0]


@pytest.mark.parametrize("minority", [2, 3, 20])
def test_synthetic_rows_lie_between_rows_of_their_class(minority: int) -> None:
    given = oversampled((40, minority))
    assert np.bincount(given.fit.labels.astype(int)).tolist() == [40, 40]
    original, drawn = given.fit.matrix[40 : 40 + minority], given.fit.matrix[40 + minority :]
    assert (drawn >= original.min(axis=0)).all()
    assert (drawn <= original.max(axis=0)).all()


def test_a_class_of_one_row_has_nothing_to_draw_between() -> None:
    assert len(oversampled((40, 1)).fit.labels) == 41


def test_validation_rows_are_never_drawn_from() -> None:
    held = oversampled((40, 10)).validation
    assert held is not None
    assert len(held.labels) == 5


def test_balanced_weights_count_every_class_the_same() -> None:
    labels = np.array([0] * 30 + [1] * 10 + [2] * 20)
    weights = balanced_weights(labels)
    assert [weights[labels == c].sum() for c in range(3)] == pytest.approx([20.0] * 3)
    assert weights.mean() == pytest.approx(1.0)


def trained(share: float, **declared: object) -> TrainingResult:
    frame = a_frame(600)
    rare = frame["signal"].rank() > (1 - share) * frame.height
    flipped = rare ^ (pl.Series(np.arange(frame.height) % 17 == 0))
    labelled = frame.with_columns(label=pl.when(flipped).then(pl.lit("yes")).otherwise(pl.lit("no")))
    plain: dict[str, object] = {
        "candidates": (Candidate(name="own", family=LOGISTIC),),
        "calibration": ("none",),
        "smote": True,
    }
    declared = {"blend": False, **plain, **declared}
    return train(a_task(), Training.model_validate(declared), a_training_set(labelled), now=NOW)


def test_classes_that_are_not_rare_bring_no_variants() -> None:
    result = trained(0.4)
    assert imbalance(result.evaluation.predictions["label"].to_numpy()) < 2.5
    assert [report.name for report in result.candidates] == ["own"]


def test_what_bends_the_probabilities_wins_only_where_it_scores_better() -> None:
    result = trained(0.1)
    assert [report.name for report in result.candidates] == ["own", "own+weights", "own+smote"]
    scores = {report.name: report.score for report in result.candidates}
    assert scores["own+smote"] is not None
    assert scores["own"] is not None
    # Uncorrected, synthetic rows say far too much of the rare class: the proper score sees it.
    assert scores["own+smote"] > scores["own"] + 0.05
    assert result.best_candidate == "own"


def test_synthetic_rows_can_be_declined() -> None:
    assert [report.name for report in trained(0.1, smote=False).candidates] == ["own"]
