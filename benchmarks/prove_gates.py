"""Prove by simulation what the comparative gate promises, beside the rule "lower mean wins".

    python benchmarks/prove_gates.py --runs 2000

The gate itself is run, with its alpha spent by looks. A promise that fails (by a one-sided binomial test at 0.1 %)
ends the program with exit code 1. `make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from math import sqrt
from time import perf_counter
from typing import Final

from scipy.stats import binomtest

from simulations.gates import Judged, World
from simulations.gates import judge_on_all_cores as judge

_DOUBT: Final = 0.001
_SLIGHTLY_WORSE: Final = 0.515
_NAIVE: Final = 0.35


def promises(runs: int, chosen: str) -> bool:
    """Print every finding; whether all promises hold."""
    held = [told(runs) for name, told in PARTS.items() if chosen in ("all", name)]
    return all(held)


def no_better(runs: int) -> bool:
    """A candidate that errs as much as Production."""
    worlds = [World(days=40), World(days=120), World(days=120, rho=0.6), World(days=400)]
    holds = True
    for world in worlds:
        found = judge(world, runs=runs, seed=world.days)
        holds &= _told(f"no better, {world.days} days, rho {world.rho}", found, is_error=True)
    return holds


def slightly_worse(runs: int) -> bool:
    """The rule that people use is expected to err often here; the gate is not."""
    found = judge(World(candidate=_SLIGHTLY_WORSE), runs=runs, seed=1)
    holds = _told(f"slightly worse (errs by {_SLIGHTLY_WORSE} for 0.5), 120 days", found, is_error=True)
    if found.naive / found.runs > _NAIVE:
        return holds
    print(f"BROKEN: the naive rule was expected to promote the slightly worse version in over {_NAIVE:.0%} of runs")
    return False


def looked_at_again(runs: int) -> bool:
    """Five candidates, none better, tried one after the other on one test window."""
    found = judge(World(), runs=max(runs // 4, 1), seed=2, candidates=5)
    return _told("no better, any of five candidates on one window", found, is_error=True)


def better(runs: int) -> bool:
    """Nothing is promised of the power; it is printed."""
    for error in (0.4, 0.3, 0.2):
        found = judge(World(candidate=error), runs=max(runs // 4, 1), seed=3)
        _told(f"power: errs by {error} for 0.5, 120 days", found, is_error=False)
    return True


PARTS: Final = {"no-better": no_better, "slightly-worse": slightly_worse, "looks": looked_at_again, "power": better}


def _told(what: str, judged: Judged, *, is_error: bool) -> bool:
    share = judged.gate / judged.runs
    broken = is_error and binomtest(judged.gate, judged.runs, 0.05, alternative="greater").pvalue < _DOUBT
    mark = ("BROKEN" if broken else "ok, at most 5 %") if is_error else ""
    spread = sqrt(share * (1 - share) / judged.runs)
    naive = f"naive {judged.naive / judged.runs:6.1%}"
    print(f"{what:<52} {judged.runs:>5} runs  {naive}   gate {share:6.1%} ± {spread:.1%}   {mark}", flush=True)
    return not broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["all", *PARTS], default="all", help="one part of the proof")
    parser.add_argument("--runs", type=int, default=2000, help="simulated promotions of each kind")
    asked = parser.parse_args()
    began = perf_counter()
    holds = promises(asked.runs, asked.only)
    print(f"   {asked.runs} runs, {perf_counter() - began:.0f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
