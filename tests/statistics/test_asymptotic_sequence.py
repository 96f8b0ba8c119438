"""Bounds of a running mean: their curve, their coverage at every look, their memory."""

from __future__ import annotations

import json
from math import exp, inf, log, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binomtest, norm

from touchline.statistics import AsymptoticSequence, best_rho
from touchline.statistics.asymptotic_sequence import mixture_boundary, mixture_evidence

# ville 0.1.0: normal_mixture(v, alpha, rho, one_sided=True) and best_rho(v, alpha, one_sided=True).
VILLE_BOUNDARIES = [
    (50, 0.05, 75.0, 25.34640193425186),
    (500, 0.05, 75.0, 61.84568891496879),
    (500, 0.01, 140.0, 77.34021508938426),
    (20000, 0.025, 300.0, 455.20477430711867),
]
VILLE_RHO_500 = 74.71125310323238


@pytest.mark.parametrize(("count", "alpha", "rho", "expected"), VILLE_BOUNDARIES)
def test_the_boundary_is_that_of_ville(count: float, alpha: float, rho: float, expected: float) -> None:
    assert mixture_boundary(count, alpha, rho) == pytest.approx(expected, abs=1e-9)


def test_the_best_rho_is_that_of_ville() -> None:
    assert best_rho(500, 0.05) == pytest.approx(VILLE_RHO_500, rel=1e-5)


@pytest.mark.parametrize("gap", [-0.3, 0.05, 0.4])
def test_evidence_is_the_integral_over_effects(gap: float) -> None:
    count, rho, squares = 80.0, 20.0, 79.0 * 2.5
    total = gap * count / sqrt(2.5)

    def mixed(effect: float) -> float:
        return 2 * norm.pdf(effect, scale=1 / sqrt(rho)) * exp(effect * total - effect**2 * count / 2)

    expected = log(quad(mixed, 0, 5, points=[max(total / (count + rho), 0)], epsabs=1e-13, epsrel=1e-12)[0])
    evidence = mixture_evidence(np.array([gap]), np.array([squares]), np.array([count]), rho)
    assert evidence[0] == pytest.approx(expected, abs=1e-9)


def test_evidence_reaches_its_level_where_a_bound_passes_the_limit() -> None:
    rng = np.random.default_rng(5)
    values = rng.exponential(size=400)
    sequence = AsymptoticSequence(best_rho(300, 0.05)).update(values)
    low, _ = sequence.bounds(0.05)
    _, evidence = AsymptoticSequence(sequence.rho).evidence(values, (low - 1e-6, low + 1e-6))
    assert evidence[0, -1] > log(20) > evidence[1, -1]
    assert (sequence.mean, sequence.deviation) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_bounds_hold_at_every_look_at_once() -> None:
    runs, wrong = 300, 0
    for seed in range(runs):
        values = np.random.default_rng([7, seed]).laplace(size=2000)
        _, evidence = AsymptoticSequence(best_rho(500, 0.1)).evidence(values, (0.0,))
        wrong += bool((evidence[0] >= log(10)).any())
    assert binomtest(wrong, runs, 0.1, alternative="greater").pvalue > 0.001
    assert wrong > 5


def test_batches_and_a_stored_state_change_nothing() -> None:
    values = 1e6 + np.random.default_rng(2).normal(size=500)
    state, looks = AsymptoticSequence(75.0), []
    for batch in np.split(values, [1, 40, 41, 300]):
        state, evidence = state.evidence(batch, (1e6,))
        state = AsymptoticSequence.from_json(json.loads(json.dumps(state.to_json())))
        looks.append(evidence[0])
    whole, at_once = AsymptoticSequence(75.0).evidence(values, (1e6,))
    assert np.concatenate(looks) == pytest.approx(at_once[0], abs=1e-6)
    assert (state.count, state.mean, state.squares) == pytest.approx((500, whole.mean, whole.squares))


def test_too_few_units_say_nothing() -> None:
    assert AsymptoticSequence(75.0).update([0.1, 0.2] * 14).bounds(0.05) == (-inf, inf)
    assert AsymptoticSequence(75.0).evidence([1.0] * 29, (0.0,))[1].max() == 0


def test_equal_values_are_evidence_for_lower_limits_only() -> None:
    evidence = AsymptoticSequence(75.0).evidence([0.0] * 50, (-0.1, 0.0, 0.1))[1][:, -1]
    assert evidence[0] > 1000
    assert evidence[1] < 0
    assert evidence[2] < -200
