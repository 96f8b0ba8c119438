"""The alarm of a risen loss: a sequential test over days, with at most one false alarm a year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import RiseBets, RiseDetector, autoregressive_inflation, interval, measure_inflation

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Fewer days in the test window do not tell how much days differ.
MIN_DAYS = 20
# The test loss itself is uncertain: its true value is above the upper end of this interval in 10 % of releases.
_CONFIDENCE = 0.8
# An incident ends when the mean of so many days in a row is back within the reference.
_RECOVERY_DAYS = 14
# So many weekly releases answer in the days that a check looks at.
_CACHED = 64


@dataclass(frozen=True)
class LossReference:
    """The loss of the test window: its mean, the limit that the alarm compares with, and how much days differ.

    A day of n rows has variance `between` + `within` / n around its expected loss, times `inflation` where days depend
    on each other. `bets` are those on such days, for the tails that their losses have in the test window.
    """

    mean: float
    limit: float
    within: float
    between: float
    inflation: float
    bets: RiseBets
    days: int

    def payoff(self, loss: float, rows: int) -> float:
        """The mean loss of a day above the limit, in standard deviations of such a day."""
        return (loss - self.limit) / self._spread(rows)

    def _spread(self, rows: int) -> float:
        return sqrt(max(self.inflation * (self.between + self.within / rows), 1e-300))


@dataclass(frozen=True)
class LossIncident:
    """A risen loss, by numbers of days: when it began, when the alarm came and when it ended (None: open)."""

    onset_day: int
    alarm_day: int
    end_day: int | None


@dataclass(frozen=True)
class AlarmState:
    """All incidents so far, oldest first; `level` is the evidence of now as a share of an alarm's."""

    incidents: tuple[LossIncident, ...]
    level: float

    @property
    def is_open(self) -> bool:
        return bool(self.incidents) and self.incidents[-1].end_day is None


def loss_reference(losses: Array, days: Index, *, tolerance: float, seed: int = 7) -> LossReference:
    """The reference from the losses of the test rows in time order; `days` numbers the day of each row.

    Raises `InvalidSample` for losses that are not finite.
    """
    return _reference_of(losses.astype(np.float64).tobytes(), days.astype(np.int64).tobytes(), tolerance, seed)


@lru_cache(maxsize=_CACHED)
def _reference_of(stored_losses: bytes, stored_days: bytes, tolerance: float, seed: int) -> LossReference:
    """The same from the bytes of the arrays: each check asks for all releases whose days it looks at."""
    losses, days = np.frombuffer(stored_losses), np.frombuffer(stored_days, dtype=np.int64)
    _, codes = np.unique(days, return_inverse=True)
    rows = np.bincount(codes).astype(np.float64)
    means = np.bincount(codes, weights=losses) / rows
    spread = interval(losses, codes, confidence=_CONFIDENCE, seed=seed)
    free = max(len(losses) - len(rows), 1)
    within = float(((losses - means[codes]) ** 2).sum()) / free
    if len(losses) == len(rows):
        within = 0.0
    between = max(0.0, float(means.var(ddof=1)) - within * float((1 / rows).mean())) if len(rows) > 1 else 0.0
    standardized = (means - losses.mean()) / np.sqrt(np.maximum(between + within / rows, 1e-300))
    inflation = max((autoregressive_inflation(standardized), *measure_inflation(standardized[:, None])))
    bets = RiseBets.of(standardized / sqrt(inflation))
    mean = float(losses.mean())
    limit = max(mean * (1 + tolerance), spread.high if np.isfinite(spread.high) else mean)
    return LossReference(mean, float(limit), within, between, inflation, bets, len(rows))


@dataclass(frozen=True)
class WatchedRelease:
    """The days on which a release answered, ascending, with the mean loss and the rows of each, and its reference."""

    reference: LossReference
    days: Sequence[int]
    losses: Sequence[float]
    rows: Sequence[int]


def loss_alarm(reference: LossReference, losses: Sequence[float], rows: Sequence[int], *, steps: int) -> AlarmState:
    """The incidents in a sequence of days, from their mean losses and rows; a false one is expected every `steps` days.

    Days after an alarm are part of its incident until the mean loss of 14 days in a row is within the limit.
    """
    return alarm_over_releases([WatchedRelease(reference, range(len(losses)), losses, rows)], steps=steps)


def alarm_over_releases(releases: Sequence[WatchedRelease], *, steps: int) -> AlarmState:
    """The incidents in the days of releases that refreshed each other, oldest first; days are numbered over all.

    Each day is compared with the reference of the release that answered, which was known before the day: while no
    release has a higher loss than its limit, the expected payoff of every day is at most 0 given the past, and the
    promise of the detector holds over all of them. A day that two releases answered is one day. An incident ends
    when the next release takes over, which the alarm then watches anew.
    """
    days = _days_of(releases)
    detector = RiseDetector(limit=float(steps))
    incidents: list[LossIncident] = []
    for place, day in enumerate(days):
        last = incidents[-1] if incidents and incidents[-1].end_day is None else None
        is_taken_over = last is not None and days[last.alarm_day].release is not day.release
        if last is not None and not is_taken_over:
            if _has_recovered(days, last.alarm_day, place):
                incidents[-1] = LossIncident(last.onset_day, last.alarm_day, place)
                detector = RiseDetector(limit=float(steps), step=place + 1, since=place + 1)
            continue
        if last is not None:
            incidents[-1] = LossIncident(last.onset_day, last.alarm_day, place)
            detector = RiseDetector(limit=float(steps), step=place, since=place)
        onset = detector.since
        detector, is_alarm = detector.update(day.payoff, day.factors)
        if is_alarm:
            incidents.append(LossIncident(onset, place, None))
    last = incidents[-1] if incidents and incidents[-1].end_day is None else None
    if last is not None and days[last.alarm_day].release is not releases[-1]:  # which has no day that counts yet
        incidents[-1] = LossIncident(last.onset_day, last.alarm_day, len(days) - 1)
        return AlarmState(tuple(incidents), 0.0)
    return AlarmState(tuple(incidents), 1.0 if last is not None else detector.level)


@dataclass(frozen=True)
class _Day:
    """The payoff of a day, what the bets on it pay, and what the newest release that answered has lost on it."""

    release: WatchedRelease
    payoff: float
    factors: tuple[float, ...]
    loss: float
    rows: int


def _days_of(releases: Sequence[WatchedRelease]) -> list[_Day]:
    """One element a day, in order. Of a day of two releases it has the means of both, weighted by rows."""
    found: dict[int, _Day] = {}
    for release in releases:
        for number, loss, rows in zip(release.days, release.losses, release.rows, strict=True):
            payoff = release.reference.payoff(loss, rows)
            factors = release.reference.bets.factors(payoff)
            before = found.get(number)
            if before is not None:
                share = rows / (rows + before.rows)
                payoff = share * payoff + (1 - share) * before.payoff
                pairs = zip(factors, before.factors, strict=True)
                factors = tuple(share * new + (1 - share) * old for new, old in pairs)
            found[number] = _Day(release, payoff, factors, loss, rows)
    return [found[number] for number in sorted(found)]


def _has_recovered(days: Sequence[_Day], alarm_day: int, place: int) -> bool:
    first = max(alarm_day + 1, place - _RECOVERY_DAYS + 1)
    window = days[first : place + 1]
    if len(window) < _RECOVERY_DAYS:
        return False
    mean = np.average([day.loss for day in window], weights=[day.rows for day in window])
    return bool(mean <= days[place].release.reference.limit)
