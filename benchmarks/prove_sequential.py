"""Prove by simulation what the sequential tests of two models promise, beside other rules; each outcome is a look.

    python benchmarks/prove_sequential.py --runs 2000

A promise that fails (by a one-sided binomial test at 0.1 %) ends the program with exit code 1. `make prove` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt
from typing import Final

import numpy as np
from scipy.stats import binomtest

from simulations.proof_parts import mark, run_parts
from simulations.sequential import Case, better_often, erring, overconfident, split, split_by_user, sure
from simulations.sequential_rules import Decision, decisions, fixed_size
from touchline.statistics import (
    SplitSequence,
    TwoWitnesses,
    Verdict,
    WitnessRule,
    decide_at_end,
    decide_at_end_by_cluster,
    planned_outcomes,
    within_day_correlation,
)

_DOUBT: Final = 0.001
_MATCHES: Final = 6000
# The units of a split, as rollouts count them.
_OF_UNITS: Final = WitnessRule(target=1000)
# Each better model, the share of runs that must find it, and the outcomes within which half of that share must.
_BETTER: Final[dict[str, tuple[Case, float, int]]] = {
    "better, independent errors": (erring(0.4, 0.52), 0.47, 3027),
    "better, errors in common": (erring(0.4, 0.52, common=True), 0.99, 225),
    "much better": (erring(0.5, 0.79), 0.99, 1139),
}
_NOT_BETTER: Final[dict[str, Case]] = {
    "equal": erring(0.5, 0.5),
    "slightly worse": erring(0.52, 0.5),
    "clearly worse": erring(0.55, 0.5),
    "overconfident, equal": overconfident(),
    "0.7 % gain, rare disasters at 5 %": sure(0.05),
    "0.7 % gain on 97.8 % sure (1.8 %)": sure(0.0182),
    "0.7 % gain, rare disasters at 1 %": sure(0.01),
    "0.7 % gain, rare disasters at 0.2 %": sure(0.002),
    "better in 90 %, much worse in 10 %": better_often(0.1),
    "better in 98 %, much worse in 2 %": better_often(0.02),
    "the same, errors in common, 10 %": better_often(0.1, common=True),
    "the same, errors in common, 2 %": better_often(0.02, common=True),
}
_NOT_BETTER_BY_DAY: Final[dict[str, Case]] = {
    "equal, days in common": erring(0.5, 0.5, daily=True),
    "slightly worse, days in common": erring(0.52, 0.5, daily=True),
    "clearly worse, days in common": erring(0.55, 0.5, daily=True),
    "overconfident, days in common": overconfident(daily=True),
    "0.7 % gain, rare disasters at 1 %": sure(0.01),
    "better in 98 %, much worse in 2 %": better_often(0.02, daily=True),
    "the same, errors in common, 10 %": better_often(0.1, common=True, daily=True),
}

_SPLIT: Final[dict[str, Case]] = {
    "equal": erring(0.8, 0.8),
    "slightly worse": erring(0.83, 0.8),
    "overconfident, equal": overconfident(),
    "0.7 % gain, rare disasters at 1 %": sure(0.01),
    "better in 98 %, much worse in 2 %": better_often(0.02, common=True),
    "much better": erring(0.4, 1.0),
}
_CLUSTERED: Final[dict[str, Case]] = {
    "equal": erring(0.8, 0.8, daily=True),
    "slightly worse": erring(0.83, 0.8, daily=True),
    "overconfident, equal": overconfident(daily=True),
    "rare disasters at 1 %": sure(0.01),
    "better often, much worse rarely": better_often(0.02, common=True, daily=True),
    "much better": erring(0.4, 1.0, daily=True),
}


def found(runs: int) -> bool:
    """Better models: how many runs find them and how early, match by match and by day."""
    print(f"Better models, {runs} runs of {_MATCHES} matches")
    columns = f"{'sequence':>10}{'with the end':>14}{'median':>8}{'fixed n, 80 %':>15}   other rules alone"
    print(f"{'case':<38}{'mean gain':>10}{columns}")
    holds = True
    for name, (case, least, soon) in _BETTER.items():
        results = decisions(case, runs=runs, matches=_MATCHES)
        hits = _print_found(name, results, fixed_size(results))
        early = sum(run.verdict == "better" and run.matches <= soon for run in results)
        print(f"{'':<38}found within {soon}: {early / runs:.1%}, at least {least / 2:.1%} promised", flush=True)
        for found, share in ((hits, least), (early, least / 2)):
            holds &= bool(binomtest(found, runs, share, alternative="less").pvalue >= _DOUBT)
    for name, common in (("better, days in common, by day", False), ("better, errors and days in common", True)):
        results = decisions(erring(0.4, 0.52, common=common, daily=True), runs=runs, matches=_MATCHES, by_day=True)
        _print_found(name, results, fixed_size(results, matches_a_unit=6.5))
    return holds


def promoted(runs: int) -> bool:
    """Models that are not better, match by match: the chance that a rollout ever promotes one."""
    print(f"False promotion, match by match, {runs} runs of {_MATCHES} matches")
    return _print_promoted(_NOT_BETTER, runs, by_day=False)


def promoted_by_day(runs: int) -> bool:
    """The same with the mean of a day as the unit."""
    print(f"False promotion, the mean of a day as unit, {runs} runs of {_MATCHES} matches")
    return _print_promoted(_NOT_BETTER_BY_DAY, runs, by_day=True)


def day_check(runs: int) -> bool:
    """Match by match where days are in common, allowed only where past gains of a day are uncorrelated."""
    case = erring(0.5, 0.5, daily=True)
    pasts = [case(np.random.default_rng([5201, run]), 3000) for run in range(runs)]
    allowed = np.array([within_day_correlation(past.gains, past.days).is_uncorrelated for past in pasts])
    results = decisions(case, runs=runs, matches=_MATCHES)
    hits = int(sum(is_allowed and run.verdict == "better" for is_allowed, run in zip(allowed, results, strict=True)))
    anyway = sum(run.verdict == "better" for run in results)
    print(f"Equal, days in common, match by match: check passes in {allowed.mean():.1%}, promoted {anyway / runs:.1%}")
    holds = mark("  promoted, of the runs with a passed check", hits, max(int(allowed.sum()), 1))
    ends = [_at_end_by_match(case, run) for run in range(runs)]
    robust, plain = (sum(verdict == "better" for verdict in each) for each in zip(*ends, strict=True))
    text = f"  at the end alone, error robust to days (else {plain / runs:.1%})"
    return mark(text, robust, runs, promise=0.01) & holds


def _at_end_by_match(case: Case, run: int) -> tuple[Verdict, Verdict]:
    """The test at the end alone, with an error that is robust to days and without."""
    season = case(np.random.default_rng([5205, run]), 3000)
    state = replace(TwoWitnesses.start(WitnessRule()).update(season.gains), verdict="undecided")
    by_day = decide_at_end_by_cluster(state, season.gains.values, season.days)
    return by_day.verdict, decide_at_end(state).verdict


def splits(runs: int) -> bool:
    """Each unit gets one of the models: models that are not better, and one that is much better."""
    print(f"Split, {runs} runs of 10,000 units")
    holds = True
    for share in (0.1, 0.5):
        for name, case in _SPLIT.items():
            states = [_split_state(case, run, share) for run in range(runs)]
            hits = sum(decide_at_end(state).verdict == "better" for state in states)
            label = f"  {name}, new model at {share:.0%}: promoted"
            if name == "much better":
                print(f"{label:<66}{hits / runs:6.1%}   {_median(states)}", flush=True)
            else:
                holds &= mark(label, hits, runs)
    return holds


def clustered_splits(runs: int) -> bool:
    """Split where outcomes come in clusters: users who keep their model, and match days in common."""
    print(
        f"Split in clusters of 3 to 10 outcomes, {runs} runs of 10,000 outcomes, share 50 %, with the test at the end"
    )
    holds = True
    for kind in ("users", "days"):
        for name, case in _CLUSTERED.items():
            pairs = [_clustered_states(case, run, kind) for run in range(runs)]
            hits = sum(decide_at_end(mean).verdict == "better" for mean, _ in pairs)
            single = sum(decide_at_end(one).verdict == "better" for _, one in pairs)
            label = f"  {kind}, {name}: promoted (outcomes as units: {single / runs:.1%})"
            if name == "much better":
                print(f"{label:<66}{hits / runs:6.1%}   {_median([mean for mean, _ in pairs])}", flush=True)
            else:
                holds &= mark(label, hits, runs)
    return holds


def _clustered_states(case: Case, run: int, kind: str) -> tuple[TwoWitnesses, TwoWitnesses]:
    """The states with means of clusters as units, and with single outcomes as units."""
    rng = np.random.default_rng([5204, run])
    season = case(rng, 10_000)
    units = (split_by_user if kind == "users" else split)(season, rng, 0.5)
    by_cluster = SplitSequence.start(WitnessRule(target=300)).update(units, season.days)
    return by_cluster.witnesses, SplitSequence.start(_OF_UNITS).update(units).witnesses


def _median(states: Sequence[TwoWitnesses]) -> str:
    lengths = [state.decided_at or np.inf for state in states]
    median = float(np.median(lengths))
    return f"median {median:,.0f} units" if np.isfinite(median) else ""


def _split_state(case: Case, run: int, share: float) -> TwoWitnesses:
    rng = np.random.default_rng([5202, run])
    return SplitSequence.start(_OF_UNITS).update(split(case(rng, 10_000), rng, share)).witnesses


def needed(runs: int) -> bool:
    """The planned length from 3,000 and from 20,000 past matches, beside the lengths that occurred."""
    print(f"Outcomes needed, {runs} tests and {min(runs, 300)} plans")
    for name, case in (("much better", erring(0.5, 0.79)), ("errors in common", erring(0.4, 0.52, common=True))):
        lengths = np.array([run.matches for run in decisions(case, runs=runs, matches=_MATCHES)])
        typical = float(np.median(lengths))
        near = float((np.abs(lengths / typical - 1) <= 0.3).mean())
        print(f"  {name}: median {typical:.0f}; {near:.0%} of single tests end within ± 30 % of it")
        for past in (3000, 20_000):
            plans = [
                planned_outcomes(
                    case(np.random.default_rng([5203, run]), past).gains, WitnessRule(), longest=_MATCHES, seed=run
                )
                for run in range(min(runs, 300))
            ]
            middles = np.array([plan.median or np.inf for plan in plans])
            close = float((np.abs(middles / typical - 1) <= 0.3).mean())
            inside = [
                float(((lengths >= (plan.low or np.inf)) & (lengths <= (plan.high or np.inf))).mean()) for plan in plans
            ]
            print(f"    from {past:>6} past matches: {close:.0%} of plans within ± 30 % of the median length, ", end="")
            print(f"ranges hold {np.mean(inside):.0%} of lengths")
    return True


def _print_promoted(cases: dict[str, Case], runs: int, *, by_day: bool) -> bool:
    print(f"{'case':<38}{'mean gain':>10}{'sequence':>10}{'with the end':>14}{'worse':>8}   other rules alone")
    holds = True
    for name, case in cases.items():
        results = decisions(case, runs=runs, matches=_MATCHES, by_day=by_day)
        early = sum(run.verdict == "better" for run in results)
        hits = sum(run.at_end == "better" for run in results)
        worse = sum(run.at_end == "worse" for run in results)
        mean = float(np.mean([run.mean for run in results]))
        is_broken = binomtest(hits, runs, 0.05, alternative="greater").pvalue < _DOUBT
        share = f"{hits / runs:.2%} ± {sqrt(hits * (runs - hits) / runs) / runs:.2%}"
        print(
            f"{name:<38}{mean:>+10.4f}{early / runs:>10.2%}{share:>16}{worse / runs:>8.1%}   {_alone(results)}   "
            f"{'BROKEN' if is_broken else 'ok'}",
            flush=True,
        )
        holds &= not is_broken
    return holds


def _print_found(name: str, results: Sequence[Decision], fixed: float) -> int:
    hits = [run for run in results if run.verdict == "better"]
    # Over all runs: those without a verdict are longer than any.
    lengths = [run.matches if run.verdict == "better" else np.inf for run in results]
    median = float(np.median(lengths))
    middle = f"{median:.0f}" if np.isfinite(median) else "-"
    mean = float(np.mean([run.mean for run in results]))
    share = len(hits) / len(results)
    at_end = float(np.mean([run.at_end == "better" for run in results]))
    print(
        f"{name:<38}{mean:>+10.4f}{share:>10.1%}{at_end:>14.1%}{middle:>8}{fixed:>15.0f}   {_alone(results)}",
        flush=True,
    )
    return len(hits)


def _alone(results: Sequence[Decision]) -> str:
    rules = ("naive", "asymptotic", "betting", "bernstein")
    return "  ".join(f"{rule} {np.mean([getattr(run, rule) for run in results]):6.1%}" for rule in rules)


PARTS: Final[dict[str, Callable[[int], bool]]] = {
    "found": found,
    "promoted": promoted,
    "days": promoted_by_day,
    "day-check": day_check,
    "split": splits,
    "needed": needed,
    "clustered": clustered_splits,
}


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, PARTS))
