"""Intervals cover what they claim to, whatever the clusters do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from touchline.statistics import interval, leave_out_weights, metric_interval, ratio_interval


def clustered_values(seed: int, clusters: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows in clusters of 1 to 9 whose clusters follow a first-order autoregression around 0."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=clusters)
    for at in range(1, clusters):
        level[at] = rho * level[at - 1] + np.sqrt(1 - rho**2) * level[at]
    sizes = rng.integers(1, 10, clusters)
    labels = np.repeat(np.arange(clusters), sizes)
    return level[labels] + rng.normal(size=len(labels)), labels


def test_the_mean_of_independent_rows_gets_the_interval_of_the_textbook() -> None:
    values = np.random.default_rng(3).normal(5, 2, 4000)
    found = interval(values, None)
    half = 1.96 * values.std() / np.sqrt(4000)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.2 * half)


def test_intervals_cover_the_truth_for_dependent_clusters() -> None:
    runs = 100
    covered = 0
    for seed in range(runs):
        values, labels = clustered_values(seed, clusters=120, rho=0.4)
        found = interval(values, labels, confidence=0.9)
        covered += found.low <= 0 <= found.high
    assert binomtest(covered, runs, 0.9, alternative="less").pvalue > 0.001


def test_rows_that_repeat_their_cluster_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(4).normal(size=100)
    once = interval(values, np.arange(100))
    tenfold = interval(np.repeat(values, 10), np.repeat(np.arange(100), 10))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_the_same_seed_gives_the_same_interval() -> None:
    values, labels = clustered_values(1, 50, 0.2)
    assert interval(values, labels, seed=5) == interval(values, labels, seed=5)
    assert interval(values, labels, seed=5) != interval(values, labels, seed=6)


def test_one_cluster_says_nothing_about_spread() -> None:
    found = interval([1.0, 2.0], ["day", "day"])
    assert (found.value, found.low, found.high) == (1.5, -np.inf, np.inf)


def test_equal_values_leave_nothing_uncertain() -> None:
    found = interval(np.full(40, 0.1), None)
    assert found.value == pytest.approx(0.1)
    assert found.low == found.high == found.value


def test_a_ratio_is_the_ratio_of_the_sums() -> None:
    hits, tried = np.array([1.0, 0, 3, 2]), np.array([2.0, 1, 3, 4])
    assert ratio_interval(hits, tried, None).value == pytest.approx(6 / 10)


def test_the_area_under_the_curve_gets_the_interval_of_delong() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(6)
    labels = rng.random(400) < 0.3
    scores = rng.normal(size=400) + labels
    found = metric_interval(lambda weights: roc_auc_score(labels, scores, sample_weight=weights), np.arange(400))
    wins = (scores[labels][:, None] > scores[~labels]).astype(float)
    delong = np.sqrt(wins.mean(axis=1).var() / labels.sum() + wins.mean(axis=0).var() / (~labels).sum())
    assert found.value == pytest.approx(wins.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * delong, rel=0.2)


def test_a_metric_stays_within_its_bounds() -> None:
    labels = np.arange(40)
    found = metric_interval(lambda weights: 1 - 1e-3 * float(weights[::13].mean()), labels, bounds=(0.0, 1.0))
    assert found.high <= 1.0


def test_a_metric_that_fails_without_the_only_positive_still_has_an_interval() -> None:
    hits = np.array([1.0] + [0.0] * 59)
    metric = lambda weights: 0.5 if (hits * weights).sum() else float("nan")  # noqa: E731
    assert metric_interval(metric, np.arange(60)).value == 0.5


def test_a_mean_by_jackknife_is_the_mean_by_sums() -> None:
    values, labels = clustered_values(2, clusters=90, rho=0.3)
    direct = interval(values, labels)
    by_metric = metric_interval(lambda weights: float(np.average(values, weights=weights)), labels)
    assert (by_metric.value, by_metric.low, by_metric.high) == pytest.approx(
        (direct.value, direct.low, direct.high), abs=0.02
    )


def test_many_clusters_are_left_out_in_at_most_200_groups_of_neighbours() -> None:
    weights = leave_out_weights(np.repeat(np.arange(1000), 2))
    assert weights.shape == (200, 2000)
    assert (weights == 0).sum(axis=0).tolist() == [1] * 2000
    assert np.flatnonzero(weights[0] == 0).tolist() == list(range(10))
