"""What `benchmarks/prove_gates.py` proves at full size, small: the gate does not promote what is no better."""

from __future__ import annotations

from benchmarks.simulations.gates import World, judge
from scipy.stats import binomtest


def test_lower_mean_wins_promotes_a_slightly_worse_version_and_the_gate_does_not() -> None:
    found = judge(World(days=60, candidate=0.515), runs=60, seed=1)
    assert found.naive / found.runs > 0.35
    assert binomtest(found.gate, found.runs, 0.05, alternative="greater").pvalue > 0.001


def test_five_candidates_on_one_window_do_not_get_five_chances() -> None:
    found = judge(World(days=40), runs=10, seed=2, candidates=5)
    assert found.naive / found.runs > 0.5
    assert binomtest(found.gate, found.runs, 0.05, alternative="greater").pvalue > 0.001


def test_a_truly_better_version_is_found() -> None:
    found = judge(World(days=120, candidate=0.2), runs=10, seed=3)
    assert found.gate >= 9
