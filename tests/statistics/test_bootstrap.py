"""Blocks, resamples and the spread they give."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from touchline.statistics import optimal_block_length, stationary_indices


def an_autoregression(count: int, rho: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=count)
    for at in range(1, count):
        noise[at] += rho * noise[at - 1]
    return noise


@pytest.fixture(scope="module")
def arch_blocks():
    # arch takes seconds to import and is a reference for tests alone.
    from arch.bootstrap import optimal_block_length as reference

    return lambda series: float(reference(series)["stationary"].iloc[0])


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8, -0.5])
@pytest.mark.parametrize("count", [40, 300, 1500])
def test_block_lengths_are_those_of_arch(arch_blocks, count: int, rho: float) -> None:
    for seed in range(5):
        series = an_autoregression(count, rho, seed)
        assert optimal_block_length(series) == pytest.approx(max(arch_blocks(series), 1.0), rel=0.02)


def test_a_constant_series_needs_no_blocks() -> None:
    assert optimal_block_length(np.full(50, 3.0)) == 1.0


def test_blocks_are_runs_of_neighbours_on_a_circle_with_the_stated_mean_length() -> None:
    drawn = stationary_indices(np.random.default_rng(1), resamples=400, count=500, block_length=10)
    steps = np.diff(drawn, axis=1) % 500
    assert np.mean(steps != 1) == pytest.approx(1 / 10 * (1 - 1 / 500), rel=0.03)
    assert drawn.shape == (400, 500)
    assert drawn.min() >= 0
    assert drawn.max() < 500


def test_every_cluster_is_as_likely() -> None:
    drawn = stationary_indices(np.random.default_rng(2), resamples=2000, count=20, block_length=4)
    shares = np.bincount(drawn.reshape(-1), minlength=20) / drawn.size
    assert shares == pytest.approx(np.full(20, 1 / 20), rel=0.05)


def test_importing_the_room_does_not_import_scipy() -> None:
    code = "import sys, touchline.statistics; print([m for m in ('scipy', 'pandas', 'polars') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
