"""Clusters, bounds of shares, many p-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from touchline.errors import InvalidSample
from touchline.statistics import benjamini_hochberg, clopper_pearson, cluster_codes, cluster_means, simes


def test_clusters_are_numbered_by_their_earliest_row() -> None:
    assert cluster_codes(["b", "a", "b"], 3).tolist() == [0, 1, 0]
    assert cluster_codes(["b", "a", "b"], 3, at=[5, 4, 6]).tolist() == [1, 0, 1]
    days = np.array(["2024-03-02", "2024-03-01"], dtype="datetime64[D]")
    assert cluster_codes(["x", "y"], 2, at=days).tolist() == [1, 0]
    assert cluster_codes(None, 3).tolist() == [0, 1, 2]


def test_a_label_for_every_row_is_wanted() -> None:
    with pytest.raises(InvalidSample, match=r"shape \(2,\) for 3 rows. Allowed: one label a row"):
        cluster_codes(["a", "b"], 3)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10)), min_size=1, max_size=40))
def test_cluster_means_are_the_means_of_the_clusters(rows: list[tuple[int, float]]) -> None:
    labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    expected = [values[labels == label].mean() for label in dict.fromkeys(labels.tolist())]
    assert cluster_means(values, labels) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_of_a_share_are_those_of_scipy(hits: int, misses: int, confidence: float) -> None:
    trials = hits + misses
    if not trials:
        assert clopper_pearson(0, 0) == (0.0, 1.0)
        return
    exact = binomtest(hits, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(hits, trials, confidence=confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values), abs=1e-12)


def test_simes_is_the_smallest_scaled_p_value() -> None:
    assert simes([0.04, 0.01, 0.9]) == pytest.approx(0.03)
    assert simes([0.9]) == 0.9
    assert simes([1.0, 1.0]) == 1.0
