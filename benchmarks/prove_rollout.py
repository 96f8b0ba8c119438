"""Prove what a rollout promises to traffic: sticky cohorts in the declared share, fast aborts, no accidental ones.

    python benchmarks/prove_rollout.py [cohorts] [breach] [quiet] [--units 1000000] [--runs 2000]

Without a part, all run. `breach` is a server whose candidate fails every request, at 100 requests a second; `quiet`
simulates a day of 3 requests a minute in which both versions fail equally often. A broken promise ends the program with
exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from scipy.stats import binomtest, chisquare

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serving.bundles import Registry, a_model, a_request
from tests.serving.server_process import a_process
from touchline.rollout import Routing, assign, place
from touchline.statistics import RateCount, RateGuardrail, compare_rates

STEPS = (10, 25, 50, 100)
REQUESTS_A_SECOND, MOST_EVENTS = 100, 200
REQUESTS_A_DAY, FAILURE_RATE = 3 * 60 * 24, 0.01


def promise(words: str, holds: bool) -> bool:
    print(f"  {'ok    ' if holds else 'BROKEN'} {words}", flush=True)
    return holds


def cohorts(options: argparse.Namespace) -> bool:
    """Each step's units are among the next step's, and their number is the declared share."""
    units = [f"user-{number}" for number in range(options.units)]
    places = np.array([place("shop-1-ABCDEF", unit) for unit in units])
    sizes = [int((places * 100 < step).sum()) for step in STEPS]
    p_values = [
        chisquare([size, len(units) - size], [len(units) * step / 100, len(units) * (1 - step / 100)]).pvalue
        for size, step in zip(sizes[:-1], STEPS[:-1], strict=True)
    ]
    shares = ", ".join(f"{size / len(units):.3%}" for size in sizes)
    one, other = (Routing("e", "ab", "shop-1-ABCDEF", "a", "b", share=share) for share in (10, 25))
    lost = sum(
        assign(one, unit).variant == "candidate" and assign(other, unit).variant != "candidate"
        for unit in units[:100_000]
    )
    fits = promise(f"{len(units):,} units: {shares} (chi-squared p {min(p_values):.3f})", min(p_values) > 1e-4)
    return promise(f"{lost} of 100,000 units left the candidate from 10 to 25 %", lost == 0) and fits


def breach(options: argparse.Namespace) -> bool:  # noqa: ARG001
    """A candidate that fails every request is out of the traffic within 200 requests, and costs no answer."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        registry = Registry.open(home)
        registry.promote(1, registry.keep(1, a_model(columns=4), example=a_request()))
        registry.keep(2, a_model(columns=5, seed=2), example=a_request(5))  # it needs a field that no request has
        registry.start_rollout("canary", share=50)
        with a_process(home) as server, httpx.Client(base_url=server.address) as client:
            sent, failed, began = 0, 0, time.monotonic()
            while "rollout" in client.get("/health").json()["models"]["bench"] and sent < 20 * MOST_EVENTS:
                sent, failed = sent + 1, failed + (client.post("/predict", json=a_request()).status_code != 200)
                time.sleep(max(0.0, began + sent / REQUESTS_A_SECOND - time.monotonic()))
            seconds = time.monotonic() - began
    words = f"aborted after {sent} requests in {seconds:.1f} s, {failed} of them without an answer"
    return promise(words, 0 < sent <= MOST_EVENTS and failed == 0)


def quiet(options: argparse.Namespace) -> bool:
    """Little traffic does not abort a rollout by accident."""
    rng, rule, aborted = np.random.default_rng(11), RateGuardrail(0.01), 0
    for _ in range(options.runs):
        is_new = rng.random(REQUESTS_A_DAY) < 0.5
        has_failed = rng.random(REQUESTS_A_DAY) < FAILURE_RATE
        for at in np.flatnonzero(has_failed):  # the evidence of harm rises with failures alone
            seen_new, seen_failed = is_new[: at + 1], has_failed[: at + 1]
            new = RateCount(int((seen_new & seen_failed).sum()), int(seen_new.sum()))
            old = RateCount(int((~seen_new & seen_failed).sum()), int((~seen_new).sum()))
            if compare_rates(new, old, rule) == "harmful":
                aborted += 1
                break
    p_value = binomtest(aborted, options.runs, rule.alpha, alternative="greater").pvalue
    share = aborted / options.runs
    return promise(f"{options.runs} days of 3 requests a minute: {share:.2%} aborted (at most 1 %)", p_value > 0.001)


PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {"cohorts": cohorts, "breach": breach, "quiet": quiet}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to prove; all without")
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2000)
    options = parser.parse_args()
    holds = True
    for name in options.parts or PARTS:
        print(f"{name}: {PARTS[name].__doc__}")
        holds &= PARTS[name](options)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
