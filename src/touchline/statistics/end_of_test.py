"""The verdict at the declared end of a sequential test, by one test at a fixed size with the alpha reserved for it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.asymptotic_sequence import MIN_UNITS
from touchline.statistics.clusters import cluster_codes, cluster_sums
from touchline.statistics.effective_size import EffectiveSize
from touchline.statistics.samples import finite_sample
from touchline.statistics.two_witnesses import MIN_EFFECTIVE_SIZE, TwoWitnesses, Verdict, WitnessRule


@dataclass(frozen=True)
class EndDecision:
    """The verdict of a test that has ended, and which part of alpha decided.

    `low` and `high` are bounds of the mean gain at this size, each wrong with probability `alpha`; infinite where
    rare losses or too few clusters leave no limit theorem. `p_value` is one-sided: that the new model is better.
    """

    verdict: Verdict
    decided_by: Literal["sequence", "end"]
    gain: float
    low: float
    high: float
    p_value: float
    alpha: float
    units: int


def decide_at_end(state: TwoWitnesses) -> EndDecision:
    """The verdict of the sequence, or else of one t-test of its units at the reserved alpha.

    Paired units: the paired t-test. Means of days or of users as units: the test of cluster means. The units of a
    `SplitSequence`: the test of the adjusted inverse-probability estimate. Call it once, at the end that was declared
    before the start: by the union bound, each verdict is then wrong with probability alpha at most.

    >>> from touchline.statistics import paired_gains
    >>> state = TwoWitnesses.start(WitnessRule()).update(paired_gains([0.7] * 60, [0.5] * 60, [1, 1, 1, 0] * 15))
    >>> state.verdict, decide_at_end(state).verdict
    ('undecided', 'better')
    """
    if state.count < MIN_UNITS or state.size.smaller < MIN_EFFECTIVE_SIZE:
        return _decision(state, error=inf, units=state.count)
    return _decision(state, error=state.mean.deviation / sqrt(state.count), units=state.count)


def decide_at_end_by_cluster(state: TwoWitnesses, values: ArrayLike, clusters: ArrayLike) -> EndDecision:
    """The same where units were counted one by one: the t-test with an error that is robust to clusters.

    `values` are all gains of the test, and `clusters` the label of each, such as its match day. The sandwich estimate
    with the correction G / (G - 1) and G - 1 degrees of freedom (Liang & Zeger 1986; Cameron & Miller 2015). Raises
    `InvalidSample` where the values are not those of the state.
    """
    numbers = finite_sample("A test at the end", values, least=0)
    if len(numbers) != state.count or not np.isclose(numbers.sum(), state.gain * state.count, atol=1e-6):
        actual = f"{len(numbers)} values of sum {numbers.sum():g}"
        raise InvalidSample("A test at the end", actual, f"the {state.count} gains that the sequence has counted")
    sums = cluster_sums(numbers - state.gain, cluster_codes(clusters, len(numbers))) if len(numbers) else numbers
    squares = sums**2
    spread = EffectiveSize().update(sums, squares, squares**2)[0].smaller if len(sums) else 0.0
    if len(sums) < MIN_UNITS or min(state.size.smaller, spread) < MIN_EFFECTIVE_SIZE:
        return _decision(state, error=inf, units=len(sums))
    error = sqrt(len(sums) / (len(sums) - 1) * float(squares.sum())) / state.count
    return _decision(state, error=error, units=len(sums))


def _decision(state: TwoWitnesses, *, error: float, units: int) -> EndDecision:
    from scipy.special import stdtr, stdtrit

    rule, gain = state.rule, state.gain
    if not rule.end_alpha or error == inf:
        low, high, p_value = -inf, inf, 1.0
    else:
        reach = float(stdtrit(units - 1, 1 - rule.end_alpha)) * error
        low, high = gain - reach, gain + reach
        p_value = float(stdtr(units - 1, -gain / error)) if error else float(gain <= 0)
    is_decided = state.verdict != "undecided"
    return EndDecision(
        verdict=state.verdict if is_decided else _verdict(rule, low, high),
        decided_by="sequence" if is_decided else "end",
        gain=gain,
        low=low,
        high=high,
        p_value=p_value,
        alpha=rule.end_alpha,
        units=units,
    )


def _verdict(rule: WitnessRule, low: float, high: float) -> Verdict:
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    is_within = rule.margin is not None and low > -rule.margin and high < rule.margin
    return "equivalent" if is_within else "undecided"
