"""The command line of a proof in parts, and the line that says whether a promise holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final

from scipy.stats import binomtest

_DOUBT: Final = 0.001


def mark(text: str, hits: int, runs: int, *, promise: float = 0.05) -> bool:
    """Print a share of runs beside the share that is promised at most; False where chance does not explain it."""
    is_broken = binomtest(hits, runs, promise, alternative="greater").pvalue < _DOUBT
    print(f"{text:<74}{hits / runs:6.1%}   at most {promise:.0%}: {'BROKEN' if is_broken else 'ok'}", flush=True)
    return not is_broken


def run_parts(description: str | None, parts: Mapping[str, Callable[[int], bool]]) -> int:
    """Run the parts that the command line names; the exit code is 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", choices=["all", *parts], default="all", help="one part of the proof")
    parser.add_argument("--runs", type=int, default=2000, help="simulations of each kind")
    requested = parser.parse_args()
    holds = True
    for name, part in parts.items():
        if requested.only in ("all", name):
            began = perf_counter()
            holds &= part(requested.runs)
            print(f"   {name}: {perf_counter() - began:.0f} s\n", flush=True)
    return 0 if holds else 1
