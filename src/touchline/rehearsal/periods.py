"""The periods of a backtest: how often its model is fitted again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

Period = Literal["daily", "weekly", "monthly", "never"]
_DAYS: Final[dict[Period, int]] = {"daily": 1, "weekly": 7}


def period_start(refit: Period, first: datetime, last: datetime, number: int) -> datetime:
    """When a period begins; the first has number 0. Months begin on the day of the first, at most the 28th.

    >>> period_start("monthly", datetime(2026, 1, 31), datetime(2027, 1, 1), 2).isoformat()
    '2026-03-28T00:00:00'
    """
    if refit == "never":
        return last
    if refit in _DAYS:
        return first + timedelta(days=_DAYS[refit] * number)
    year, month = divmod(first.year * 12 + first.month - 1 + number, 12)
    return first.replace(year=year, month=month + 1, day=min(first.day, 28))
