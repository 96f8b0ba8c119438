"""Prove by simulation that a model has at most one false loss incident a year, and how soon a risen loss is found.

    python benchmarks/prove_loss_alarm.py --years 2000

Every year has a test window of its own (120 days), so the error of the reference is part of the figures. Ten rows a
day, one check a day. The same again for a model that is refreshed every week, whose test window then ends on the day of
the refresh. More than one false incident a year, by three standard errors, ends the program with exit code 1.
`make prove` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from touchline.monitoring import WatchedRelease, alarm_over_releases, loss_alarm, loss_reference

Array = NDArray[np.float64]
_ROWS, _TEST_DAYS, _DAYS, _WEEKS = 10, 120, 365, 52


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


FAMILIES: tuple[Callable[[np.random.Generator, int, float], Array], ...] = (
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
    options = parser.parse_args()
    started, is_broken = perf_counter(), False
    for place, family in enumerate(FAMILIES):
        once = np.array([incidents([place, seed], family) for seed in range(options.years)])
        is_broken |= is_too_often(family.__name__, once)
        weekly = np.array([len(refreshed_year([place, 9, seed], family)) for seed in range(options.refreshed)])
        is_broken |= is_too_often("  refreshed", weekly)
        for each in (0.0005, 0.001, 0.002):
            print(f"    {each:.2%} more a day: {slow_rises(place, family, each, options.rises)}", flush=True)
        for rise in (0.1, 0.2, 0.5):
            print(f"    rise {rise:.1f}: {delays(place, family, rise, options.rises)}", flush=True)
    print(f"{perf_counter() - started:.0f} s")
    return int(is_broken)


def is_too_often(name: str, counts: NDArray[np.int64]) -> bool:
    """Print the false incidents a year; whether they are more than one, by three standard errors."""
    error = counts.std(ddof=1) / np.sqrt(len(counts))
    is_broken = bool(counts.mean() - 3 * error > 1)
    mark = "BROKEN" if is_broken else "ok"
    print(f"{name:<13} false incidents a year {counts.mean():.3f} ± {error:.3f}   ≤ 1   {mark}", flush=True)
    return is_broken


def refreshed_year(
    seed: list[int],
    family: Callable[[np.random.Generator, int, float], Array],
    each_day: float = 0.0,
) -> list[int]:
    """The days of alarms of a model that is refreshed every week; with `each_day` its loss grows by so much a day."""
    losses = family(np.random.default_rng(seed), _TEST_DAYS + 7 * _WEEKS, 0.0)
    losses = losses * (1 + each_day * np.maximum(np.arange(len(losses)) - _TEST_DAYS, 0))[:, None]
    means = losses.mean(axis=1)
    releases = []
    for first in range(_TEST_DAYS, len(losses), 7):
        test = losses[first - _TEST_DAYS : first]
        reference = loss_reference(test.ravel(), np.repeat(np.arange(_TEST_DAYS), _ROWS), tolerance=0.02)
        days = range(first, first + 7)
        releases.append(WatchedRelease(reference, days, means[first : first + 7].tolist(), [_ROWS] * 7))
    return [one.alarm_day for one in alarm_over_releases(releases, steps=_DAYS).incidents]


def slow_rises(
    place: int, family: Callable[[np.random.Generator, int, float], Array], each_day: float, runs: int
) -> str:
    """In how many years of a slow rise the alarm of a refreshed model came."""
    found = [refreshed_year([place, 8, seed], family, each_day) for seed in range(runs)]
    days = [alarms[0] for alarms in found if alarms]
    when = f"median day {np.median(days):.0f}" if days else "never"
    return f"found in {len(days) / runs:.0%} of refreshed years, {when}"


def incidents(seed: list[int], family: Callable[[np.random.Generator, int, float], Array]) -> int:
    return len(_year(seed, family, 0.0))


def delays(place: int, family: Callable[[np.random.Generator, int, float], Array], rise: float, runs: int) -> str:
    """The days to the alarm after a rise on the first day, and the share of years without an alarm."""
    first = [_year([place, int(100 * rise), seed], family, rise) for seed in range(runs)]
    days = np.array([alarms[0] if alarms else _DAYS for alarms in first])
    missed = (days >= _DAYS).mean()
    error = np.sqrt(missed * (1 - missed) / runs)
    return f"median delay {np.median(days):.0f} days, missed within a year {missed:.1%} ± {error:.1%}"


def _year(seed: list[int], family: Callable[[np.random.Generator, int, float], Array], rise: float) -> list[int]:
    rng = np.random.default_rng(seed)
    test = family(rng, _TEST_DAYS, 0.0)
    reference = loss_reference(test.ravel(), np.repeat(np.arange(_TEST_DAYS), _ROWS), tolerance=0.02)
    losses = family(rng, _DAYS, rise).mean(axis=1).tolist()
    state = loss_alarm(reference, losses, [_ROWS] * _DAYS, steps=_DAYS)
    return [incident.alarm_day for incident in state.incidents]


if __name__ == "__main__":
    sys.exit(main())
