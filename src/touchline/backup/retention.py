"""Which sets a backup place keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Retention:
    """The newest set of each of so many days, ISO weeks and months that have one stays. The newest set always stays."""

    daily: int = 7
    weekly: int = 5
    monthly: int = 12


def expired_sets(sets: Sequence[tuple[str, datetime]], retention: Retention) -> list[str]:
    """The names of sets (name, time) that no rule keeps.

    >>> day = [(f"day {n}", datetime(2026, 1, n)) for n in (1, 2, 3, 4)]
    >>> expired_sets(day, Retention(daily=2, weekly=0, monthly=0))
    ['day 1', 'day 2']
    """
    newest_first = sorted(sets, key=lambda one: one[1], reverse=True)
    rules: list[tuple[Callable[[datetime], tuple[int, ...]], int]] = [
        (lambda at: (at.year, at.month, at.day), retention.daily),
        (lambda at: tuple(at.isocalendar()[:2]), retention.weekly),
        (lambda at: (at.year, at.month), retention.monthly),
    ]
    retained = {newest_first[0][0]} if newest_first else set()
    for period_of, limit in rules:
        periods: dict[tuple[int, ...], str] = {}
        for name, at in newest_first:
            periods.setdefault(period_of(at), name)
        retained |= set(list(periods.values())[:limit])
    return [name for name, _ in sets if name not in retained]
