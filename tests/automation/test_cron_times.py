"""Schedules through the changes of the clocks, against a walk over every minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from touchline.automation.schedule.cron_times import cron_times, newest_cron_time

MINUTE = timedelta(minutes=1)
EXPRESSIONS = [
    "30 1 * * *",
    "45 1 * * *",
    "0 2 * * *",
    "15,45 2 * * *",
    "30 2,3 * * *",
    "0 0 * * *",
    "10 23 * * *",
    "30 5 * * 5",
    "0 3 1,30 * *",
    "*/15 * * * *",
    "*/20 2 * * *",
    "30 * * * *",
    "0 */6 * * *",
    "45 */2 * * 0",
]
CHANGES = [
    ("Europe/Berlin", "2024-03-31"),
    ("Europe/Berlin", "2024-10-27"),
    ("America/New_York", "2024-11-03"),
    ("Australia/Lord_Howe", "2024-04-06"),
    ("Australia/Lord_Howe", "2024-10-05"),
    ("Africa/Casablanca", "2024-03-10"),
    ("Africa/Casablanca", "2024-04-14"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Chatham", "2024-09-28"),
    ("Pacific/Chatham", "2024-04-06"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Antarctica/Troll", "2024-03-31"),
    ("Antarctica/Troll", "2024-10-27"),
    ("Asia/Pyongyang", "2018-05-04"),
    ("America/Caracas", "2016-05-01"),
    ("Asia/Kathmandu", "2024-03-31"),
    ("UTC", "2024-03-31"),
]


def _field(text: str, value: int, first: int) -> bool:
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*" and (value - first) % int(step or 1) == 0:
            return True
        if span != "*" and int(span) == value:
            return True
    return False


def _fits(expression: str, shown: datetime) -> bool:
    minute, hour, day, month, weekday = expression.split()
    fits_time = _field(minute, shown.minute, 0) and _field(hour, shown.hour, 0) and _field(month, shown.month, 1)
    return fits_time and _field(day, shown.day, 1) and _field(weekday, shown.isoweekday() % 7, 0)


def _walk(expression: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Look at the clocks each minute: what they show for the first time, what they have skipped, what they repeat."""
    minute, hour = expression.split()[:2]
    is_written_out = "*" not in minute + hour
    at = begin - timedelta(days=1)
    highest = at.astimezone(zone).replace(tzinfo=None) - MINUTE
    while at < end:
        shown = at.astimezone(zone).replace(tzinfo=None)
        if not is_written_out:
            fires = _fits(expression, shown)
        else:
            gap = (shown - highest) // MINUTE
            skipped = [highest + one * MINUTE for one in range(1, gap)] if gap <= 181 else []
            fires = shown > highest and any(_fits(expression, one) for one in [*skipped, shown])
            highest = max(highest, shown)
        if fires and at > begin:
            yield at
        at += MINUTE


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_the_times_are_those_that_the_clocks_show(zone: str, day: str, expression: str) -> None:
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    begin, end = middle - timedelta(days=1), middle + timedelta(days=2)
    expected = list(_walk(expression, ZoneInfo(zone), begin, end))
    assert list(cron_times(expression, ZoneInfo(zone), begin, end - MINUTE)) == expected


@pytest.mark.parametrize("expression", ["45 1 * * *", "30 2 * * *", "*/20 2 * * *", "30 5 * * 5"])
@pytest.mark.parametrize(("zone", "day"), CHANGES[:8])
def test_the_times_are_the_same_from_wherever_one_looks(zone: str, day: str, expression: str) -> None:
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    begin, end = middle - timedelta(days=8), middle + timedelta(days=8)
    times = list(_walk(expression, ZoneInfo(zone), begin, end))
    for now in (middle + timedelta(minutes=17 * step, seconds=step % 60) for step in range(-60, 60)):
        later = min(at for at in times if at > now)
        newest = max(at for at in times if at <= now)
        assert next(cron_times(expression, ZoneInfo(zone), now)) == later
        assert newest_cron_time(expression, ZoneInfo(zone), begin, now) == newest
        assert newest_cron_time(expression, ZoneInfo(zone), newest, now) is None


def test_a_rare_time_is_found_years_away() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    times = islice(cron_times("0 12 29 2 *", zone, datetime(2024, 3, 1, tzinfo=UTC)), 2)
    assert [f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in times] == ["2028-02-29 12:00", "2032-02-29 12:00"]
