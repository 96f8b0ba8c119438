"""What a rollout will take, before it starts: from past pairs of the same models and the rate of outcomes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from touchline.errors import RolloutRefused, TooFewClusters
from touchline.predictions import OutcomeRecords
from touchline.registry import ComparedPredictions, ModelVersion, Registry
from touchline.rollout.losses import expected_losses, gains_of, largest_loss_of, losses_of
from touchline.rollout.rule import RolloutRule
from touchline.rollout.spec import Rollout
from touchline.statistics import (
    MIN_CLUSTERS,
    Gains,
    cluster_codes,
    day_gains,
    planned_outcomes,
    split_error,
    split_units,
    within_day_correlation,
)

_PAST: Final = timedelta(days=90)
# The rate of a project whose first outcome is younger: less than a week says nothing of other weekdays.
_SHORTEST_PAST: Final = timedelta(days=7)
_MOST_UNITS: Final = 200_000
_SEED: Final = 7


@dataclass(frozen=True)
class RolloutPlan:
    """What is expected. `units` are outcomes, clusters or units of a split; None: more than `longest` of them.

    `per_day` is the rate of the last 90 days, or since the first outcome where that is younger (a week at
    least), `until` when the median arrives. `chance` is the share of futures with a verdict before the longest
    duration ends.
    """

    units: int | None
    low: int | None
    high: int | None
    per_day: float
    longest: int
    chance: float | None
    until: datetime | None
    sentence: str

    @property
    def cannot_end(self) -> bool:
        """Whether outcomes arrive, but no decision is likely before the longest duration ends."""
        return self.per_day > 0 and self.units is None and self.chance is not None

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON takes it."""
        until = None if self.until is None else self.until.isoformat()
        return {**asdict(self), "until": until}


def make_plan(registry: Registry, project: str, compared: ComparedPredictions | None, rule: RolloutRule) -> RolloutPlan:
    """The plan of a rollout, from the pairs that the gates compared and the outcomes of the last 90 days."""
    now = registry.clock.now()
    outcomes = OutcomeRecords(registry.database, project)
    received = outcomes.count_of_predicted(since=now - _PAST)
    days = _observed_days(outcomes.first_received_at(), now)
    per_day = received / days
    past = past_gains(compared, rule) if rule.counts_outcomes else None
    if past is not None:
        gains, rows_a_unit, inflation = past
        per_day /= rows_a_unit
    longest = min(_MOST_UNITS, int(per_day * rule.longest_days))
    if past is None or longest < 1:
        return RolloutPlan(None, None, None, per_day, longest, None, None, _unknown(rule, past is None, received))
    try:
        found = planned_outcomes(gains, rule.witnesses, longest=max(1, int(longest / inflation)))
    except TooFewClusters as few:
        text = f"The gates compared the versions on {few.actual} units, too few to say how long it takes."
        return RolloutPlan(None, None, None, per_day, longest, None, None, text)
    median, low, high = (None if n is None else int(n * inflation) for n in (found.median, found.low, found.high))
    until = None if median is None else now + timedelta(days=median / per_day)
    rate = f"at {per_day:.3g} {rule.unit_name} a day, as in the last {days:.0f} days"
    sentence = _sentence((median, low, high), rate, until, rule)
    return RolloutPlan(median, low, high, per_day, longest, found.chance, until, sentence)


def _observed_days(first: datetime | None, now: datetime) -> float:
    """The days over which outcomes could arrive: the last 90, or those since the first outcome, a week at least."""
    past = _PAST if first is None else min(_PAST, max(_SHORTEST_PAST, now - first))
    return past / timedelta(days=1)


