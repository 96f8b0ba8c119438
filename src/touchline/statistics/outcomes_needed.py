"""How many more outcomes two models need until a verdict, from the mean and spread of gains so far."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import InvalidSample, TooFewClusters
from touchline.statistics.asymptotic_sequence import MIN_UNITS, mixture_evidence
from touchline.statistics.gains import Gains
from touchline.statistics.samples import FloatArray
from touchline.statistics.two_witnesses import MIN_EFFECTIVE_SIZE, TwoWitnesses, WitnessRule

_FUTURES: Final = 400
_LOOKS: Final = 150
# The logarithm of the effective size of the same number of outcomes deviates by 0.14 to 0.31 in simulation.
_SIZE_DOUBT: Final = 0.3


@dataclass(frozen=True)
class OutcomesNeeded:
    """Further units until the first verdict: the median, and the range of four futures in five.

    None: beyond `longest`. `chance` is the share of futures with a verdict within it, and `chance_with_end` that with
    a verdict within it or by `decide_at_end` after it. The median takes the mean gain
    so far as true; range and chance also count its uncertainty. A wide range is no defect: even with the true mean
    known, the length of a sequential test varies by more than half of itself.
    """

    median: int | None
    low: int | None
    high: int | None
    chance: float
    chance_with_end: float
    longest: int


def outcomes_needed(state: TwoWitnesses, *, longest: int, seed: int = 7) -> OutcomesNeeded:
    """The units still needed by a test that runs; 0 once there is a verdict.

    Raises `TooFewClusters` below 30 units: their spread is unknown.
    """
    if state.decided_at is not None:
        return OutcomesNeeded(0, 0, 0, 1.0, 1.0, longest)
    return _needed(state, state, longest, seed)


def planned_outcomes(past: Gains, rule: WitnessRule, *, longest: int, seed: int = 7) -> OutcomesNeeded:
    """The units that a test needs which has not started, from past gains of the same models (such as 90 days)."""
    history = TwoWitnesses.start(rule).update(past)
    return _needed(TwoWitnesses.start(rule), history, longest, seed)


def _needed(state: TwoWitnesses, history: TwoWitnesses, longest: int, seed: int) -> OutcomesNeeded:
    if longest < 1:
        raise InvalidSample("Outcomes needed", f"longest {longest}", "1 further unit or more")
    if history.count < MIN_UNITS:
        raise TooFewClusters(history.count, MIN_UNITS)
    rng = np.random.default_rng(seed)
    looks = np.unique(np.geomspace(1, longest, _LOOKS).round())
    steps = np.sqrt(np.diff(looks, prepend=0))
    noise = np.cumsum(steps * rng.normal(size=(_FUTURES, len(looks))), axis=1) * history.mean.deviation
    doubt = history.mean.deviation / np.sqrt(history.count) * rng.normal(size=(_FUTURES, 1))
    sizes = history.size.smaller / history.count * (state.count + looks)
    as_observed = _lengths(state, history, looks, noise + history.gain * looks, sizes)
    varied = sizes * np.exp(_SIZE_DOUBT * rng.normal(size=(_FUTURES, 1)))
    sums = noise + (history.gain + doubt) * looks
    with_doubt = _lengths(state, history, looks, sums, varied)
    ended = np.isfinite(with_doubt) | _is_decided_at_end(state, history, longest, sums[:, -1], varied[:, -1])
    low, high = np.quantile(with_doubt, (0.1, 0.9), method="higher")
    return OutcomesNeeded(
        median=_units(float(np.median(as_observed))),
        low=_units(float(low)),
        high=_units(float(high)),
        chance=float(np.isfinite(with_doubt).mean()),
        chance_with_end=float(ended.mean()),
        longest=longest,
    )


def _lengths(
    state: TwoWitnesses, history: TwoWitnesses, looks: FloatArray, sums: FloatArray, sizes: FloatArray
) -> FloatArray:
    """The units until the first verdict of each future, whose gains have these sums at these looks."""
    agreed = {claim: _agrees(state, history, claim, looks, sums) for claim in state.bets}
    decided = agreed["better"] | agreed["worse"]
    if state.rule.margin:
        decided |= agreed["not_worse"] & agreed["not_better"]
    decided &= sizes >= MIN_EFFECTIVE_SIZE
    return np.where(decided.any(axis=1), looks[decided.argmax(axis=1)], np.inf)


def _is_decided_at_end(
    state: TwoWitnesses, history: TwoWitnesses, units: int, sums: FloatArray, sizes: FloatArray
) -> NDArray[np.bool]:
    """Whether the one test at the declared end decides each future, whose gains have these sums after these units."""
    rule, count = state.rule, state.count + units
    if not rule.end_alpha:
        return np.zeros(len(sums), dtype=np.bool)
    gains = np.abs(state.gain * state.count + sums) / count
    reach = NormalDist().inv_cdf(1 - rule.end_alpha) * history.mean.deviation / np.sqrt(count)
    is_within = (gains + reach < rule.margin) if rule.margin else np.zeros(len(sums), dtype=np.bool)
    return np.asarray(((gains > reach) | is_within) & (sizes >= MIN_EFFECTIVE_SIZE) & (count >= MIN_UNITS))


def _agrees(
    state: TwoWitnesses, history: TwoWitnesses, claim: str, looks: FloatArray, sums: FloatArray
) -> NDArray[np.bool]:
    """Whether both witnesses would make the claim at each look of each future."""
    sign = 1.0 if claim in ("better", "not_worse") else -1.0
    margin = (state.rule.margin or 0.0) if claim.startswith("not") else 0.0
    level, variance = log(1 / state.rule.sequence_alpha), history.mean.deviation**2
    deviations = sign * (sums - history.gain * looks)
    capital = state.bets[claim].projected(history.bets[claim], looks, deviations)
    ever = np.maximum(np.maximum.accumulate(capital, axis=1), state.bets[claim].peak) >= level
    counts = state.count + looks
    gaps = sign * (state.gain * state.count + sums) / counts + margin
    # Variance 1 a unit, so that a spread of 0 (identical predictions) does not divide by 0.
    scaled = gaps / np.sqrt(variance) if variance else np.sign(gaps) * 1e9
    mean = mixture_evidence(scaled, counts - 1, counts, state.mean.rho) >= level
    return np.asarray(ever & mean)


def _units(length: float) -> int | None:
    return int(length) if np.isfinite(length) else None
