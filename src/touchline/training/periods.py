"""Lengths of time as people write them ("2y", "18mo", "30d") and instants that lie such a length back."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime, timedelta

_PERIOD = re.compile(r"(\d+)\s*(y|mo|w|d|h)")


def validate_period(text: str) -> str:
    """The text, when it is a length of time; else `ValueError`.

    >>> validate_period("18mo")
    '18mo'
    """
    found = _PERIOD.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(
            f"{text!r} is not a length of time: write a number and y, mo, w, d or h, such as '2y' or '90d'"
        )
    return text.strip()


def before(instant: datetime, period: str | timedelta) -> datetime:
    """The instant that lies a period before; months and years go by the calendar.

    >>> before(datetime(2024, 3, 31), "1mo").date().isoformat()
    '2024-02-29'
    """
    if isinstance(period, timedelta):
        return instant - period
    found = _PERIOD.fullmatch(validate_period(period))
    assert found is not None
    count, unit = int(found[1]), found[2]
    if unit in ("y", "mo"):
        months = instant.year * 12 + instant.month - 1 - count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        return instant.replace(year=year, month=month + 1, day=min(instant.day, monthrange(year, month + 1)[1]))
    return instant - count * {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1)}[unit]
