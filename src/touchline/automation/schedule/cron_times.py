"""The instants of a cron expression in a time zone, through every change of its clocks.

As Debian's cron has it: a time that is written out (no `*` in minute or hour) comes once on each day. Where the clocks
skip it, it comes at the end of the gap; where they show it twice, at the first. A time with a `*` there comes whenever
the clocks show it. A gap of more than three hours is no change between summer and winter: a day that the zone skipped
had none of its times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

_SPAN: Final = timedelta(days=30)
# The clocks of no zone have changed twice within this time.
_PROBE: Final = timedelta(hours=6)
_SECOND: Final = timedelta(seconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_LONGEST_GAP: Final = timedelta(hours=3)
# A repeated hour is known by what came before it.
_BEFORE: Final = timedelta(days=2)
_FIRST_LOOK_BACK: Final = timedelta(hours=1)


def cron_times(expression: str, zone: ZoneInfo, after: datetime, until: datetime = _NEVER) -> Iterator[datetime]:
    """The instants in (after, until], in UTC, in order, each once. The expression is one that fires."""
    is_written_out = not any(part.startswith("*") for part in expression.split()[:2])
    after = after.astimezone(UTC)
    begin = after.replace(microsecond=0)
    if is_written_out:
        begin -= _BEFORE
    last: _Stretch | None = None
    while begin <= until:
        end = min(begin, until - _SPAN) + _SPAN + _SECOND
        for stretch in _stretches(zone, begin, end):
            for instant in _times_of(expression, stretch, last, is_written_out=is_written_out):
                if after < instant <= until:
                    yield instant
            last = stretch
        begin = end


def newest_cron_time(expression: str, zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The newest instant in (after, until], in UTC; None where there is none."""
    span = _FIRST_LOOK_BACK
    while True:
        begin = max(after, until - span)
        newest = None
        for newest in cron_times(expression, zone, begin, until):  # noqa: B007  the last one
            pass
        if newest is not None or begin == after:
            return newest
        span *= 4


@dataclass(frozen=True)
class _Stretch:
    """A span of time in which the clocks of the zone do not change. `first` and `end` are what they show."""

    begin: datetime
    first: datetime
    end: datetime

    def instant(self, shown: datetime) -> datetime:
        return self.begin + (shown - self.first)


def _stretches(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[_Stretch]:
    while begin < end:
        offset, probed = _offset(zone, begin), begin
        while probed < end and _offset(zone, probed) == offset:
            probed += _PROBE
        change = min(probed, end)
        if _offset(zone, change) != offset or _offset(zone, change - _SECOND) != offset:
            change = _change_of(zone, max(begin, probed - _PROBE), change, offset)
        shown = begin.replace(tzinfo=None) + offset
        yield _Stretch(begin, shown, shown + (change - begin))
        begin = change


def _change_of(zone: ZoneInfo, before: datetime, at: datetime, offset: timedelta) -> datetime:
    """The first second with another offset than `before`, up to `at`."""
    while at - before > _SECOND:
        middle = before + (at - before) // 2
        middle = middle.replace(microsecond=0)
        before, at = (middle, at) if _offset(zone, middle) == offset else (before, middle)
    return at


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _times_of(expression: str, stretch: _Stretch, last: _Stretch | None, *, is_written_out: bool) -> Iterator[datetime]:
    """The instants of one stretch after `last`."""
    first = stretch.first
    if is_written_out and last is not None:
        gap = first - last.end
        if timedelta(0) < gap <= _LONGEST_GAP and any(_shown_times(expression, last.end, first)):
            yield stretch.begin
            first += _SECOND  # a time at the end of the gap is this one
        first = max(first, last.end)  # what the clocks showed before
    for shown in _shown_times(expression, first, stretch.end):
        yield stretch.instant(shown)


def _shown_times(expression: str, first: datetime, end: datetime) -> Iterator[datetime]:
    """What the clocks show at the times of the expression in [first, end)."""
    if first >= end:
        return
    for shown in CronSim(expression, first - _SECOND):
        if shown >= end:
            return
        yield shown
