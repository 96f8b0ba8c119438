"""Every statistic refuses what it cannot be computed from, with an error of touchline that says what is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest

from touchline import statistics
from touchline.errors import InvalidSample

NAN, INF = float("nan"), float("inf")
TEN = np.arange(10.0)
LEVELS = np.arange(10) % 3
GAINS = statistics.paired_gains([0.5, 0.6], [0.5, 0.5], [1, 0])
COUNTED = statistics.TwoWitnesses.start(statistics.WitnessRule()).update(GAINS)

# For each function: calls that must be refused.
IMPOSSIBLE: dict[str, list[Callable[[], object]]] = {
    "interval": [
        lambda: statistics.interval([], None),
        lambda: statistics.interval([1.0, NAN], None),
        lambda: statistics.interval([[1.0], [2.0]], None),
        lambda: statistics.interval(["a", "b"], None),
        lambda: statistics.interval([1.0, 2.0], ["one"]),
        lambda: statistics.interval([1.0, 2.0], None, confidence=1.0),
    ],
    "ratio_interval": [
        lambda: statistics.ratio_interval([], [], None),
        lambda: statistics.ratio_interval([1.0], [1.0, 2.0], None),
        lambda: statistics.ratio_interval([1.0, 2.0], [1.0, INF], None),
        lambda: statistics.ratio_interval([1.0, 2.0], [1.0, -1.0], None),
    ],
    "metric_interval": [
        lambda: statistics.metric_interval(lambda weights: weights.mean(), []),
        lambda: statistics.metric_interval(lambda weights: weights.mean(), ["a", "b"], confidence=0.0),
    ],
    "leave_out_weights": [lambda: statistics.leave_out_weights([]), lambda: statistics.leave_out_weights([[1, 2]])],
    "jackknife_interval": [
        lambda: statistics.jackknife_interval(0.5, [[0.4], [0.6]], clusters=2),
        lambda: statistics.jackknife_interval(0.5, [0.4, 0.6], clusters=2, confidence=1.5),
    ],
    "optimal_block_length": [
        lambda: statistics.optimal_block_length(np.array([])),
        lambda: statistics.optimal_block_length(np.array([1.0, NAN, 2.0, 3.0])),
    ],
    "stationary_indices": [
        lambda: statistics.stationary_indices(np.random.default_rng(1), resamples=2, count=0, block_length=1.0),
        lambda: statistics.stationary_indices(np.random.default_rng(1), resamples=2, count=5, block_length=NAN),
        lambda: statistics.stationary_indices(
            np.random.default_rng(1), resamples=2, count=5, block_length=float("inf")
        ),
        lambda: statistics.stationary_indices(np.random.default_rng(1), resamples=-1, count=5, block_length=2.0),
    ],
    "cluster_codes": [
        lambda: statistics.cluster_codes(["a"], 2),
        lambda: statistics.cluster_codes([["a", "b"]], 2),
        lambda: statistics.cluster_codes(["a", "b"], 2, at=[1]),
    ],
    "cluster_means": [
        lambda: statistics.cluster_means([], None),
        lambda: statistics.cluster_means([NAN], None),
        lambda: statistics.cluster_means([1.0, 2.0], ["a"]),
    ],
    "paired_comparison": [
        lambda: statistics.paired_comparison([], [], None),
        lambda: statistics.paired_comparison(TEN, TEN[:5], None),
        lambda: statistics.paired_comparison([NAN] * 40, [1.0] * 40, None),
        lambda: statistics.paired_comparison(np.arange(40.0), np.ones(40), None, alpha=0.0),
    ],
    "paired_gains": [
        lambda: statistics.paired_gains([1.5], [0.5], [1]),
        lambda: statistics.paired_gains([0.5], [0.5, 0.5], [1]),
        lambda: statistics.paired_gains([0.5], [0.5], [NAN]),
        lambda: statistics.paired_gains([0.5], [0.5], [1], clip=0.0),
    ],
    "class_losses": [lambda: statistics.class_losses([[0.5, 0.6]], "brier")],
    "largest_loss": [
        lambda: statistics.largest_loss("log_loss", 1),
        lambda: statistics.largest_loss("log_loss", 2, clip=0.0),
    ],
    "value_gains": [
        lambda: statistics.value_gains([1.0], [1.0, 2.0], [1.0], bounds=(0.0, 1.0), spread=1.0, loss="mse"),
        lambda: statistics.value_gains([NAN], [1.0], [1.0], bounds=(0.0, 1.0), spread=1.0, loss="mse"),
        lambda: statistics.value_gains([1.0], [1.0], [1.0], bounds=(0.0, 1.0), spread=0.0, loss="mae"),
    ],
    "value_losses": [
        lambda: statistics.value_losses([NAN], [1.0], "mse"),
        lambda: statistics.value_losses([1.0, 2.0], [1.0], "mae"),
    ],
    "day_gains": [lambda: statistics.day_gains(GAINS, ["sat"])],
    "within_day_correlation": [lambda: statistics.within_day_correlation(GAINS, [["sat", "sun"]])],
    "outcomes_needed": [
        lambda: statistics.outcomes_needed(statistics.TwoWitnesses.start(statistics.WitnessRule()), longest=0)
    ],
    "planned_outcomes": [lambda: statistics.planned_outcomes(GAINS, statistics.WitnessRule(), longest=-1)],
    "rate_bounds": [
        lambda: statistics.rate_bounds(statistics.RateCount(3, 2)),
        lambda: statistics.rate_bounds(statistics.RateCount(1, 2), alpha=1.0),
    ],
    "compare_rates": [
        lambda: statistics.compare_rates(
            statistics.RateCount(), statistics.RateCount(), statistics.RateGuardrail(margin=-0.1)
        )
    ],
    "split_units": [
        lambda: statistics.split_units([1], [0.5, 0.2], 0.5, largest_loss=1.0, expected=([0.1, 0.2, 0.3], 0.0)),
        lambda: statistics.split_units([1], [2.0], 0.5, largest_loss=1.0),
    ],
    "split_error": [lambda: statistics.split_error(statistics.split_units([], [], [], largest_loss=1.0))],
    "psi": [
        lambda: statistics.psi([], []),
        lambda: statistics.psi([1, 2], [1]),
        lambda: statistics.psi([1, -2], [1, 2]),
        lambda: statistics.psi([1, NAN], [1, 2]),
    ],
    "psi_of_numbers": [lambda: statistics.psi_of_numbers(np.array([]), np.array([["a"]]))],
    "wasserstein": [lambda: statistics.wasserstein(np.array([NAN]), TEN)],
    "benjamini_hochberg": [
        lambda: statistics.benjamini_hochberg([]),
        lambda: statistics.benjamini_hochberg([0.5, 1.5]),
        lambda: statistics.benjamini_hochberg([NAN]),
    ],
    "simes": [lambda: statistics.simes([]), lambda: statistics.simes([-0.1])],
    "build_profile": [
        lambda: statistics.build_profile([[1.0, 2.0]], names=["x"]),
        lambda: statistics.build_profile(np.empty((0, 1)), names=["x"]),
        lambda: statistics.build_profile([[1.0]], names=["x"], outputs={"p": [0.1, 0.2]}),
    ],
    "check_columns": [
        lambda: statistics.check_columns(statistics.build_profile([[1.0]], names=["x"]), np.empty((0, 1))),
        lambda: statistics.check_columns(statistics.build_profile([[1.0]], names=["x"]), [[1.0, 2.0]]),
    ],
    "clopper_pearson": [
        lambda: statistics.clopper_pearson(3, 2),
        lambda: statistics.clopper_pearson(-1, 2),
        lambda: statistics.clopper_pearson(1, 2, confidence=1.0),
    ],
    "mann_whitney": [
        lambda: statistics.mann_whitney(np.array([]), TEN),
        lambda: statistics.mann_whitney(TEN, TEN * NAN),
    ],
    "kolmogorov_smirnov": [
        lambda: statistics.kolmogorov_smirnov(TEN, np.array([])),
        lambda: statistics.kolmogorov_smirnov(TEN, np.array([INF])),
    ],
    "decide_at_end": [
        lambda: statistics.decide_at_end(statistics.TwoWitnesses.start(statistics.WitnessRule(reserved=1.0))),
    ],
    "decide_at_end_by_cluster": [
        lambda: statistics.decide_at_end_by_cluster(COUNTED, [0.1], ["a"]),
        lambda: statistics.decide_at_end_by_cluster(COUNTED, [NAN, 0.1], ["a", "b"]),
        lambda: statistics.decide_at_end_by_cluster(COUNTED, GAINS.values, ["a"]),
    ],
    "number_levels": [lambda: statistics.number_levels(np.array([["a"]]))],
    "mid_ranks": [lambda: statistics.mid_ranks(np.array([])), lambda: statistics.mid_ranks(np.array([NAN]))],
    "gain_on_newest": [
        lambda: statistics.gain_on_newest(GAINS, ["one"]),
        lambda: statistics.gain_on_newest(GAINS, None, alpha=0.0),
    ],
    "agreement": [lambda: statistics.agreement(TEN, TEN[:5]), lambda: statistics.agreement(TEN[:, None], TEN)],
    "cross_fitted_means": [
        lambda: statistics.cross_fitted_means(LEVELS[:0], TEN[:0, None]),
        lambda: statistics.cross_fitted_means(LEVELS, TEN),
        lambda: statistics.cross_fitted_means(LEVELS - 1, TEN[:, None]),
        lambda: statistics.cross_fitted_means(LEVELS, TEN[:, None] * NAN),
    ],
    "separation": [lambda: statistics.separation(LEVELS, TEN[:5, None])],
    "explained_share": [lambda: statistics.explained_share(LEVELS, TEN[:5, None])],
    "is_beyond_chance": [lambda: statistics.is_beyond_chance(statistics.separation, LEVELS, TEN[:5, None], 0.5)],
    "chi_squared": [
        lambda: statistics.chi_squared(np.array([]), np.array([])),
        lambda: statistics.chi_squared(np.array([1.0]), np.array([1.0, 2.0])),
        lambda: statistics.chi_squared(np.array([1.0, -1.0]), np.array([1.0, 2.0])),
    ],
    "maturity_age": [
        lambda: statistics.maturity_age([], []),
        lambda: statistics.maturity_age([2.0], [1.0]),
        lambda: statistics.maturity_age([1.0], [1.0], share=1.0),
    ],
    "delay_distribution": [
        lambda: statistics.delay_distribution([1.0], [1.0, 2.0]),
        lambda: statistics.delay_distribution([NAN], [1.0]),
    ],
    "estimate_prior_shift": [
        lambda: statistics.estimate_prior_shift([[0.5, 0.5]], [[1.0]], [0]),
        lambda: statistics.estimate_prior_shift([[NAN, 0.5]], [[0.5, 0.5]] * 2, [0, 1]),
    ],
    "rows_of_shares": [
        lambda: statistics.rows_of_shares([], [0.5, 0.5]),
        lambda: statistics.rows_of_shares([0, 2], [0.5, 0.5]),
        lambda: statistics.rows_of_shares([0, 1], [NAN, 0.5]),
        lambda: statistics.rows_of_shares([0, 0], [0.0, 1.0]),
    ],
    "with_prior": [
        lambda: statistics.with_prior([[0.5, 0.5]], [0.0, 1.0], [0.5, 0.5]),
        lambda: statistics.with_prior([[np.nan, 0.5]], [0.5, 0.5], [0.1, 0.9]),
        lambda: statistics.with_prior([[0.5, 0.5]], [0.5, 0.5], [0.0, 0.0]),
    ],
    "row_shift": [
        lambda: statistics.row_shift([[1.0]], [[1.0, 2.0]]),
        lambda: statistics.row_shift(np.empty((0, 1)), [[1.0]]),
    ],
    "fisher": [
        lambda: statistics.fisher((-1, 5), (1, 5)),
        lambda: statistics.fisher((1,), (1, 5)),  # type: ignore[arg-type]  # the mistake
    ],
    "measure_inflation": [
        lambda: statistics.measure_inflation(np.array([[1.0], [NAN]])),
        lambda: statistics.measure_inflation(np.empty((0, 1))),
    ],
    "autoregressive_inflation": [lambda: statistics.autoregressive_inflation([])],
    "find_rises": [
        lambda: statistics.find_rises(np.zeros((40, 7)), reference=30, limit=9),
        lambda: statistics.find_rises(np.zeros((40, 9)), reference=10, limit=9),
        lambda: statistics.find_rises(np.zeros((25, 9)), reference=30, limit=9),
    ],
    "inflation_of": [lambda: statistics.inflation_of(statistics.build_profile([[1.0]], names=["x"]), (), 0)],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_computed_is_refused(name: str) -> None:
    for call in IMPOSSIBLE[name]:
        with pytest.raises(InvalidSample, match=r"cannot be computed from .+ Allowed: "):
            call()


def test_no_function_is_left_out() -> None:
    functions = {name for name in statistics.__all__ if inspect.isfunction(getattr(statistics, name))}
    # The levels of a column are codes by construction.
    assert functions - {"level_codes"} == set(IMPOSSIBLE)
