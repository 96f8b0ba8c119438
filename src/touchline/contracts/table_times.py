"""The time of a row in a table that nobody has declared: columns that join to one, and the cycles it goes through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

Cycle = Literal["season", "week", "day"]

TIME_NAMES = re.compile(r"(date|time|day|_at|timestamp|created|kick_?off|start|month|week|when|period|^ts$)")
# Dates that are attributes of a person or a contract, not the moment when the row became known.
NO_EVENT = re.compile(r"birth|dob|born|expir|due|deadline|valid_|until|maturity|end_date|hired")
# Whole numbers in order that are a time, not an id.
NO_ID = re.compile(r"(^|_)(year|yr|epoch|unix|timestamp|ts|time)")

_PARTS = {"year": r"^(year|yr)$", "month": r"^(month|mon|mnth)$", "day": r"^(day|dom|mday)$", "hour": r"^(hour|hr)$"}
_ALLOWED = {"year": (1700, 2200), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}
# A shorter stretch of a cycle looks like a trend.
_SPANS = {"season": timedelta(days=360), "week": timedelta(days=21), "day": timedelta(days=3)}


@dataclass(frozen=True)
class TimeParts:
    """Columns of whole numbers that are the time of a row together, the largest unit first; `name` is the new one."""

    name: str
    columns: tuple[str, ...]
    has_hours: bool

    @property
    def form(self) -> str:
        """The format string that joins the columns, as `polars.format` reads it: `2021-2-28`, `2021-2-28 13:00`."""
        return {2: "{}-{}-1", 3: "{}-{}-{}", 4: "{}-{}-{} {}:00"}[len(self.columns)]

    def values(self, table: pl.DataFrame) -> pl.Series:
        """The times: days, or hours in UTC; null where the parts are no time."""
        texts = table.select(pl.format(self.form, *self.columns).alias(self.name)).to_series()
        if self.has_hours:
            return texts.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", time_zone="UTC", strict=False)
        return texts.str.to_date("%Y-%m-%d", strict=False)


def find_time_parts(table: pl.DataFrame) -> TimeParts | None:
    """Year and month, and day and hour where there are such columns, all within their range and never null."""
    found: list[str] = []
    for part, pattern in _PARTS.items():
        names = [name for name in table.columns if re.search(pattern, name) and _is_within(table[name], part)]
        if not names:
            break
        found.append(names[0])
    if len(found) < 2:
        return None
    name = "row_time"
    while name in table.columns:
        name += "_2"
    parts = TimeParts(name, tuple(found), len(found) == 4)
    times = parts.values(table)
    return None if times.null_count() or times.n_unique() < 2 else parts


def _is_within(column: pl.Series, part: str) -> bool:
    least, most = _ALLOWED[part]
    return column.dtype == pl.Int64 and column.len() > 0 and bool(column.is_between(least, most).fill_null(False).all())


def cycles_of(times: pl.Series) -> tuple[Cycle, ...]:
    """The cycles that the times go through long enough to learn them, at several moments of each."""
    given = times.drop_nulls()
    if given.is_empty():
        return ()
    span = given.max() - given.min()  # type: ignore[operator]  # both are dates, or both instants
    assert isinstance(span, timedelta)
    moments = {"season": given.dt.month(), "week": given.dt.weekday()}
    if isinstance(given.dtype, pl.Datetime):
        moments["day"] = given.dt.hour()
    return tuple(cycle for cycle, seen in moments.items() if span >= _SPANS[cycle] and seen.n_unique() > 1)  # type: ignore[misc]  # keys are cycles