def past_gains(compared: ComparedPredictions | None, rule: RolloutRule) -> tuple[Gains, float, float] | None:
    """Past gains a unit, rows a unit, and by how much a split needs more units than pairs.

    None where the gates have compared nothing.
    """
    if compared is None or not len(compared.labels):
        return None
    ours, theirs = compared.predictions, compared.production
    gains = gains_of(rule, ours, theirs, compared.labels)
    if not rule.counts_clusters:
        return gains, 1.0, _inflation(gains, (ours, theirs), compared.labels, rule) if rule.is_split else 1.0
    codes = cluster_codes(compared.clusters, len(gains))
    return day_gains(gains, codes), len(gains) / len(np.unique(codes)), 1.0


def of_values(
    version: ModelVersion, compared: ComparedPredictions | None, rule: RolloutRule, *, has_margin: bool
) -> RolloutRule:
    """The rule with what numbers need: the range of outcomes, the spread of errors, a margin in the unit of the loss.

    From the rows that the gates compared: their range widened by half of it on each side. Raises `RolloutRefused` where
    they compared none.
    """
    if rule.classes or not rule.counts_outcomes:
        return rule
    if compared is None or len(compared.labels) < MIN_CLUSTERS:
        raise RolloutRefused(
            version.project,
            version.version,
            "the gates have compared too few rows to say in which range its outcomes lie",
            "Declare Gate.improves('mse'), whose comparison it uses, or Rollout(mode='canary')",
        )
    low, high = float(compared.labels.min()), float(compared.labels.max())
    half = (high - low) / 2 or 1.0
    errors = compared.labels - compared.production[:, 0]
    ranged = replace(rule, bounds=(low - half, high + half), spread=float(errors.std()) or 1.0)
    loss = float(losses_of(ranged, compared.production, compared.labels).mean())
    return ranged if has_margin else replace(ranged, margin=Rollout.RELATIVE_MARGIN * loss or Rollout.MARGIN)


def counts_each(compared: ComparedPredictions | None, rule: RolloutRule) -> bool:
    """Whether past gains within a cluster were uncorrelated, so that each outcome counts and not only each cluster.

    Decided before the start, from the pairs that the gates compared; without enough of them each cluster counts.
    """
    if not rule.has_clusters or compared is None or len(np.unique(compared.clusters)) < MIN_CLUSTERS:
        return False
    gains = gains_of(rule, compared.predictions, compared.production, compared.labels)
    return within_day_correlation(gains, compared.clusters).is_uncorrelated


def _inflation(
    gains: Gains,
    predictions: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    labels: np.ndarray[Any, Any],
    rule: RolloutRule,
) -> float:
    """The variance of a unit's estimated gain in a split over that of a pair, on past rows with a drawn assignment."""
    share = rule.steps[0] / 100
    is_new = np.random.default_rng(_SEED).random(len(labels)) < share
    losses = np.where(is_new, *(losses_of(rule, one, labels) for one in predictions))
    expected = (expected_losses(rule, predictions[0]), expected_losses(rule, predictions[1]))
    units = split_units(is_new.astype(float), losses, share, largest_loss=largest_loss_of(rule), expected=expected)
    _, error = split_error(units)
    return max(1.0, error**2 * len(labels) / max(float(np.var(gains.values)), 1e-12))


def _sentence(
    units: tuple[int | None, int | None, int | None], rate: str, until: datetime | None, rule: RolloutRule
) -> str:
    median, low, high = units
    if median is None or until is None:
        return f"No decision is likely within {rule.longest_days:g} days {rate}."
    most = "beyond its end" if high is None else str(high)
    range_of = f"four times in five between {low} and {most}"
    return f"About {median} {rule.unit_name} ({range_of}), until about {until:%Y-%m-%d} {rate}."


def _unknown(rule: RolloutRule, is_uncompared: bool, received: int) -> str:
    if rule.mode == "canary":
        return f"Each step lasts {rule.min_days:g} days or longer, until its guardrails are shown to hold."
    if not received:
        return "No outcome of a prediction has arrived in the last 90 days: how long it takes cannot be said."
    assert is_uncompared
    return "The gates have not compared the two versions, so how long it takes cannot be said."
