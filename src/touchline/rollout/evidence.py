"""What the outcomes of a rollout show: the sequential test, its course, and the shares in which units arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.predictions import ExperimentRecords
from touchline.rollout.damaged_outcomes import DamagedOutcomes
from touchline.rollout.losses import expected_losses, gains_of, largest_loss_of, losses_of
from touchline.rollout.outcome_pairs import (
    FloatArray,
    LeftOut,
    OutcomePairs,
    first_of_units,
    read_pairs,
    read_split,
)
from touchline.rollout.records import Experiment
from touchline.rollout.rule import RolloutRule
from touchline.rollout.shared_outcomes import SharedOutcomes, shared_outcomes
from touchline.statistics import (
    EndDecision,
    Gains,
    HarmTest,
    SampleRatio,
    SplitSequence,
    SplitUnits,
    TwoWitnesses,
    day_gains,
    decide_at_end,
    decide_at_end_by_cluster,
    split_units,
)
from touchline.storage import Database

_POINTS: Final = 60


@dataclass(frozen=True)
class CurvePoint:
    """The mean gain after so many units, with bounds that hold over all looks; infinite bounds below 30 units."""

    units: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class ArmRatio:
    """Units of a split by variant, the share that was planned, and whether their ratio is a fault of the routing.

    `p_value` holds at any number of looks.
    """

    production: int
    candidate: int
    planned: float
    p_value: float
    alpha: float

    @property
    def is_broken(self) -> bool:
        return self.p_value <= self.alpha


@dataclass(frozen=True)
class RolloutEvidence:
    """The state of a test. `units` are independent: examples, clusters or units of a split; a gain above 0 is good.

    `test` is None where outcomes do not decide; `harm` is the test of a holdout, with the gain of the live version.
    `losses` are the mean loss of candidate and reference on what counts; None where it is all of one of them. `ratio`
    is that of units of a split, `outcome_ratio` of those with an outcome, and `shared` says how many share outcomes.
    """

    units: int
    examples: int
    test: TwoWitnesses | None
    curve: tuple[CurvePoint, ...]
    losses: tuple[float, float] | None
    last_outcome_at: datetime | None
    corrected: int
    left_out: LeftOut
    pairs: OutcomePairs | None = None
    harm: HarmTest | None = None
    end: EndDecision | None = None
    ratio: ArmRatio | None = None
    outcome_ratio: ArmRatio | None = None
    shared: SharedOutcomes | None = None

    @property
    def damaged(self) -> DamagedOutcomes:
        """The outcomes that look damaged, by how."""
        return DamagedOutcomes() if self.pairs is None else self.pairs.damaged


_RATIO_ALPHA: Final = 0.01


def gather(database: Database, experiment: Experiment, now: datetime) -> RolloutEvidence:
    """The evidence as of now."""
    rule = experiment.rule
    if not rule.is_split:
        pairs = read_pairs(database, experiment, now)
        found = _evidence(rule, pairs, _paired_test(rule, pairs))
        return replace(found, harm=_harm_test(rule, pairs)) if rule.mode == "holdout" else found
    records = ExperimentRecords(database, experiment.id)
    assigned = records.assigned()
    pairs = read_split(database, experiment, assigned, now)
    test = _split_test(rule, pairs) if rule.counts_outcomes else None
    outcomes = _ratio(list(zip(pairs.shares.tolist(), pairs.is_new.tolist(), strict=True)))
    return replace(
        _evidence(rule, pairs, test),
        ratio=_ratio([(one.share, one.variant == "candidate") for one in first_of_units(records.drawn())]),
        outcome_ratio=outcomes if rule.counts_outcomes else None,
        shared=shared_outcomes((one.example_key, one.unit) for one in assigned) if rule.counts_outcomes else None,
    )


_Test = tuple[TwoWitnesses, tuple[CurvePoint, ...]]


def _evidence(rule: RolloutRule, pairs: OutcomePairs, test: _Test | None) -> RolloutEvidence:
    witnesses, curve = test or (None, ())
    losses = _mean_losses(rule, pairs)
    return RolloutEvidence(
        units=witnesses.count if witnesses is not None else len(pairs),
        examples=len(pairs),
        test=witnesses,
        curve=() if losses is None else curve,
        losses=losses,
        last_outcome_at=pairs.last_outcome_at,
        corrected=pairs.corrected,
        left_out=pairs.left_out,
        pairs=pairs,
        end=None if witnesses is None else _end(rule, pairs, witnesses),
    )


def paired_units(rule: RolloutRule, pairs: OutcomePairs) -> Gains:
    """The gains of the candidate, one a unit: an example, or the mean of a cluster."""
    gains = gains_of(rule, pairs.new, pairs.old, pairs.labels)
    return day_gains(gains, list(pairs.clusters)) if rule.counts_clusters and len(pairs) else gains


def _paired_test(rule: RolloutRule, pairs: OutcomePairs) -> _Test:
    test = TwoWitnesses.start(rule.witnesses)
    if not len(pairs):
        return test, ()
    gains, curve = paired_units(rule, pairs), []
    for start, end in _chunks(len(gains)):
        test = test.update(gains.rows(start, end))
        curve.append(_point(test))
    return test, tuple(curve)


def _harm_test(rule: RolloutRule, pairs: OutcomePairs) -> HarmTest:
    """Whether the live version, which answers, is worse than its predecessor beside it."""
    test = HarmTest.start(rule.harm)
    if not len(pairs):
        return test
    gains = gains_of(rule, pairs.old, pairs.new, pairs.labels)
    return test.update(day_gains(gains, list(pairs.clusters)) if rule.counts_clusters else gains)


def _end(rule: RolloutRule, pairs: OutcomePairs, test: TwoWitnesses) -> EndDecision:
    """The verdict of the one test at the end, robust to clusters whose outcomes were counted one by one."""
    if not (rule.has_clusters and rule.counts_each and len(pairs)):
        return decide_at_end(test)
    return decide_at_end_by_cluster(test, paired_units(rule, pairs).values, list(pairs.clusters))


def _split_test(rule: RolloutRule, pairs: OutcomePairs) -> _Test:
    sequence, curve = SplitSequence.start(rule.witnesses), []
    units = split_of(rule, pairs)
    for start, end in _chunks(len(units)):
        sequence = sequence.update(units.rows(start, end))
        curve.append(_point(sequence.witnesses))
    return sequence.witnesses, tuple(curve)


def split_of(rule: RolloutRule, pairs: OutcomePairs) -> SplitUnits:
    """The units of a split; the loss that each model expects of itself is the covariate, where both have predicted."""
    largest = largest_loss_of(rule)
    answered = np.where(pairs.is_new[:, None], pairs.new, pairs.old)
    losses = losses_of(rule, answered, pairs.labels) if len(pairs) else np.empty(0)
    has_both = np.asarray(np.isfinite(np.hstack([pairs.new, pairs.old])).all(axis=1))
    expected = (_expected(pairs.new, has_both, rule), _expected(pairs.old, has_both, rule))
    return split_units(pairs.is_new.astype(float), losses, pairs.shares, largest_loss=largest, expected=expected)


def _expected(probabilities: FloatArray, has_both: NDArray[np.bool_], rule: RolloutRule) -> FloatArray:
    """The loss that a model expects by its own probabilities; 0 where one of the two did not predict.

    A covariate must not depend on who answered, so a unit has both or none.
    """
    expected = np.zeros(len(probabilities))
    predicted = probabilities[has_both]
    if len(predicted):
        expected[has_both] = expected_losses(rule, predicted)
    return expected


def _mean_losses(rule: RolloutRule, pairs: OutcomePairs) -> tuple[float, float] | None:
    """The mean observed loss of the candidate and of its reference; in a split each on its own units."""
    is_new = pairs.is_new if rule.is_split else np.ones(len(pairs), dtype=np.bool_)
    is_old = ~pairs.is_new
    if not is_new.any() or not is_old.any():
        return None
    new = losses_of(rule, pairs.new[is_new], pairs.labels[is_new])
    old = losses_of(rule, pairs.old[is_old], pairs.labels[is_old])
    return float(new.mean()), float(old.mean())


def _chunks(units: int) -> list[tuple[int, int]]:
    """Runs of units, at most 60, longer ones at the end: the points of the picture."""
    if not units:
        return []
    ends = np.unique(np.geomspace(min(30, units), units, _POINTS).round().astype(int))
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))


def _point(test: TwoWitnesses) -> CurvePoint:
    low, high = test.mean.bounds(test.rule.sequence_alpha)
    return CurvePoint(test.count, test.gain, low, high)


_Draw = tuple[float, bool]
"""The planned share of the candidate, and whether the unit got it."""


def _ratio(drawn: Sequence[_Draw]) -> ArmRatio | None:
    """Units by variant; each planned share is a stage of the test."""
    if not drawn:
        return None
    test = SampleRatio.start([1 - drawn[0][0], drawn[0][0]])
    start = 0
    for end in range(1, len(drawn) + 1):
        if end == len(drawn) or drawn[end][0] != drawn[start][0]:
            test = test.update([arm for _, arm in drawn[start:end]])
            if end < len(drawn):
                test, start = test.with_shares([1 - drawn[end][0], drawn[end][0]]), end
    candidates = sum(arm for _, arm in drawn)
    planned = sum(share for share, _ in drawn) / len(drawn)  # over the steps at which the units came
    return ArmRatio(len(drawn) - candidates, candidates, planned, test.p_value, _RATIO_ALPHA)
