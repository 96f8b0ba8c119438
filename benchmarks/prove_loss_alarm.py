"""Prove by simulation that a model has at most one false loss incident a year, and how soon a risen loss is found.

    python benchmarks/prove_loss_alarm.py --years 2000
    python benchmarks/prove_loss_alarm.py --results FILE --only squared    # in parts

Every year has a test window of its own (120 days, and 30), so the error of the reference is part of the figures. Ten
rows a day, one check a day. The same again for a model that is refreshed every week, whose test window then ends on the
day of the refresh. More than one false incident a year, by three standard errors, ends the program with exit code 1.
`make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from simulations.stored_results import StoredResults, add_results_options
from touchline.monitoring import WatchedRelease, alarm_over_releases, loss_alarm, loss_reference

Array = NDArray[np.float64]
Family = Callable[[np.random.Generator, int, float], Array]
_ROWS, _TEST_DAYS, _DAYS, _WEEKS = 10, (120, 30), 365, 52


def calibrated(rng: np.random.Generator, days: int, rise: float) -> Array:
    """Log losses of calibrated probabilities; a rise moves the true probabilities towards the middle."""
    p = rng.beta(2, 3, size=(days, _ROWS))
    truth = p + rise * (0.5 - p)
    return np.asarray(-np.log(np.where(rng.random((days, _ROWS)) < truth, p, 1 - p)))


def squared(rng: np.random.Generator, days: int, rise: float) -> Array:
    return np.asarray(rng.normal(size=(days, _ROWS)) ** 2 * (1 + rise))


def heavy_tailed(rng: np.random.Generator, days: int, rise: float) -> Array:
    return np.asarray(rng.standard_t(5, size=(days, _ROWS)) ** 2 * (1 + rise))


def day_effects(rng: np.random.Generator, days: int, rise: float) -> Array:
    level = 0.3 * rng.normal(size=(days, 1))
    return np.asarray(np.exp(level + 0.5 * rng.normal(size=(days, _ROWS))) * (1 + rise))


def serial_days(rng: np.random.Generator, days: int, rise: float) -> Array:
    """Days whose expected losses follow each other with correlation 0.5."""
    noise = np.sqrt(1 - 0.25) * rng.normal(size=days + 50)
    level = 0.3 * np.asarray(lfilter([1.0], [1.0, -0.5], noise))[50:, None]
    return np.asarray(np.exp(level + 0.5 * rng.normal(size=(days, _ROWS))) * (1 + rise))


FAMILIES: tuple[Family, ...] = (
    calibrated,
    squared,
    heavy_tailed,
    day_effects,
    serial_days,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=2000, help="model-years without a change, of each kind of loss")
    parser.add_argument("--refreshed", type=int, default=400, help="such years of a model that is refreshed every week")
    parser.add_argument("--rises", type=int, default=200, help="years with a risen loss, of each size")
    parser.add_argument("--slow", type=int, default=50, help="refreshed years with a slow rise, of each size")
    parser.add_argument("--test-days", type=int, nargs="+", default=_TEST_DAYS, help="days of the test windows")
    add_results_options(parser, [family.__name__ for family in FAMILIES])
    options = parser.parse_args()
    started, is_broken, results = perf_counter(), False, StoredResults(options.results)
    for days in options.test_days:
        print(f"test windows of {days} days", flush=True)
        for family in [family for family in FAMILIES if family.__name__ in options.only]:
            is_broken |= prove_family(family, days, options, results)
    print(f"{perf_counter() - started:.0f} s")
    return int(is_broken)


def prove_family(family: Family, days: int, options: argparse.Namespace, results: StoredResults) -> bool:
    """Print the false incidents and the delays of one kind of loss; whether a promise is broken."""
    name = family.__name__ if days == _TEST_DAYS[0] else f"{family.__name__} {days} days"
    is_broken = False
    if options.years:
        once = results.over_seeds(name, partial(false_incidents, family, days), options.years, at_once=200)
        is_broken |= is_too_often(family.__name__, once)
    for rise in (0.1, 0.2, 0.5, 2.0) if options.rises else ():
        rule = partial(first_alarm, family, days, rise)
        print(
            f"    rise {rise:.1f}: {delays(results.over_seeds(f'{name} rise {rise}', rule, options.rises))}", flush=True
        )
    if options.refreshed:
        rule_of_weeks = partial(false_incidents_refreshed, family, days)
        weekly = results.over_seeds(f"{name} refreshed", rule_of_weeks, options.refreshed)
        is_broken |= is_too_often("  refreshed", weekly)
    for each in (0.0005, 0.001, 0.002) if options.slow else ():
        slowly = partial(first_alarm_refreshed, family, days, each)
        found = results.over_seeds(f"{name} slow {each}", slowly, options.slow)
        print(f"    {each:.2%} more a day: {slow_rises(found)}", flush=True)
    return is_broken


def false_incidents(family: Family, test_days: int, seed: int) -> int:
    return len(year([FAMILIES.index(family), seed], family, test_days, 0.0))


def first_alarm(family: Family, test_days: int, rise: float, seed: int) -> int | None:
    return next(iter(year([FAMILIES.index(family), int(100 * rise), seed], family, test_days, rise)), None)


def false_incidents_refreshed(family: Family, test_days: int, seed: int) -> int:
    return len(refreshed_year([FAMILIES.index(family), 9, seed], family, test_days, 0.0))


def first_alarm_refreshed(family: Family, test_days: int, each_day: float, seed: int) -> int | None:
    return next(iter(refreshed_year([FAMILIES.index(family), 8, seed], family, test_days, each_day)), None)


def is_too_often(name: str, counts: list[int]) -> bool:
    """Print the false incidents a year; whether they are more than one, by three standard errors."""
    mean, error = np.mean(counts), np.std(counts, ddof=1) / np.sqrt(len(counts))
    is_broken = bool(mean - 3 * error > 1)
    mark = "BROKEN" if is_broken else "ok"
    print(f"{name:<13} {len(counts)} years: false incidents a year {mean:.3f} ± {error:.3f}   ≤ 1   {mark}", flush=True)
    return is_broken


def refreshed_year(seed: list[int], family: Family, test_days: int, each_day: float) -> list[int]:
    """The days of alarms of a model that is refreshed every week; with `each_day` its loss grows by so much a day."""
    losses = family(np.random.default_rng(seed), test_days + 7 * _WEEKS, 0.0)
    losses = losses * (1 + each_day * np.maximum(np.arange(len(losses)) - test_days, 0))[:, None]
    means = losses.mean(axis=1)
    releases = []
    for first in range(test_days, len(losses), 7):
        test = losses[first - test_days : first]
        reference = loss_reference(test.ravel(), np.repeat(np.arange(test_days), _ROWS), tolerance=0.02)
        days = range(first, first + 7)
        releases.append(WatchedRelease(reference, days, means[first : first + 7].tolist(), [_ROWS] * 7))
    return [one.alarm_day for one in alarm_over_releases(releases, steps=_DAYS).incidents]


def slow_rises(first: list[int | None]) -> str:
    """In how many years of a slow rise the alarm of a refreshed model came."""
    days = [day for day in first if day is not None]
    when = f"then on the median day {np.median(days):.0f}" if days else "never"
    error = np.sqrt(len(days) * (len(first) - len(days)) / len(first) ** 3)
    return f"found in {len(days) / len(first):.0%} ± {error:.0%} of {len(first)} refreshed years, {when}"


def delays(first: list[int | None]) -> str:
    """The days to the alarm after a rise on the first day, and the share of years without an alarm."""
    days = np.array([_DAYS if day is None else day + 1 for day in first])
    missed = np.mean([day is None for day in first])
    error = np.sqrt(missed * (1 - missed) / len(first))
    return (
        f"found on the median day {np.median(days):.0f} (nine of ten by {np.quantile(days, 0.9):.0f}), "
        f"missed within a year {missed:.1%} ± {error:.1%} of {len(first)}"
    )


def year(seed: list[int], family: Family, test_days: int, rise: float) -> list[int]:
    """The days of alarms of one release in a year whose losses are risen from the first day on."""
    rng = np.random.default_rng(seed)
    test = family(rng, test_days, 0.0)
    reference = loss_reference(test.ravel(), np.repeat(np.arange(test_days), _ROWS), tolerance=0.02)
    losses = family(rng, _DAYS, rise).mean(axis=1).tolist()
    state = loss_alarm(reference, losses, [_ROWS] * _DAYS, steps=_DAYS)
    return [incident.alarm_day for incident in state.incidents]


if __name__ == "__main__":
    sys.exit(main())
