"""Prove by simulation what the statistics promise: coverage, the gate's error and power, drift's alarms and power.

    python benchmarks/prove_statistics.py --runs 2000

A promise that fails (by a one-sided binomial test at 0.1 %) ends the program with exit code 1. `make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest

from touchline.statistics import build_profile, check_columns, interval, paired_comparison

Array = NDArray[np.float64]
_DOUBT = 0.001


@dataclass(frozen=True)
class Finding:
    """A share of runs, and whether it breaks the promise made about it."""

    what: str
    hits: int
    runs: int
    promise: str
    is_broken: bool

    def __str__(self) -> str:
        share = self.hits / self.runs
        error = np.sqrt(share * (1 - share) / self.runs)
        mark = "BROKEN" if self.is_broken else "ok"
        return f"{self.what:<66} {share:6.1%} ± {error:.1%}   {self.promise:<14} {mark}"


def autoregression(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> Array:
    """Normal numbers of variance 1 whose neighbours along the first axis have correlation rho."""
    made = rng.normal(size=shape)
    for at in range(1, shape[0]):
        made[at] = rho * made[at - 1] + np.sqrt(1 - rho**2) * made[at]
    return made


def match_losses(
    rng: np.random.Generator, *, days: int, rho: float, noise: tuple[float, float]
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Log losses of two models on match days of 3 to 10 matches with three outcomes.

    Each model errs on the logits by its noise: half of it per match, half per day, days following each other.
    """
    labels = np.repeat(np.arange(days), rng.integers(3, 11, days))
    truth = rng.normal(0, 0.6, (len(labels), 3))
    outcomes = (softmax(truth, axis=1).cumsum(axis=1) < rng.random((len(labels), 1))).sum(axis=1).clip(max=2)
    losses = []
    for scale in noise:
        by_day = autoregression(rng, (days, 3), rho)[labels]
        error = scale * np.sqrt(0.5) * (by_day + rng.normal(size=truth.shape))
        losses.append(-np.log(softmax(truth + error, axis=1)[np.arange(len(labels)), outcomes]))
    return losses[0], losses[1], labels


def coverage(runs: int) -> list[Finding]:
    """The 90 % interval of a mean of clustered rows, clusters dependent on their neighbours."""
    found = []
    for days, rho in ((60, 0.0), (60, 0.5), (200, 0.0), (200, 0.5), (1000, 0.5)):
        hits = 0
        for seed in range(runs):
            rng = np.random.default_rng([days, seed])
            labels = np.repeat(np.arange(days), rng.integers(1, 10, days))
            rows = autoregression(rng, (days,), rho)[labels] + rng.normal(size=len(labels))
            interval_found = interval(rows, labels, confidence=0.9, seed=seed)
            hits += interval_found.low <= 0 <= interval_found.high
        broken = binomtest(hits, runs, 0.88, alternative="less").pvalue < _DOUBT
        found.append(Finding(f"90 % interval covers: {days} clusters, rho {rho}", hits, runs, "≥ 88 %", broken))
    return found


def gate(runs: int) -> list[Finding]:
    """A model that is no better, slightly worse, better: lower mean wins, against the paired comparison."""
    found = []
    for days, rho in ((40, 0.3), (120, 0.0), (120, 0.5), (400, 0.5)):
        judged = _promoted(runs, days, rho, (0.5, 0.5))
        broken = binomtest(judged[1], runs, 0.05, alternative="greater").pvalue < _DOUBT
        found.append(Finding(f"no better, {days} days, rho {rho}: passes the gate", judged[1], runs, "≤ 5 %", broken))
    naive, passed = _promoted(runs, 120, 0.3, (0.515, 0.5))
    broken = binomtest(passed, runs, 0.05, alternative="greater").pvalue < _DOUBT
    found.append(Finding("slightly worse, 120 days: lower mean wins", naive, runs, "(naive)", naive / runs < 0.35))
    found.append(Finding("slightly worse, 120 days: passes the gate", passed, runs, "≤ 5 %", broken))
    for better in (0.4, 0.3, 0.2):
        _, passed = _promoted(runs, 120, 0.3, (better, 0.5))
        found.append(Finding(f"better (noise {better} for 0.5), 120 days: power", passed, runs, "(power)", False))
    return found


def _promoted(runs: int, days: int, rho: float, noise: tuple[float, float]) -> tuple[int, int]:
    naive = passed = 0
    for seed in range(runs):
        rng = np.random.default_rng([days, int(1000 * noise[0]), seed])
        ours, theirs, labels = match_losses(rng, days=days, rho=rho, noise=noise)
        naive += bool(ours.mean() < theirs.mean())
        passed += paired_comparison(ours, theirs, labels, seed=seed).is_better
    return naive, passed


def drift(runs: int) -> list[Finding]:
    """Ten columns of a window of 30 days against 300 days: nothing happened, or one column moved by PSI 0.1."""
    found = []
    for what, rows_a_day, spread in (("rows on their own", 1, 0.0), ("clustered rows", 9, 0.5)):
        for shift, promise in ((0.0, "≤ 5 %"), (0.33, "(power)")):
            alarms = 0
            for seed in range(runs):
                rng = np.random.default_rng([rows_a_day, seed])
                labels = np.repeat(np.arange(330 if rows_a_day > 1 else 3300), rows_a_day)
                level = rng.normal(size=(labels[-1] + 1, 10)) * spread
                rows = level[labels] + rng.normal(size=(len(labels), 10)) * np.sqrt(1 - spread**2)
                cut = len(rows) * 10 // 11
                rows[cut:, 0] += shift
                profile = build_profile(rows[:cut], names=[f"c{at}" for at in range(10)], clusters=labels[:cut])
                verdict = check_columns(profile, rows[cut:], labels[cut:], seed=seed)
                alarms += any(column.p_adjusted <= 0.05 for column in verdict)
            broken = not shift and bool(binomtest(alarms, runs, 0.05, alternative="greater").pvalue < _DOUBT)
            name = "no drift" if not shift else "PSI 0.1 in one of ten columns"
            found.append(Finding(f"{name}, {what}: alarm", alarms, runs, promise, broken))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="simulations of each kind")
    parser.add_argument("--drift-runs", type=int, default=300, help="simulations of each drift check")
    asked = parser.parse_args()
    parts: list[tuple[Callable[[int], list[Finding]], int]] = [
        (coverage, asked.runs),
        (gate, asked.runs),
        (drift, asked.drift_runs),
    ]
    is_broken = False
    for part, runs in parts:
        started = perf_counter()
        for finding in part(runs):
            print(finding, flush=True)
            is_broken |= finding.is_broken
        print(f"   {part.__name__}: {runs} runs each, {perf_counter() - started:.0f} s\n", flush=True)
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
