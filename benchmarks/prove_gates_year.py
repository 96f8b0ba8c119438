"""Prove by a simulated year what the gates promise to a weekly retraining.

    python benchmarks/prove_gates_year.py --runs 200

52 retrainings on a moving window of 40 weeks, the newest 10 of which test, decided by the real gates and the budget of
looks. A promise that fails ends the program with exit code 1. `make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter
from typing import Final

import numpy as np
from scipy.stats import binomtest

from simulations.year import (
    MARGIN,
    World,
    Year,
    better_recipe,
    changes_and_incidents,
    drifting_world,
)
from simulations.year import years_on_all_cores as years

_DOUBT: Final = 0.001


def never_much_worse(runs: int) -> bool:
    """Proposals of a worse recipe every second week, and four spoilt refreshes a year."""
    holds = True
    for worth, rows in ((0.012, 60), (0.02, 60)):
        found = years(changes_and_incidents, World(rows=rows, worth=worth), runs=runs, seed=1)
        harmed = sum(year.harmful > 0 for year in found)
        broken = binomtest(harmed, runs, 0.05, alternative="greater").pvalue < _DOUBT
        refreshes = sum(year.passed for year in found) / sum(year.refreshes for year in found)
        what = f"worse by {worth}, {rows} rows a week"
        _print(what, runs, f"moved to worse by {MARGIN}: {harmed / runs:.1%}; refreshes live {refreshes:.1%}", broken)
        holds &= not broken
    return holds


def better_arrives(runs: int) -> bool:
    """A recipe better by 0.01 reaches Production within 12 weeks in 80 % of the years."""
    holds = True
    for rows, is_promised in ((60, False), (120, True), (200, True)):
        found = years(better_recipe, World(rows=rows), runs=runs, seed=2)
        weeks = [year.arrival or 99 for year in found]
        within = sum(week <= 12 for week in weeks)
        broken = is_promised and binomtest(within, runs, 0.8, alternative="less").pvalue < _DOUBT
        text = f"within 12 weeks {within / runs:.1%}, within the year {np.mean(np.array(weeks) <= 52):.1%}"
        _print(f"better by 0.01, {rows} rows a week", runs, f"{text}, median week {np.median(weeks):g}", broken)
        holds &= not broken
    return holds


def drift_is_followed(runs: int) -> bool:
    """Refreshes are live at once, and the gates cost little of what refitting gains."""
    holds = True
    for drift in (0.01, 0.03):
        found = years(drifting_world, World(rows=120, drift=drift), runs=runs, seed=3)
        live = sum(year.passed for year in found) / sum(year.refreshes for year in found)
        excess, never = _excess(found)
        broken = live < 0.95 or excess > 0.1 * never
        text = f"refreshes live in their week {live:.1%}; excess loss {excess:.5f}, never refitting {never:.5f}"
        _print(f"weights turn by {drift} a week", runs, text, broken)
        holds &= not broken
    return holds


def _excess(found: list[Year]) -> tuple[float, float]:
    """The mean loss above refitting every week without a gate: of the loop, and of the first model for ever."""
    ungated = np.mean([year.ungated_loss for year in found])
    gated, stale = np.mean([year.loss for year in found]), np.mean([year.stale_loss for year in found])
    return float(gated - ungated), float(stale - ungated)


def _print(what: str, runs: int, text: str, broken: bool) -> None:
    print(f"{what:<36} {runs:>5} runs   {text}   {'BROKEN' if broken else 'ok'}", flush=True)


PARTS: Final = {"worse": never_much_worse, "better": better_arrives, "drift": drift_is_followed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["all", *PARTS], default="all", help="one part of the proof")
    parser.add_argument("--runs", type=int, default=200, help="simulated years of each kind")
    arguments = parser.parse_args()
    began = perf_counter()
    held = [part(arguments.runs) for name, part in PARTS.items() if arguments.only in ("all", name)]
    print(f"   {arguments.runs} runs, {perf_counter() - began:.0f} s")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
