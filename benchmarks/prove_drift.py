"""Prove by simulation that windows without drift are quiet, and that drift of a size that matters is found.

    python benchmarks/prove_drift.py --runs 200
    python benchmarks/prove_drift.py --results FILE --only normal    # in parts: a family, drift, elec2, year

Every line gives the share of windows in which any column differs at 5 %, with its standard error: by the tests alone,
and with the PSI floor of the default rule. A share above 5 % by a one-sided binomial test at 0.1 % ends the program
with exit code 1. The reference has 5,000 rows, a new one for every window. `make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest

from simulations.stored_results import StoredResults, add_results_options
from touchline.monitoring import CurrentRows, Drift, Performance, Window, check_drift, loss_alarm, loss_reference
from touchline.statistics import Profile, build_profile, check_columns

Array = NDArray[np.float64]
_DOUBT = 0.001
_REFERENCE = 5_000
_LEVELS = ("a", "b", "c", "d", "rare")
_ELEC2 = Path(__file__).parents[2] / "shared" / "data" / "drift" / "elec2.csv.gz"
# Before this row the columns of Victoria are constant; from the second one on (June 1998) the median price of four
# weeks is above that of every four weeks of the year before.
_ELEC2_FIRST, _ELEC2_PRICES = 18_000, 36_816
_ROWS_A_DAY = 20


@dataclass(frozen=True)
class Sample:
    """Rows in time order of reference and window together, with the levels of category columns and clusters."""

    rows: Array
    is_category: bool = False
    clusters: NDArray[np.int64] | None = None


def normal(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    return Sample(rng.normal(size=(rows, columns)))


def heavy_tailed(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    return Sample(rng.standard_t(1.5, size=(rows, columns)))


def rare_nulls(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    values = rng.normal(size=(rows, columns))
    values[rng.random((rows, columns)) < np.linspace(0.0005, 0.005, columns)] = np.nan
    return Sample(values)


def rare_levels(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    shares = np.cumsum([0.5, 0.3, 0.196, 0.002])
    return Sample(np.searchsorted(shares, rng.random((rows, columns))).astype(float), is_category=True)


def almost_constant(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    values = rng.normal(size=(rows, columns))
    return Sample(np.where(rng.random((rows, columns)) < 0.002, values, 0.0))


def autoregression(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    noise = rng.normal(size=(rows + 200, columns))
    return Sample(np.asarray(lfilter([1.0], [1.0, -0.9], noise, axis=0))[200:])


def clustered_days(rng: np.random.Generator, rows: int, columns: int) -> Sample:
    days = np.arange(rows) // _ROWS_A_DAY
    level = rng.normal(size=(days[-1] + 1, columns))
    return Sample(level[days] + rng.normal(size=(rows, columns)), clusters=days)


Family = Callable[[np.random.Generator, int, int], Sample]
# Of each window: whether any column differs by the tests alone, and with the PSI floor.
Outcomes = Sequence[tuple[bool, bool]]
FAMILIES: tuple[Family, ...] = (
    normal,
    heavy_tailed,
    rare_nulls,
    rare_levels,
    almost_constant,
    autoregression,
    clustered_days,
)


def checked(sample: Sample, cut: int, shift: float = 0.0) -> tuple[bool, bool]:
    """Whether any column differs: by the tests alone, and with the PSI floor of the default rule."""
    names = [f"c{at}" for at in range(sample.rows.shape[1])]
    clusters = sample.clusters
    current = sample.rows[cut:].copy()
    current[:, 0] += shift
    profile = build_profile(
        sample.rows[:cut],
        names=names,
        levels=dict.fromkeys(names, _LEVELS) if sample.is_category else None,
        clusters=None if clusters is None else clusters[:cut],
    )
    columns = check_columns(profile, current, None if clusters is None else clusters[cut:])
    differing = [column for column in columns if column.p_adjusted <= 0.05]
    return bool(differing), any(column.psi >= Drift().psi_floor for column in differing)


def shares(what: str, outcomes: Outcomes, promise: str) -> bool:
    """Print a line; True if the promise "≤ 5 %" or "≥ 85 %" is broken."""
    runs, hits = len(outcomes), np.sum(outcomes, axis=0)
    errors = np.sqrt(hits / runs * (1 - hits / runs) / runs)
    is_broken = False
    if promise == "≤ 5 %":
        is_broken = any(binomtest(int(h), runs, 0.05, alternative="greater").pvalue < _DOUBT for h in hits)
    elif promise == "≥ 85 %":
        is_broken = bool(binomtest(int(hits[1]), runs, 0.85, alternative="less").pvalue < _DOUBT)
    text = "   ".join(f"{hit / runs:6.1%} ± {error:.1%}" for hit, error in zip(hits, errors, strict=True))
    print(f"{what:<58} {runs:5} runs  {text}   {promise:<7} {'BROKEN' if is_broken else 'ok'}", flush=True)
    return is_broken


def no_drift(runs: int, families: list[Family], results: StoredResults) -> Iterator[bool]:
    """Windows of the same distribution as the reference."""
    print("no drift: any column differs" + " " * 40 + "tests alone      with PSI floor")
    for family in families:
        name = family.__name__.replace("_", " ")
        for rows in (30, 300, 3_000, 50_000):
            for columns in (20, 500):
                # As many values for each line, so that the largest windows do not take all the time.
                some = max(10, min(runs, runs * 1_500_000 // ((rows + _REFERENCE) * columns)))
                what = f"{name}, {rows:,} rows × {columns} columns"
                outcomes = results.over_seeds(what, partial(unchanged_window, family, rows, columns), some, at_once=10)
                yield shares(what, outcomes, "≤ 5 %")


def unchanged_window(family: Family, rows: int, columns: int, seed: int) -> tuple[bool, bool]:
    rng = np.random.default_rng([FAMILIES.index(family), rows, columns, seed])
    return checked(family(rng, _REFERENCE + rows, columns), _REFERENCE)


def shifted_window(family: Family, number: int, rows: int, shift: float, seed: int) -> tuple[bool, bool]:
    """A window of 20 columns of which the first is shifted."""
    return checked(family(np.random.default_rng([number, seed]), _REFERENCE + rows, 20), _REFERENCE, shift)


def drift(runs: int, results: StoredResults) -> Iterator[bool]:
    """One of 20 columns is shifted: by half a standard deviation, and by less than matters."""
    print("\ndrift of one column of 20: any column differs")

    def windows(what: str, family: Family, number: int, rows: int, shift: float, some: int) -> Outcomes:
        return results.over_seeds(what, partial(shifted_window, family, number, rows, shift), some)

    half, tiny = "0.5 σ, 100 rows", "0.03 σ, 50,000 rows (no alarm with the floor)"
    serial, days = "autoregression 0.9, 1.7 σ, 400 rows", "clustered days, 1.1 σ, 30 days"
    yield shares(half, windows(half, normal, 1, 100, 0.5, runs), "≥ 85 %")
    small = windows(tiny, normal, 2, 50_000, 0.03, runs // 5)
    yield shares(tiny, small, "") or any(hit for _, hit in small)
    yield shares(serial, windows(serial, autoregression, 3, 400, 4.0, runs // 2), "(power)")
    yield shares(days, windows(days, clustered_days, 4, 600, 1.5, runs // 4), "(power)")


def elec2(runs: int, results: StoredResults) -> Iterator[bool]:
    """The series with its weeks in random order, which has its dependence and no trend or season; then as it is.

    As it is, the price of New South Wales and of Victoria doubles in the last 90 days: those windows are a change.
    """
    if not _ELEC2.exists():
        print(f"\nElec2: left out, there is no {_ELEC2.name} in ../shared/data/drift")
        return
    table = np.genfromtxt(_ELEC2, delimiter=",", skip_header=1, usecols=(3, 4, 5, 6, 7))
    print("\nElec2: price, demand, price and demand of Victoria, transfer; a reference of 300 days")
    weeks = table[_ELEC2_FIRST : _ELEC2_FIRST + len(table[_ELEC2_FIRST:]) // 336 * 336].reshape(-1, 336, 5)
    for rows in (30, 336, 1_344):
        what = f"weeks in random order, {rows:,} half-hours"
        yield shares(what, results.over_seeds(what, partial(mixed_weeks, weeks, rows), runs), "≤ 5 %")
    for rows in (30, 336, 1_344):
        starts = list(range(_ELEC2_FIRST, len(table) - 14_400 - rows, max(rows, 240)))
        part = partial(untouched, table, rows, starts)
        outcomes = results.over_seeds(f"untouched, {rows:,} half-hours", part, len(starts))
        quiet = [
            outcome for start, outcome in zip(starts, outcomes, strict=True) if start + 14_400 + rows <= _ELEC2_PRICES
        ]
        yield shares(f"untouched, {rows:,} half-hours before the prices rise", quiet, "≤ 5 %")
        shares(f"untouched, {rows:,} half-hours, all", outcomes, "(a rise)")


def mixed_weeks(weeks: Array, rows: int, seed: int) -> tuple[bool, bool]:
    mixed = np.random.default_rng([11, seed]).permutation(weeks).reshape(-1, 5)
    return checked(Sample(mixed[: 14_400 + rows]), 14_400)


def untouched(table: Array, rows: int, starts: list[int], place: int) -> tuple[bool, bool]:
    return checked(Sample(table[starts[place] : starts[place] + 14_400 + rows]), 14_400)


def false_incidents_a_year(loss_years: int, drift_years: int, results: StoredResults) -> bool:
    """A daily check of loss (10 rows) and of drift (300 rows) for a year, each year with references of its own.

    Drift pages only where a project declares columns for it; here it declares all 20. Both have years of their own,
    since a year of drift takes 200 times as long.
    """
    loss = np.array(results.over_seeds("loss incidents", _loss_incidents, loss_years))
    drifts = np.array(results.over_seeds("drift incidents", _drift_incidents, drift_years, at_once=5))
    figures, total, variance = [], 0.0, 0.0
    for name, counts in (("loss", loss), ("drift", drifts)):
        # Where none was seen, the error is that of one incident in all years.
        squared = max(float(counts.var()), 1 / len(counts)) / len(counts)
        total, variance = total + float(counts.mean()), variance + squared
        figures.append(f"{name} {counts.mean():.3f} ± {np.sqrt(squared):.3f} in {len(counts)} years")
    is_broken = bool(total - 3 * np.sqrt(variance) > 1)
    print(
        f"\none check a day, no change: false incidents a model-year: {', '.join(figures)}, together {total:.3f} ± "
        f"{np.sqrt(variance):.3f}   ≤ 1   {'BROKEN' if is_broken else 'ok'}"
    )
    return is_broken


def _loss_incidents(year: int) -> int:
    rng = np.random.default_rng([8, year])
    p = rng.beta(2, 3, size=(120 + 365, 10))
    losses = -np.log(np.where(rng.random(p.shape) < p, p, 1 - p))
    reference = loss_reference(losses[:120].ravel(), np.repeat(np.arange(120), 10), tolerance=Performance().tolerance)
    state = loss_alarm(reference, losses[120:].mean(axis=1).tolist(), [10] * 365, steps=Performance().checks_a_year)
    return len(state.incidents)


def _drift_incidents(year: int) -> int:
    """One reference for a whole year, which makes the days dependent."""
    rng, rule, incidents = np.random.default_rng([9, year]), Drift(), 0
    profile: Profile = build_profile(rng.normal(size=(2_000, 20)), names=[f"c{at}" for at in range(20)])
    previous, was_drift = None, False
    for day in range(365):
        current = CurrentRows(rng.normal(size=(300, 20)), Window(f"{day:04}", f"{day + 1:04}"))
        previous = check_drift(
            profile, current, project="shop", rule=rule, now=datetime(2026, 1, 1, tzinfo=UTC), previous=previous
        )
        incidents += previous.state == "drift" and not was_drift
        was_drift = previous.state == "drift"
    return incidents


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="windows of each kind, fewer of the largest")
    parser.add_argument("--loss-years", type=int, default=2000, help="years of daily checks of the loss")
    parser.add_argument("--years", type=int, default=40, help="years of daily checks of drift")
    add_results_options(parser, [*(family.__name__ for family in FAMILIES), "drift", "elec2", "year"])
    options = parser.parse_args()
    started, results, broken = perf_counter(), StoredResults(options.results), []
    families = [family for family in FAMILIES if family.__name__ in options.only]
    broken += no_drift(options.runs, families, results) if families else ()
    broken += drift(options.runs, results) if "drift" in options.only else ()
    broken += elec2(options.runs, results) if "elec2" in options.only else ()
    broken += [false_incidents_a_year(options.loss_years, options.years, results)] if "year" in options.only else ()
    print(f"{perf_counter() - started:.0f} s; {sum(broken)} promises broken")
    return int(any(broken))


if __name__ == "__main__":
    sys.exit(main())
