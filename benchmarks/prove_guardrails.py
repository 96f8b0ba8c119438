"""Prove by simulation what the guardrails of a rollout and the test of harm after a refresh promise.

    python benchmarks/prove_guardrails.py --runs 2000

Rates of errors and of slow answers, calibration, harm, and the sample ratio. A promise that fails (by a one-sided
binomial test at 0.1 %) ends the program with exit code 1. `make prove` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.stats import binomtest, norm

from simulations.guardrails import (
    Traffic,
    calibration,
    harm,
    healthy,
    inverted,
    mirrored,
    naive_alarm,
    requests_until_harmful,
    sample_ratio_found,
    spoilt,
    true_gain,
    until_miscalibrated,
)
from simulations.proof_parts import mark, run_parts
from simulations.sequential import Case, better_often, erring, overconfident, sure
from touchline.statistics import RateGuardrail, RateMonitor, SampleRatio

_DOUBT: Final = 0.001
# Never used while the rules were chosen.
_SEED: Final = 5301
_WEEKS_4: Final = 4 * 7 * 24 * 60
_EQUAL: Final[dict[str, Case]] = {
    "equal": erring(0.5, 0.5),
    "better by 0.011": erring(0.4, 0.52),
    "overconfident, equal": overconfident(),
    "the old one overconfident": mirrored(overconfident()),
    "rare disasters of the old one": mirrored(sure(0.01)),
    "worse in 98 %, better in 2 %": mirrored(better_often(0.02, common=True)),
    "worse in 90 %, better in 10 %": mirrored(better_often(0.1, common=True)),
}
_WORSE: Final[dict[str, Case]] = {
    "worse by 0.011, errors in common": erring(0.52, 0.4, common=True),
    "much worse": spoilt(1.2),
    "very much worse": spoilt(2.0),
    "classes exchanged": inverted(),
}


def low_traffic(runs: int) -> bool:
    """Three requests a minute for four weeks: nothing aborts by accident, also with bursts in both arms."""
    runs = min(runs, 500)
    print(f"3 requests a minute for 4 weeks, looks of 10 minutes, margin 1 %, alpha 1 %, {runs} runs")
    holds = True
    looks = _WEEKS_4 // 10
    for share, bursts, rate in ((0.1, 0.0, 0.02), (0.5, 0.0, 0.02), (0.5, 0.01, 0.02), (0.5, 0.0, 0.03)):
        traffic = Traffic(30, share, bursts=bursts)
        hits = sum(
            healthy(_monitor(), np.random.default_rng([_SEED, run]), traffic, looks=looks, rate=rate).is_harmful
            for run in range(runs)
        )
        text = f"  errors {rate:.0%} for 2 %, share {share:.0%}, {bursts:.0%} of looks in a burst: aborted"
        holds &= mark(text, hits, runs, promise=0.01)
    naive = sum(
        naive_alarm(np.random.default_rng([_SEED, run]), minutes=1440, share=0.5, rate=0.02) for run in range(runs)
    )
    print(f"  naive: the error rate of 5 minutes above the other's by the margin, in one day: {naive / runs:.1%}")
    return holds


def high_traffic(runs: int) -> bool:
    """A hundred requests a second: a breach after ten healthy minutes, and how many requests it takes."""
    runs = min(runs, 200)
    print(f"100 requests a second, breach after 10 minutes with 2 % errors, margin 1 %, alpha 1 %, {runs} runs")
    holds = True
    for share, rate in ((0.1, 0.2), (0.1, 0.5), (0.1, 1.0), (0.5, 0.1), (0.5, 0.2), (0.5, 0.3), (0.5, 0.5), (0.5, 1.0)):
        found = np.array(
            [
                requests_until_harmful(
                    np.random.default_rng([_SEED + 1, run]), Traffic(100, share), looks=600, rate=rate
                )
                for run in range(runs)
            ]
        )
        median, late = np.quantile(found, (0.5, 0.95), axis=0, method="higher")
        within = int((found[:, 1] <= 200).sum())
        broken = rate >= 0.5 and binomtest(within, runs, 0.95, alternative="less").pvalue < _DOUBT
        print(
            f"  errors {rate:>4.0%}, share {share:.0%}: of the new arm {median[1]:.0f} (95 %: {late[1]:.0f}), of both "
            f"{median[0]:.0f} ({late[0]:.0f}); within 200 of the new arm {within / runs:.1%}, within 200 of both "
            f"{(found[:, 0] <= 200).mean():.1%}   {'BROKEN' if broken else 'ok'}",
            flush=True,
        )
        holds &= not broken
    return holds


def latency(runs: int) -> bool:
    """Answers slower than a declared limit, the 98 % quantile of the old model: lognormal times, 20 requests a look."""
    runs = min(runs, 500)
    print(f"Slower than the 98 % quantile of the old model (log times with spread 0.5), 2,000 looks, {runs} runs")
    holds = True
    for slower in (1.0, 1.15, 1.5, 2.0):
        share = float(norm.sf(norm.isf(0.02) - np.log(slower) / 0.5))
        states = [
            healthy(_monitor(), np.random.default_rng([_SEED + 2, run]), Traffic(20), looks=2000, rate=share)
            for run in range(runs)
        ]
        hits = sum(state.is_harmful for state in states)
        safe = sum(state.verdict == "harmless" for state in states)
        requests = float(np.median([state.total.new.trials for state in states]))
        text = f"  {slower:.2f} times as slow ({share:.1%} above the limit)"
        if share <= 0.03:
            holds &= mark(f"{text}: harmful; harmless {safe / runs:.1%}", hits, runs, promise=0.01)
        else:
            print(f"{text}: harmful {hits / runs:.1%}, after {requests:.0f} answers (median)", flush=True)
    return holds


def miscalibration(runs: int) -> bool:
    """The mean of outcome - predicted probability within or beyond a margin of 3 %, in 5,000 outcomes."""
    print(f"Calibration in the large, margin 3 %, alpha 1 %, 5,000 outcomes, {runs} runs")
    holds = True
    for name, shift, exaggeration in (("calibrated", 0.0, 1.0), ("too extreme", 0.0, 1.5), ("off by 3 %", 0.03, 1.0)):
        verdicts = [
            calibration(np.random.default_rng([_SEED + 3, run]), shift=shift, exaggeration=exaggeration).verdict
            for run in range(runs)
        ]
        safe = verdicts.count("harmless") / runs
        holds &= mark(f"  {name}: harmful; harmless {safe:.1%}", verdicts.count("harmful"), runs, promise=0.01)
    for shift in (0.06, 0.1, 0.2):
        few = min(runs, 200)
        found = [until_miscalibrated(np.random.default_rng([_SEED + 4, run]), shift=shift) for run in range(few)]
        print(f"  off by {shift:.0%}: harmful {np.isfinite(found).mean():.1%}, median {np.median(found):.0f} outcomes")
    return holds


def harmed(runs: int) -> bool:
    """The live model and its predecessor in shadow: false alarms, speed, and the interval of the realised gain."""
    print(f"Test of harm, alpha 5 %, 3,000 outcomes, {runs} runs; interval of the realised gain at 95 %, 30 looks")
    holds = True
    for name, case in {**_EQUAL, **_WORSE}.items():
        mean = true_gain(case)
        found = [harm(case, np.random.default_rng([_SEED + 5, run]), mean=mean) for run in range(runs)]
        at = np.array([outcome for outcome, _ in found])
        hits, missed = int(np.isfinite(at).sum()), sum(is_missed for _, is_missed in found)
        text = f"  {name} ({mean:+.4f}), interval missed {missed / runs:.1%}: rolled back"
        if name in _EQUAL:
            holds &= mark(text, hits, runs)
        else:
            late = np.quantile(at, 0.9, method="higher")
            print(f"{text:<74}{hits / runs:6.1%}   median {np.median(at):.0f}, 90 % within {late:.0f} outcomes")
    return holds


def sample_ratio(runs: int) -> bool:
    """A fault of the shares, found by the sequence at every unit and by one test at the end."""
    print(f"Sample ratio at 1 %, {runs} runs")
    holds = True
    for share, units in ((0.48, 5000), (0.48, 10_000), (0.45, 5000)):
        found = [sample_ratio_found(np.random.default_rng([_SEED + 6, run]), share, units) for run in range(runs)]
        sequence, fixed = np.mean(found, axis=0)
        print(f"  {share:.0%} for 50 %, {units:,} units: found {sequence:.1%}; one test at the end {fixed:.1%}")
    hits = sum(
        SampleRatio.start([0.5, 0.5]).update(np.random.default_rng([_SEED + 7, run]).integers(0, 2, 30_000)).p_value
        <= 0.01
        for run in range(runs)
    )
    return mark("  50 % for 50 %, 30,000 units: found", hits, runs, promise=0.01) and holds


def _monitor() -> RateMonitor:
    return RateMonitor.start(RateGuardrail(margin=0.01))


PARTS: Final[dict[str, Callable[[int], bool]]] = {
    "low-traffic": low_traffic,
    "high-traffic": high_traffic,
    "latency": latency,
    "calibration": miscalibration,
    "harm": harmed,
    "sample-ratio": sample_ratio,
}


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, PARTS))
