"""The predictions of a rollout beside their outcomes, in the order in which these came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from touchline.predictions import (
    AssignedPrediction,
    Draw,
    ExperimentRecords,
    Label,
    ObservedOutcome,
    OutcomeRecords,
    PairedPrediction,
)
from touchline.rollout.damaged_outcomes import DamagedOutcomes
from touchline.rollout.records import Experiment
from touchline.rollout.shared_outcomes import owners_of
from touchline.storage import Database

# A cluster counts without examples that have been open for so long after their cutoff.
_PATIENCE: Final = timedelta(days=7)
_SAME_TIME: Final = timedelta(minutes=1)

FloatArray = NDArray[np.float64]
Prediction = TypeVar("Prediction", PairedPrediction, AssignedPrediction)
OfUnit = TypeVar("OfUnit", AssignedPrediction, Draw)


class Counted(NamedTuple):
    """A prediction that counts, its outcome (the number of its class, or the value), and when that came."""

    prediction: Any
    label: float
    received_at: datetime


@dataclass
class LeftOut:
    """Predictions that do not count, or not yet, by reason.

    `open`: no outcome yet. `immature`: younger than the age at which predictions count. `early`: the outcome was
    known when the prediction was made. `other_label`: no class of the model. `repeated`: an earlier prediction of the
    same example, or a later one of the same unit; in a split `repeated_with_outcome` of these have an outcome.
    `shared`: of an example that another unit has requested first. `unfinished`: of a cluster that has open examples.
    `incomplete`: of requests that lack a field of the candidate. `failed`: that the candidate failed to make.
    """

    open: int = 0
    immature: int = 0
    early: int = 0
    other_label: int = 0
    repeated: int = 0
    repeated_with_outcome: int = 0
    shared: int = 0
    unfinished: int = 0
    incomplete: int = 0
    failed: int = 0


@dataclass(frozen=True)
class OutcomePairs:
    """What a test of a rollout is made from, one element an example (shadow) or unit (split), in order of outcomes.

    `new` and `old` are the outputs of the candidate and of its reference as [n, classes] or [n, 1]; NaN rows where a
    side of a split did not predict. `labels` are class numbers or values. `is_new` says where the candidate answered;
    `shares` is the chance that it would.
    """

    new: FloatArray
    old: FloatArray
    labels: FloatArray
    is_new: NDArray[np.bool_]
    shares: FloatArray
    clusters: tuple[str, ...]
    last_outcome_at: datetime | None
    corrected: int
    left_out: LeftOut = field(default_factory=LeftOut)
    damaged: DamagedOutcomes = field(default_factory=DamagedOutcomes)

    def __len__(self) -> int:
        return len(self.labels)


def read_pairs(database: Database, experiment: Experiment, now: datetime) -> OutcomePairs:
    """The pairs of a shadow or holdout whose outcome counts now. The last prediction of an example counts.

    Only what was predicted before its outcome was stored is compared; examples of a cluster count together, once
    none of them is open.
    """
    predictions = ExperimentRecords(database, experiment.id).pairs()
    outcomes = _outcomes(database, experiment, predictions)
    left_out = _without_candidate(database, experiment)
    counted = _counted(experiment, predictions, outcomes, now, left_out)
    last = {one.prediction.example_key: one for one in counted}
    left_out.repeated += len(counted) - len(last)
    chosen = list(last.values())
    if experiment.rule.counts_clusters:
        chosen = _whole_clusters(chosen, _unfinished(experiment, predictions, outcomes, now), left_out)
    return _assemble(experiment, chosen, outcomes, left_out)


def read_split(
    database: Database, experiment: Experiment, predictions: Sequence[AssignedPrediction], now: datetime
) -> OutcomePairs:
    """The units of a split whose outcome counts now, each once, by its first prediction of an example of its own."""
    owners = owners_of((one.example_key, one.unit) for one in predictions)
    own = [one for one in predictions if owners[one.example_key] == one.unit]
    first = first_of_units(own)
    outcomes = _outcomes(database, experiment, own)
    counted_ids = {one.prediction_id for one in first}
    later = [one for one in own if one.prediction_id not in counted_ids]
    left_out = replace(
        _without_candidate(database, experiment),
        repeated=len(later),
        repeated_with_outcome=sum(one.example_key in outcomes for one in later),
        shared=len(predictions) - len(own),
    )
    counted = _counted(experiment, first, outcomes, now, left_out)
    return _assemble(experiment, counted, outcomes, left_out)


def first_of_units(predictions: Sequence[OfUnit]) -> list[OfUnit]:
    """The first prediction or draw of each unit, in the order of the log."""
    first: dict[str, OfUnit] = {}
    for prediction in predictions:
        first.setdefault(prediction.unit, prediction)
    return list(first.values())


def class_number(label: Label, classes: Sequence[str]) -> int | None:
    """The number of the class that a label names; None where it names none.

    >>> class_number("yes", ("no", "yes")), class_number(1.0, ("0", "1")), class_number("?", ("0", "1"))
    (1, 1, None)
    """
    text = str(label)
    if text in classes:
        return classes.index(text)
    if isinstance(label, bool):
        return classes.index(text.lower()) if text.lower() in classes else None
    if isinstance(label, float) and label.is_integer() and str(int(label)) in classes:
        return classes.index(str(int(label)))
    return None


def _was_known(experiment: Experiment, prediction: Prediction, outcome: ObservedOutcome) -> bool:
    """Whether the outcome was stored before the prediction was made.

    Not when it is said to have happened: what a later file fills in was not known before it came. Where the project's
    time is the wall's, a past cutoff does not make a prediction older than it is.
    """
    received_at = outcome.received_at
    if received_at < max(experiment.started_at, prediction.cutoff):
        return True
    is_wall_time = abs(experiment.started_at - experiment.started_wall_at) < _SAME_TIME
    return is_wall_time and received_at < prediction.answered_at


def _label(label: Label, classes: Sequence[str]) -> float | None:
    """The number of the class, or without classes the value; None where it is neither."""
    if classes:
        return class_number(label, classes)
    return float(label) if isinstance(label, int | float) and isfinite(label) else None


def _without_candidate(database: Database, experiment: Experiment) -> LeftOut:
    """The rows that the candidate could not predict, whatever their outcome."""
    counts = ExperimentRecords(database, experiment.id).counts(slow_seconds=0.0)
    rows = {one.role: one.rows for one in counts if one.variant == "candidate"}
    return LeftOut(incomplete=rows.get("incomplete", 0), failed=rows.get("failed", 0))


def _outcomes(
    database: Database, experiment: Experiment, predictions: Collection[Prediction]
) -> Mapping[str, ObservedOutcome]:
    keys = {prediction.example_key for prediction in predictions}
    return OutcomeRecords(database, experiment.project).observed(keys)


def _counted(
    experiment: Experiment,
    predictions: Sequence[Prediction],
    outcomes: Mapping[str, ObservedOutcome],
    now: datetime,
    left_out: LeftOut,
) -> list[Counted]:
    maturity = timedelta(seconds=experiment.rule.maturity_seconds)
    counted = []
    for prediction in predictions:
        outcome = outcomes.get(prediction.example_key)
        if prediction.cutoff + maturity > now:
            left_out.immature += 1
        elif outcome is None:
            left_out.open += 1
        elif _was_known(experiment, prediction, outcome):
            left_out.early += 1
        elif (label := _label(outcome.label, experiment.rule.classes)) is None:
            left_out.other_label += 1
        else:
            counts_at = max(outcome.received_at, prediction.cutoff + maturity)
            counted.append(Counted(prediction, label, counts_at))
    return counted


def _unfinished(
    experiment: Experiment,
    predictions: Sequence[PairedPrediction],
    outcomes: Mapping[str, ObservedOutcome],
    now: datetime,
) -> set[str]:
    """The clusters that wait for an outcome. A match that is put off does not hold its day up for ever."""
    patience = _PATIENCE + timedelta(seconds=experiment.rule.maturity_seconds)
    return {_cluster_of(one) for one in predictions if one.example_key not in outcomes and one.cutoff + patience > now}


def _whole_clusters(counted: Sequence[Counted], unfinished: Collection[str], left_out: LeftOut) -> list[Counted]:
    """The examples of clusters that have no open example; each cluster counts at its last outcome."""
    whole = [one for one in counted if _cluster_of(one.prediction) not in unfinished]
    left_out.unfinished += len(counted) - len(whole)
    ends: dict[str, datetime] = {}
    for one in whole:
        name = _cluster_of(one.prediction)
        ends[name] = max(one.received_at, ends.get(name, one.received_at))
    return [Counted(one.prediction, one.label, ends[_cluster_of(one.prediction)]) for one in whole]


def _assemble(
    experiment: Experiment, counted: Sequence[Counted], outcomes: Mapping[str, ObservedOutcome], left_out: LeftOut
) -> OutcomePairs:
    ordered = sorted(counted, key=lambda one: (one.received_at, _cluster_of(one.prediction), one.prediction[0]))
    classes = experiment.rule.classes
    is_pair = not experiment.rule.is_split
    is_new = np.array([not is_pair and one.prediction.variant == "candidate" for one in ordered], dtype=np.bool_)
    answers = [_outputs(one.prediction.answer, classes) for one in ordered]
    shadows = [_outputs(one.prediction.shadow, classes) for one in ordered]
    pairs = list(zip(answers, shadows, is_new.tolist(), strict=True))
    shape = (len(ordered), len(classes) or 1)
    shares = [0.0 if is_pair else _share_of(one.prediction) for one in ordered]
    return OutcomePairs(
        new=np.array([answer if new else shadow for answer, shadow, new in pairs]).reshape(shape),
        old=np.array([shadow if new else answer for answer, shadow, new in pairs]).reshape(shape),
        labels=np.array([one.label for one in ordered], dtype=np.float64),
        is_new=is_new,
        shares=np.array(shares),
        clusters=tuple(_cluster_of(one.prediction) for one in ordered),
        last_outcome_at=max((one.received_at for one in ordered), default=None),
        corrected=sum(outcomes[one.prediction.example_key].revision > 1 for one in ordered),
        left_out=left_out,
        damaged=_damaged(experiment, ordered, outcomes, left_out),
    )


def _damaged(
    experiment: Experiment, counted: Sequence[Counted], outcomes: Mapping[str, ObservedOutcome], left_out: LeftOut
) -> DamagedOutcomes:
    low, high = experiment.rule.bounds
    beyond = 0 if experiment.rule.classes else sum(not low <= one.label <= high for one in counted)
    relabelled = sum(outcomes[one.prediction.example_key].is_relabelled for one in counted)
    return DamagedOutcomes(len(counted) + left_out.other_label, left_out.other_label, beyond, relabelled)


def _share_of(prediction: AssignedPrediction) -> float:
    return Draw(prediction.unit, prediction.variant, prediction.probability).share


def _cluster_of(prediction: PairedPrediction | AssignedPrediction) -> str:
    """The cluster of the example; where the row has none, as an anonymous request, the day of its cutoff.

    That is the cluster of an example that declares none, so that rows of one day stand together in both cases.
    """
    return prediction.cluster or f"{prediction.cutoff.astimezone(UTC):%Y-%m-%d}"


def _outputs(output: Mapping[str, Any] | None, classes: Sequence[str]) -> list[float]:
    if output is None:
        return [float("nan")] * (len(classes) or 1)
    if not classes:
        return [float(output["value"])]
    found = output["probabilities"]
    return [float(found[name]) for name in classes]
