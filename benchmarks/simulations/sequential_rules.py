"""Rules that decide between two models outcome by outcome: the two witnesses, and others to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from simulations.sequential import Case, Season
from touchline.statistics import (
    AsymptoticSequence,
    Gains,
    TwoWitnesses,
    Verdict,
    WitnessRule,
    day_gains,
    decide_at_end,
)

Array = NDArray[np.float64]
ALPHA = 0.05
NAIVE_LOOK = 1000
_MATCHES_A_DAY = 6.5
# Never used while the rules were chosen.
_SEED = 5200


@dataclass(frozen=True)
class Decision:
    """How one simulated rollout ended, by each rule, and the mean and variance of its gains a match.

    `verdict` is that of the sequence, and `at_end` that of the sequence or else of the test at the declared end.
    """

    verdict: Verdict
    at_end: Verdict
    matches: float
    naive: bool
    asymptotic: bool
    betting: bool
    bernstein: bool
    mean: float
    variance: float


def decide_by_match(season: Season) -> Decision:
    """Every match is a unit."""
    gains = season.gains
    state = TwoWitnesses.start(WitnessRule(alpha=ALPHA)).update(gains)
    return _decision(state, gains, season.largest, 1.0, len(gains))


def decide_by_day(season: Season) -> Decision:
    """The mean of a match day is a unit."""
    gains = day_gains(season.gains, season.days)
    state = TwoWitnesses.start(WitnessRule(alpha=ALPHA, target=150)).update(gains)
    return _decision(state, gains, season.largest, _MATCHES_A_DAY, len(season.gains))


def decisions(case: Case, *, runs: int, matches: int, by_day: bool = False) -> list[Decision]:
    """The decisions of many seasons; season n is the same whatever the number of runs."""
    decide = decide_by_day if by_day else decide_by_match
    return [decide(case(np.random.default_rng([_SEED, run]), matches)) for run in range(runs)]


def fixed_size(runs: Sequence[Decision], *, matches_a_unit: float = 1.0) -> float:
    """Matches at which one look by a z-test at 5 % finds the mean gain of these runs in 80 %; NaN without a gain."""
    mean = float(np.mean([run.mean for run in runs]))
    variance = float(np.mean([run.variance for run in runs]))
    return ((1.645 + 0.842) / mean) ** 2 * variance * matches_a_unit if mean > 0 else float("nan")


def bernstein_low(values: Array, largest: float) -> Array:
    """The lower bound after each value in [-largest, largest] by the predictable plug-in empirical Bernstein sequence.

    Waudby-Smith & Ramdas 2024, theorem 2, one-sided.
    """
    shares = (values + largest) / (2 * largest)
    counts = np.arange(1, len(shares) + 1)
    means = (0.5 + np.cumsum(shares)) / (counts + 1)
    variances = (0.25 + np.cumsum((shares - means) ** 2)) / (counts + 1)
    mean_before, variance_before = np.r_[0.5, means[:-1]], np.r_[0.25, variances[:-1]]
    bets = np.minimum(np.sqrt(2 * log(1 / ALPHA) / (variance_before * counts * np.log1p(counts))), 0.5)
    penalty = np.cumsum(4 * (shares - mean_before) ** 2 * (-np.log1p(-bets) - bets) / 4)
    low = (np.cumsum(bets * shares) - log(1 / ALPHA) - penalty) / np.cumsum(bets)
    return np.asarray(low * 2 * largest - largest)


def _decision(state: TwoWitnesses, gains: Gains, largest: float, matches_a_unit: float, matches: int) -> Decision:
    _, evidence = AsymptoticSequence(state.mean.rho).evidence(gains.values, (0.0,))
    first = int(NAIVE_LOOK / matches_a_unit)
    return Decision(
        verdict=state.verdict,
        at_end=decide_at_end(state).verdict,
        matches=min((state.decided_at or np.inf) * matches_a_unit, matches) if state.decided_at else np.inf,
        naive=bool(gains.values[:first].mean() > 0),
        asymptotic=bool((evidence[0] >= log(1 / ALPHA)).any()),
        betting=state.bets["better"].peak >= log(1 / ALPHA),
        bernstein=bool((bernstein_low(gains.values, largest) > 0).any()),
        mean=state.gain,
        variance=float(gains.values.var()),
    )
